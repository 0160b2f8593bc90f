import type { Clock, Exchange, Reply, Signals, Stage } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { sanitizeHeaders } from '../telemetry/sanitize.js';
import { accessRecord } from './accessRecord.js';
import { withCors } from './cors.js';
import { errorReply } from './errorReply.js';

export interface ObserveDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** An answer's stream died after its head was taken. */
  upstreamBroke(destination: string): void;
  /** The caller's address, from the socket's and what trusted proxies say. */
  clientAddress(socket: string, forwardedFor: string | undefined): string;
  /** Counts exchanges in and out, so that what they use isn't taken from under them. */
  readonly running: { enter(): void; leave(): void };
}

/** Turns failures into replies, and writes one access record when the exchange is over. */
export function createObserve(deps: ObserveDeps): Stage {
  const { signals } = deps;
  return function observe(exchange, next) {
    let failure: GatewayError | undefined;
    deps.running.enter();
    exchange.ended = (outcome, status) => {
      deps.running.leave();
      if (outcome === 'upstream-broke' && exchange.route) deps.upstreamBroke(exchange.route.destination);
      if (!signals.enabled('exchange')) return;
      const { remoteAddress, header } = exchange.request;
      const address = deps.clientAddress(remoteAddress, header('x-forwarded-for'));
      signals.emit('exchange', accessRecord(exchange, deps.clock, address, { outcome, status, failure }));
    };
    if (signals.enabled('exchange.headers')) {
      signals.emit('exchange.headers', {
        requestId: exchange.id,
        headers: sanitizeHeaders(exchange.request.headerLines),
      });
    }
    const finish = (reply: Reply) =>
      exchange.browserOrigin === undefined ? reply : withCors(reply, exchange.browserOrigin);
    const fail = (error: unknown) => {
      failure = error instanceof GatewayError ? error : unexpected(error, exchange, signals);
      return finish(errorReply(failure, exchange));
    };
    try {
      const reply = next();
      return reply instanceof Promise ? reply.then(finish).catch(fail) : finish(reply);
    } catch (error) {
      return fail(error);
    }
  };
}

/** What went wrong inside stays inside: the caller gets the request id, the log gets the rest. */
function unexpected(error: unknown, exchange: Exchange, signals: Signals): GatewayError {
  signals.emit('exchange.failed', {
    requestId: exchange.id,
    cause: error instanceof Error ? error.stack : String(error),
  });
  return new GatewayError('INTERNAL', 'something went wrong in the proxy', { cause: error });
}
