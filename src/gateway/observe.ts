import type { Clock, Exchange, Reply, Signals, Stage } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { sanitizeHeaders } from '../telemetry/sanitize.js';
import { withCors } from './cors.js';
import { errorReply } from './errorReply.js';

export interface ObserveDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** An answer's stream died after its head was taken. */
  upstreamBroke(destination: string): void;
}

/** Turns failures into replies, and writes one access record when the exchange is over. */
export function createObserve(deps: ObserveDeps): Stage {
  const { signals } = deps;
  return function observe(exchange, next) {
    let failure: GatewayError | undefined;
    exchange.ended = (outcome, status) => {
      if (outcome === 'upstream-broke' && exchange.route) deps.upstreamBroke(exchange.route.destination);
      if (signals.enabled('exchange'))
        signals.emit('exchange', accessRecord(exchange, deps.clock, { outcome, status, failure }));
    };
    if (signals.enabled('exchange.headers')) {
      signals.emit('exchange.headers', {
        requestId: exchange.id,
        headers: sanitizeHeaders(exchange.request.headerLines),
      });
    }
    const succeed = (reply: Reply) =>
      exchange.browserOrigin === undefined ? reply : withCors(reply, exchange.browserOrigin);
    const fail = (error: unknown) => {
      failure = error instanceof GatewayError ? error : unexpected(error, exchange, signals);
      return succeed(errorReply(failure, exchange));
    };
    try {
      const reply = next();
      return reply instanceof Promise ? reply.then(succeed).catch(fail) : succeed(reply);
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

interface End {
  readonly outcome: string;
  readonly status: number;
  readonly failure: GatewayError | undefined;
}

function accessRecord(exchange: Exchange, clock: Clock, end: End): Record<string, unknown> {
  const { call, costs, decision, request } = exchange;
  return {
    requestId: exchange.id,
    door: exchange.door,
    method: request.method,
    rpc: call?.method,
    tool: call?.method === 'tools/call' ? call.name : undefined,
    destination: decision?.destination,
    strategy: decision?.strategy,
    status: end.status,
    code: end.failure?.code,
    reason: reasonOf(end.failure),
    outcome: end.outcome,
    ms: round(clock.monotonic() - exchange.startedAt),
    tokenMs: round(costs.tokenMs),
    upstreamMs: round(costs.upstreamMs),
    attempts: costs.attempts,
    traceId: traceId(request.header('traceparent')),
    address: request.remoteAddress,
  };
}

/** The cause's own word, for the operator; callers get the table's. Causes hold no secrets: credentials never stand in them. */
function reasonOf(failure: GatewayError | undefined): string | undefined {
  if (!failure) return undefined;
  return failure.cause instanceof Error ? `${failure.message}: ${failure.cause.message}` : failure.message;
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** The trace id of a W3C traceparent; undefined where the line isn't one. */
function traceId(traceparent: string | undefined): string | undefined {
  return traceparent === undefined
    ? undefined
    : /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(traceparent)?.[1];
}
