import { createHash } from 'node:crypto';
import type { Upstream } from '../contracts.js';
import { scopeKey } from '../core/scopeKey.js';
import type { Client } from './modernToLegacyMessages.js';
import type { Way } from './modernToLegacySession.js';

/** Header fields by which a server tells no callers apart. Every other one is a part of the key: what isn't known may matter. */
const PLAIN = new Set(
  `accept accept-encoding accept-language baggage cache-control connection content-encoding content-length content-type expect
  forwarded host keep-alive last-event-id origin pragma priority referer te trailer traceparent tracestate transfer-encoding
  upgrade user-agent via x-real-ip x-request-id x-correlation-id x-btp-destination x-mcp-destination x-mcp-url
  x-sap-destination x-target-url`.split(/\s+/),
);
const PLAIN_PREFIXES = ['mcp-', 'sec-', 'x-forwarded-', 'x-b3-', 'x-datadog-', 'x-amzn-trace', 'cf-'];
/** What a caller proves itself with. The first ones are shown to a server only where the destination says so. */
const PROOFS = new Set(['authorization', 'cookie', 'dpop']);
const KEYS = new Set(['authorization', 'x-api-key']);
/** What a caller sends along for the server, by a credential of kind `passthrough`. */
const PASSED_ON = 'x-drawbridge-';

/** Whose something is: nobody else may find it. */
export function ownerOf({ exchange, attempt }: Way, upstream: Upstream): string {
  return digest(
    scopeKey(exchange.principal ?? null, upstream.name, attempt.route.destination, proofs(exchange, upstream)),
  );
}

/** Callers that may share a session: one caller, who says the same of itself, on one way to one server. */
export function sessionKey(way: Way, client: Client, upstream: Upstream): string {
  const { route } = way.attempt;
  const said = JSON.stringify([client.capabilities, client.info, client.logLevel ?? null]);
  const { principal, request } = way.exchange;
  // Callers that nobody knows are told apart as far as can be: what is asked beside a call must not reach a stranger.
  const from = principal ? '' : request.remoteAddress;
  const parts = [route.url.href, route.credential ?? '', said, from, fields(way.exchange, upstream)];
  return digest(scopeKey(principal ?? null, ...parts));
}

type Said = Way['exchange'];

function fields(exchange: Said, upstream: Upstream): string {
  return linesOf(exchange, (name) => !isPlain(name) && isShown(name, exchange, upstream));
}

function proofs(exchange: Said, upstream: Upstream): string {
  return linesOf(
    exchange,
    (name) => (PROOFS.has(name) || KEYS.has(name) || name.startsWith(PASSED_ON)) && isShown(name, exchange, upstream),
  );
}

function linesOf({ request }: Said, wanted: (name: string) => boolean): string {
  const lines: string[] = [];
  const all = request.headerLines;
  for (let i = 0; i < all.length; i += 2) {
    const name = (all[i] as string).toLowerCase();
    if (wanted(name)) lines.push(JSON.stringify([name, all[i + 1]]));
  }
  return lines.sort().join();
}

function isPlain(name: string): boolean {
  return PLAIN.has(name) || PLAIN_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** A proof that was meant for us, or that this server isn't shown, changes nothing there; and it may be new with every request. */
function isShown(name: string, exchange: Said, upstream: Upstream): boolean {
  if (KEYS.has(name) && exchange.tokenIsOurs) return false;
  return upstream.personal === true || !(PROOFS.has(name) || name.startsWith('proxy-'));
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
