import type { Tracer } from '../contracts/tracer.js';
import type { Clock, Exchange, Outcome, Reply, Route, Signals, Stage } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { sanitizeHeaders } from '../telemetry/sanitize.js';
import { accessRecord, traceIdOf } from './accessRecord.js';
import type { CallFeed } from './callFeed.js';
import { withCors } from './cors.js';
import { errorReply } from './errorReply.js';
import type { Meter } from './meter.js';

export interface ObserveDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** An answer's stream died after its head was taken. */
  upstreamBroke(exchange: Exchange, route: Route): void;
  /** The caller's address, from the socket's and what trusted proxies say. */
  clientAddress(socket: string, forwardedFor: string | undefined): string;
  /** Keeps what became of an exchange, where an audit log is asked for. */
  record?(exchange: Exchange, address: string, outcome: Outcome, status: number): void;
  /** Counts exchanges in and out, so that what they use isn't taken from under them. */
  readonly running: { enter(): void; leave(): void };
  /** Counts what passes, where metrics are asked for. */
  readonly meter?: Meter;
  /** Shows what passes to whoever looks on. */
  readonly calls?: CallFeed;
  /** Records what passes, where traces are asked for. */
  readonly tracer?: Tracer;
}

/** Turns failures into replies, and writes one access record when the exchange is over. */
export function createObserve(deps: ObserveDeps): Stage {
  const { signals, meter, calls, tracer } = deps;
  function ended(exchange: Exchange, outcome: Outcome, status: number): void {
    deps.running.leave();
    meter?.ended(exchange, outcome, status);
    calls?.ended(exchange, outcome, status);
    tracer?.ended(exchange, outcome, status);
    if (outcome === 'upstream-broke' && exchange.route) deps.upstreamBroke(exchange, exchange.route);
    tellEnd(deps, exchange, outcome, status);
  }
  function fail(error: unknown, exchange: Exchange): Reply {
    const failure = error instanceof GatewayError ? error : unexpected(error, exchange, signals);
    exchange.failure = failure;
    return finish(errorReply(failure, exchange), exchange);
  }
  function finish(reply: Reply, exchange: Exchange): Reply {
    const counted = meter ? meter.answered(exchange, reply) : reply;
    return exchange.browserOrigin === undefined ? counted : withCors(counted, exchange.browserOrigin);
  }
  return function observe(exchange, next) {
    deps.running.enter();
    meter?.began();
    if (tracer) exchange.trace = tracer.open(exchange);
    exchange.ended = ended;
    if (signals.enabled('exchange.headers', '')) tellHeaders(exchange, signals);
    try {
      const reply = next(exchange);
      if (!(reply instanceof Promise)) return finish(withAnswerLines(reply, exchange), exchange);
      return reply.then(
        (later) => finish(withAnswerLines(later, exchange), exchange),
        (error: unknown) => fail(error, exchange),
      );
    } catch (error) {
      return fail(error, exchange);
    }
  };
}

/** The reply with the lines that join it. */
export function withAnswerLines(reply: Reply, { answerLines }: Exchange): Reply {
  if (answerLines === undefined) return reply;
  return { status: reply.status, headers: reply.headers.concat(answerLines), body: reply.body, origin: reply.origin };
}

function tellEnd(deps: ObserveDeps, exchange: Exchange, outcome: Outcome, status: number): void {
  const { signals } = deps;
  const destination = exchange.decision?.destination ?? '';
  if (signals.enabled('exchange.headers')) tellHeadersOf(destination, exchange, signals);
  const logged = signals.enabled('exchange', destination);
  if (!deps.record && !logged) return;
  const { request } = exchange;
  const address = deps.clientAddress(request.remoteAddress, request.header('x-forwarded-for'));
  deps.record?.(exchange, address, outcome, status);
  if (logged) signals.emit('exchange', accessRecord(exchange, deps.clock, address, outcome, status));
}

function tellHeaders(exchange: Exchange, signals: Signals, destination?: string): void {
  const { id, request } = exchange;
  const headers = sanitizeHeaders(request.headerLines);
  signals.emit('exchange.headers', { requestId: id, traceId: traceIdOf(exchange), destination, headers });
}

/** Where only some destinations are looked at this closely, which one it is is known later than the headers are. */
function tellHeadersOf(destination: string, exchange: Exchange, signals: Signals): void {
  const told = signals.enabled('exchange.headers', '');
  if (!told && signals.enabled('exchange.headers', destination)) tellHeaders(exchange, signals, destination);
}

/** What went wrong inside stays inside: the caller gets the request id, the log gets the rest. */
function unexpected(error: unknown, exchange: Exchange, signals: Signals): GatewayError {
  signals.emit('exchange.failed', {
    requestId: exchange.id,
    traceId: traceIdOf(exchange),
    cause: error instanceof Error ? error.stack : String(error),
  });
  return new GatewayError('INTERNAL', 'something went wrong in the proxy', { cause: error });
}
