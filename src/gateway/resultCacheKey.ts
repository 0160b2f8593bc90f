import { createHash } from 'node:crypto';
import type { Exchange, HeaderLines, McpCall, Owner, Route } from '../contracts.js';
import { isObject } from '../core/json.js';
import { scopeKey } from '../core/scopeKey.js';
import { saysTwice } from './resultCacheJson.js';
import { CACHEABLE, type ResultCacheOptions } from './resultCacheSchema.js';

/** A request whose answer may be kept, or have been kept. */
export interface Asked {
  readonly id: string | number;
  readonly destination: string;
  /** Under which the answer is kept for this caller alone. */
  readonly privateKey: string;
  /** Under which it is kept for all of the tenant; undefined where what is shown upstream is the caller's own. */
  readonly publicKey: string | undefined;
  /** How long an answer of an older revision is kept; undefined for a modern one, which says so itself. */
  readonly legacyTtlMs: number | undefined;
}

const METHODS: ReadonlySet<string> = new Set(CACHEABLE);
/** Longer questions aren't worth a key. */
const LONGEST_BODY = 64 * 1024;
/** Another parameter may change the answer, or make it one to a retry (`inputResponses`, `requestState`). */
const PARAMS = new Set(['_meta', 'cursor', 'uri']);
const MEMBERS = new Set(['jsonrpc', 'id', 'method', 'params']);
/** Members of `_meta` that say who asks, or which of its requests this is, and not what is asked for. */
const ASIDE = new Set([
  'progressToken',
  'traceparent',
  'tracestate',
  'baggage',
  'io.modelcontextprotocol/clientInfo',
  'io.modelcontextprotocol/logLevel',
]);

/** Header fields that don't select a representation. Every other one is a part of the key: what isn't known may matter. */
const PLAIN_FIELDS = new Set(
  `accept accept-encoding baggage connection content-encoding content-length content-type expect forwarded host keep-alive
  mcp-method mcp-name origin priority referer te trailer traceparent tracestate transfer-encoding upgrade user-agent via
  x-btp-destination x-correlation-id x-mcp-destination x-mcp-url x-request-id x-sap-destination x-target-url`.split(
    /\s+/,
  ),
);
const PLAIN_PREFIXES = ['sec-fetch-', 'sec-ch-', 'x-forwarded-'];
/** What an upstream sees only where the destination forwards the caller's own proof. */
const PROOFS = new Set(['authorization', 'cookie', 'dpop']);
/** What it never sees where it was meant for us: it says who asks, which the key knows already. */
const OUR_PROOFS = new Set(['authorization', 'x-api-key']);

/** True for a field that two askers may differ in and still get the same answer. */
export function isPlainField(name: string): boolean {
  return PLAIN_FIELDS.has(name) || PLAIN_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** What is asked for; undefined where no kept answer will do, and none may be kept. `personal`: what is shown upstream is the caller's own. */
export function askedFor(exchange: Exchange, options: ResultCacheOptions, personal: boolean): Asked | undefined {
  const { call, request, route } = exchange;
  if (!call || !route || call.kind !== 'request' || call.id === undefined || !METHODS.has(call.method ?? '')) {
    return undefined;
  }
  const legacyTtlMs = call.era === 'legacy' ? legacyLife(call, options) : undefined;
  if (request.method !== 'POST' || legacyTtlMs === 0 || !takesJson(exchange)) return undefined;
  const question = questionOf(call);
  if (question === undefined) return undefined;
  const { destination, url } = route as Route;
  const fields = fieldsOf(request.headerLines, personal, exchange.tokenIsOurs === true);
  const parts = [destination, url.href, call.method as string, call.revision ?? 'legacy', question, fields];
  return {
    id: call.id,
    destination,
    privateKey: digest(scopeKey(exchange.principal ?? null, 'private', ...parts)),
    publicKey: personal ? undefined : digest(scopeKey(tenantOf(exchange.principal), 'public', ...parts)),
    legacyTtlMs,
  };
}

function legacyLife(call: McpCall, options: ResultCacheOptions): number {
  return options.legacyTtlMs[call.method as keyof ResultCacheOptions['legacyTtlMs']] ?? 0;
}

/** A tenant as a whole. Its subject is empty, as no caller's is: those begin with the name of who vouches for them. */
function tenantOf(principal: Owner | undefined): Owner | null {
  return principal?.tenant === undefined ? null : { subject: '', tenant: principal.tenant };
}

/** A kept answer is JSON, whatever form it came in; and who asks for a fresh one gets one (RFC 9111 section 5.2.1). */
function takesJson({ request }: Exchange): boolean {
  const accept = request.header('accept')?.toLowerCase();
  const fresh = request.header('cache-control')?.toLowerCase() ?? '';
  if (/\bno-(cache|store)\b/.test(fresh)) return false;
  return (
    accept === undefined ||
    accept.split(',').some((range) => {
      const [type = '', ...rest] = range.split(';').map((part) => part.trim());
      const wanted = type === 'application/json' || type === 'application/*' || type === '*/*';
      return wanted && !rest.some((part) => /^q=0(\.0*)?$/.test(part));
    })
  );
}

/**
 * The parameters in one canonical form. Undefined for a body that another reader may take for a different one (a member
 * said twice): the answer to what it read would be kept as the answer to what we read.
 */
function questionOf(call: McpCall): string | undefined {
  if (!call.body || call.body.length > LONGEST_BODY) return undefined;
  const text = call.body.toString();
  const message: unknown = JSON.parse(text);
  if (!isObject(message) || !onlyHas(message, MEMBERS) || saysTwice(text, message)) return undefined;
  const params = message.params ?? {};
  if (!isObject(params) || !onlyHas(params, PARAMS)) return undefined;
  const { cursor = null, uri = null, _meta: meta = {} } = params;
  if (!isObject(meta) || [cursor, uri].some((value) => value !== null && typeof value !== 'string')) return undefined;
  const matter = Object.entries(meta).filter(([key]) => !ASIDE.has(key));
  return JSON.stringify([cursor, uri, canonical(Object.fromEntries(matter))]);
}

function onlyHas(object: Readonly<Record<string, unknown>>, keys: ReadonlySet<string>): boolean {
  return Object.keys(object).every((key) => keys.has(key));
}

/** Members in the order of their names, as pairs: no name means anything to whoever builds this. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (!isObject(value)) return value;
  const pairs = Object.entries(value).map(([key, member]) => [key, canonical(member)] as const);
  return { members: pairs.sort(([a], [b]) => (a < b ? -1 : 1)) };
}

/** The fields that may select a representation, in one order. */
function fieldsOf(lines: HeaderLines, personal: boolean, tokenIsOurs: boolean): string {
  const fields: string[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase();
    const unseen = !personal && (PROOFS.has(name) || name.startsWith('proxy-'));
    const ours = tokenIsOurs && OUR_PROOFS.has(name);
    if (!unseen && !ours && !isPlainField(name)) fields.push(JSON.stringify([name, lines[i + 1]]));
  }
  return fields.sort().join();
}

/** Of one length, whatever callers wrote; what stands in a key can't be read from it. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
