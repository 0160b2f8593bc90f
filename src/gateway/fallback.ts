import type { Clock, Exchange, Handler, Outcome, Reply, Route, Signals, Sink } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import type { Seal } from '../core/seal.js';
import { OpenExchange, WithHeader } from '../wire/exchange.js';
import { callerLeft } from '../wire/explain.js';
import { headerValue, replaced } from '../wire/headers.js';
import { traceIdOf } from './accessRecord.js';

const SESSION_ID = 'mcp-session-id';
/** Says who answered in a destination's place. */
const SERVED_BY = 'x-drawbridge-fallback';

export interface FallbackDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly seal: Seal;
  /** Each destination as if its caller had called it itself: its own permissions, limits, breaker and credential. */
  member(name: string): Handler | undefined;
}

/**
 * Calls of a destination that can't be had go to another one, where nothing of them has reached it: its breaker is open, or
 * no connection was made. A session that began there is known by its id, and stays there.
 */
export class Fallbacks {
  readonly #of: ReadonlyMap<string, readonly string[]>;
  readonly #deps: FallbackDeps;
  /** What is called in another's place has nobody in its own: circles end here. */
  readonly #substitutes = new WeakSet<Exchange>();

  constructor(of: ReadonlyMap<string, readonly string[]>, deps: FallbackDeps) {
    this.#of = of;
    this.#deps = deps;
  }

  /** Before the terminal of all destinations; those without a fallback go through it as before. */
  before(terminal: Handler): Handler {
    return (exchange) => {
      const names = exchange.route && this.#of.get(exchange.route.destination);
      const plain = !names || exchange.decision?.url !== undefined || this.#substitutes.has(exchange);
      return plain ? terminal(exchange) : this.#serve(exchange, exchange.route as Route, names, terminal);
    };
  }

  async #serve(exchange: Exchange, route: Route, names: readonly string[], terminal: Handler): Promise<Reply> {
    const said = exchange.request.header(SESSION_ID);
    const home = said === undefined ? undefined : names.find((name) => this.#isOf(said, name, route));
    if (home !== undefined) return this.#substitute(exchange, route, home);
    try {
      return await terminal(exchange);
    } catch (error) {
      // Nobody else knows a session of the destination's own.
      if (!isUnavailable(error) || exchange.gone || said !== undefined) throw error;
      return this.#instead(exchange, route, names, error);
    }
  }

  async #instead(exchange: Exchange, route: Route, names: readonly string[], failure: GatewayError): Promise<Reply> {
    for (const name of names) {
      try {
        const reply = await this.#substitute(exchange, route, name);
        this.#deps.signals.emit('fallback.used', {
          requestId: exchange.id,
          traceId: traceIdOf(exchange),
          destination: route.destination,
          fallback: name,
          code: failure.code,
        });
        return reply;
      } catch (error) {
        if (exchange.gone || !(isUnavailable(error) || isRefusal(error))) throw error;
      }
    }
    // What another one says of a call that was meant for this one is no answer to it.
    throw failure;
  }

  async #substitute(exchange: Exchange, route: Route, name: string): Promise<Reply> {
    const way = this.#deps.member(name);
    if (!way) throw new GatewayError('UNKNOWN_DESTINATION', 'no destination has that name');
    const substitute = this.#open(exchange);
    exchange.held = { cancel: () => substitute.leave(callerLeft()) };
    const ended = once((outcome: Outcome, status: number) => substitute.ended?.(substitute, outcome, status));
    try {
      const reply = await way(substitute);
      return followed(this.#marked(reply, name, route), ended);
    } catch (error) {
      ended('complete', error instanceof GatewayError ? error.status : 500);
      throw error;
    }
  }

  #open(of: Exchange): OpenExchange {
    const said = of.request.header(SESSION_ID);
    const request = said === undefined ? of.request : new WithHeader(of.request, SESSION_ID, ownOf(said));
    const exchange = new OpenExchange(of.id, of.door, request, this.#deps.clock);
    exchange.principal = of.principal;
    exchange.tokenIsOurs = of.tokenIsOurs;
    exchange.trace = of.trace;
    exchange.call = of.call;
    this.#substitutes.add(exchange);
    return exchange;
  }

  #marked(reply: Reply, name: string, route: Route): Reply {
    const own = headerValue(reply.headers, SESSION_ID);
    const signed = own === undefined ? undefined : `${own}.${this.#deps.seal.sign(boundTo(own, name, route))}`;
    const lines = signed === undefined ? reply.headers : replaced(reply.headers, SESSION_ID, signed);
    return { ...reply, headers: [...lines, SERVED_BY, name] };
  }

  #isOf(said: string, name: string, route: Route): boolean {
    const own = ownOf(said);
    return this.#deps.seal.isSigned(said.slice(own.length + 1), boundTo(own, name, route));
  }
}

/** Nothing of the call has reached the destination, which can't be had. */
function isUnavailable(error: unknown): error is GatewayError {
  if (!(error instanceof GatewayError)) return false;
  return error.code === 'CIRCUIT_OPEN' || (error.neverSent && error.code.startsWith('UPSTREAM_'));
}

function isRefusal(error: unknown): boolean {
  return error instanceof GatewayError && (error.code === 'NOT_PERMITTED' || error.code === 'UNKNOWN_DESTINATION');
}

function ownOf(said: string): string {
  return said.slice(0, Math.max(0, said.lastIndexOf('.')));
}

function boundTo(own: string, name: string, { destination }: Route): string {
  return scopeKey(null, 'fallback', destination, name, own);
}

type Ended = (outcome: Outcome, status: number) => void;

function once(told: Ended): Ended {
  let done = false;
  return (outcome, status) => {
    if (!done) told(outcome, status);
    done = true;
  };
}

/** Tells when an answer is over, and how. */
function followed(reply: Reply, ended: Ended): Reply {
  const { body, status } = reply;
  if (typeof body !== 'function') {
    ended('complete', status);
    return reply;
  }
  const watched = (sink: Sink) => {
    const flow = body({
      write: (chunk) => sink.write(chunk),
      end: (chunk) => {
        ended('complete', status);
        sink.end(chunk);
      },
      fail: (reason) => {
        ended('upstream-broke', status);
        sink.fail(reason);
      },
    });
    return {
      resume: () => flow.resume(),
      cancel: () => {
        ended('caller-left', status);
        flow.cancel();
      },
    };
  };
  return { ...reply, body: watched };
}
