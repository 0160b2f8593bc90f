import type { Exchange, Inbound, Stage } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isPreflight, preflightReply } from './cors.js';

/** The `server` options that the guard goes by. */
export interface GuardOptions {
  readonly host: string;
  readonly publicUrl?: URL;
  /** Host names, with or without a port; `*` allows any. */
  readonly allowedHosts: readonly string[];
  /** Origins as browsers send them; `*` allows any. */
  readonly allowedOrigins: readonly string[];
}

const SWALLOWED_BYTES = 64 * 1024;

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];

/** True for an address that only this machine can reach. */
export function isLoopbackBind(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * Refuses what no later stage should have to look at: new work while the process stops or has no room for it, a foreign Host or Origin (DNS rebinding, cross-site requests).
 * A body's size and media type are judged by `read`, since PASSTHROUGH takes any.
 */
export function createGuard(
  options: GuardOptions,
  draining: () => boolean,
  overloaded: (exchange: Exchange) => boolean = () => false,
): Stage {
  const hostAllowed = hostRule(options);
  const originAllowed = originRule(options);
  return function guard(exchange, next) {
    const { request } = exchange;
    if (draining()) throw new GatewayError('DRAINING', 'the process is stopping', { retryAfter: 1 });
    // Whoever operates this process gets in all the same, since somebody has to see what is going on.
    if (exchange.door !== 'admin' && overloaded(exchange)) return refuse(exchange);
    assertHost(request, hostAllowed);
    const origin = request.header('origin');
    if (origin !== undefined) {
      if (!originAllowed(origin))
        throw new GatewayError('ORIGIN_NOT_ALLOWED', 'requests from this origin are not allowed');
      exchange.browserOrigin = origin;
    }
    if (exchange.door === 'mcp' && origin !== undefined && isPreflight(request)) return preflightReply(request);
    return next(exchange);
  };
}

/** What comes is read first, as far as that is little: its connection is closed behind the refusal, which a reset would take along. */
async function refuse({ request }: Exchange): Promise<never> {
  if (request.raw?.head === undefined) await request.body(SWALLOWED_BYTES, () => {}).catch(() => {});
  throw new GatewayError('OVERLOADED', 'the process has no room for more', { retryAfter: 1 });
}

function assertHost(request: Inbound, allowed: (host: string) => boolean): void {
  if (!request.target.startsWith('/')) throw new GatewayError('MALFORMED_HTTP', 'the request target is not a path');
  const lines = request.headerLines;
  let host: string | undefined;
  for (let i = 0; i < lines.length; i += 2) {
    if ((lines[i] as string).length !== 4 || (lines[i] as string).toLowerCase() !== 'host') continue;
    if (host !== undefined) throw new GatewayError('MALFORMED_HTTP', 'the request has two Host lines');
    host = lines[i + 1];
  }
  if (host === undefined) throw new GatewayError('MALFORMED_HTTP', 'the request has no Host line');
  if (!allowed(host.toLowerCase()))
    throw new GatewayError('HOST_NOT_ALLOWED', 'requests for this host are not allowed');
}

function hostRule(options: GuardOptions): (host: string) => boolean {
  const names = new Set(options.allowedHosts.map((host) => host.toLowerCase()));
  if (names.has('*')) return () => true;
  if (options.publicUrl) names.add(options.publicUrl.host);
  if (isLoopbackBind(options.host)) for (const name of LOOPBACK_NAMES) names.add(name);
  const allowed = (host: string) => names.has(host) || names.has(host.replace(/:\d{1,5}$/, ''));
  // Nearly every request says the same as the one before.
  let last: string | undefined;
  return (host) => {
    if (host === last) return true;
    if (!allowed(host)) return false;
    last = host;
    return true;
  };
}

function originRule(options: GuardOptions): (origin: string) => boolean {
  const origins = new Set(options.allowedOrigins);
  if (origins.has('*')) return () => true;
  if (options.publicUrl) origins.add(options.publicUrl.origin);
  const loopback = isLoopbackBind(options.host)
    ? /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/
    : undefined;
  return (origin) => origins.has(origin) || loopback?.test(origin) === true;
}
