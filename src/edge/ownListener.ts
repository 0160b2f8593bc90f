import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Exchange, Handler, Reply, Signals } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { errorReply } from '../gateway/errorReply.js';
import { callerLeft } from '../wire/explain.js';
import { endExchange, RequestIds, SocketExchange } from './exchanges.js';
import { respond } from './respond.js';

export type AdminListener = (request: IncomingMessage, response: ServerResponse) => void;

export interface OwnListenerDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** Puts the stages of the `admin` door (observe, guard, limits by address) before what answers. */
  through?(terminal: Handler): Handler;
}

/** What every answer carries: it is kept by nobody, framed by nobody, and no page. */
const SECURITY = [
  ['x-content-type-options', 'nosniff'],
  ['cache-control', 'no-store'],
  ['referrer-policy', 'no-referrer'],
  ['cross-origin-resource-policy', 'same-origin'],
  ['x-frame-options', 'DENY'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
] as const;

/** What this process says of itself and to its operators, as a listener for `node:http`. */
export function ownListener(terminal: Handler, deps: OwnListenerDeps): AdminListener {
  const ids = new RequestIds();
  const handler = deps.through?.(terminal) ?? terminal;
  return (request, response) => {
    const exchange = new SocketExchange(ids.next(), 'admin', { request, response }, deps.clock);
    response.on('close', () => closed(exchange, response));
    new Promise<Reply>((resolve) => resolve(handler(exchange)))
      .catch((error: unknown) => errorReply(explained(error, exchange, deps), exchange))
      .then((reply) => respond(response, secured(reply), exchange))
      .catch(() => response.destroy());
  };
}

/** The answer is out, or nobody is left to read it. */
function closed(exchange: SocketExchange, response: ServerResponse): void {
  if (response.writableFinished) return endExchange(exchange, 'complete', response.statusCode);
  exchange.leave(callerLeft());
  endExchange(exchange, 'caller-left', 499);
}

/** What went wrong inside stays inside: the caller gets the request id, the log gets the rest. */
function explained(error: unknown, exchange: Exchange, { signals }: OwnListenerDeps): GatewayError {
  if (error instanceof GatewayError) return error;
  const cause = error instanceof Error ? error.stack : String(error);
  signals.emit('exchange.failed', { requestId: exchange.id, cause });
  return new GatewayError('INTERNAL', 'something went wrong in the proxy', { cause: error });
}

/** A page says some of it in its own way. */
function secured(reply: Reply): Reply {
  const missing = SECURITY.filter(([name]) => !reply.headers.includes(name)).flat();
  return { ...reply, headers: [...reply.headers, ...missing] };
}
