import { randomBytes } from 'node:crypto';
import type { Clock, Door, Exchange, Inbound, Outcome } from '../contracts.js';
import type { GatewayError } from '../core/errors.js';
import { readBody } from '../wire/body.js';

/** Request ids: unique over all processes and starts, and short, since one stands in every line of the log. */
export class RequestIds {
  readonly #prefix = randomBytes(9).toString('base64url');
  #count = 0;

  next(): string {
    this.#count += 1;
    return `${this.#prefix}-${this.#count.toString(36)}`;
  }
}

/** An exchange from a socket: the last place that knows there is one. Every field is there from the start: one shape serves all. */
export class SocketExchange implements Exchange {
  readonly id: string;
  readonly door: Door;
  readonly request: Inbound;
  readonly startedAt: number;
  readonly costs = { attempts: 0, tokenMs: 0, upstreamMs: 0 };
  gone = false;
  held: Exchange['held'] = undefined;
  browserOrigin: Exchange['browserOrigin'] = undefined;
  decision: Exchange['decision'] = undefined;
  principal: Exchange['principal'] = undefined;
  tokenIsOurs: Exchange['tokenIsOurs'] = undefined;
  call: Exchange['call'] = undefined;
  route: Exchange['route'] = undefined;
  failure: Exchange['failure'] = undefined;
  ended: Exchange['ended'] = undefined;
  #leaving: AbortController | undefined = undefined;
  #reason: GatewayError | undefined = undefined;

  constructor(id: string, door: Door, raw: Inbound['raw'], clock: Clock) {
    this.id = id;
    this.door = door;
    this.request = new SocketInbound(raw);
    this.startedAt = clock.monotonic();
  }

  get signal(): AbortSignal {
    this.#leaving ??= new AbortController();
    if (this.gone) this.#leaving.abort(this.#reason);
    return this.#leaving.signal;
  }

  /** Nobody waits any more: whatever is held for this exchange is let go at once. */
  leave(reason: GatewayError): void {
    if (this.gone) return;
    this.gone = true;
    this.#reason = reason;
    this.held?.cancel();
    this.#leaving?.abort(reason);
  }
}

class SocketInbound implements Inbound {
  readonly raw: Inbound['raw'];
  /** Kept from the start: a socket that is gone has forgotten it. */
  readonly remoteAddress: string;

  constructor(raw: Inbound['raw']) {
    this.raw = raw;
    this.remoteAddress = raw.request.socket.remoteAddress ?? '';
  }

  get method(): string {
    return this.raw.request.method ?? '';
  }

  get target(): string {
    return this.raw.request.url ?? '';
  }

  get headerLines(): readonly string[] {
    return this.raw.request.rawHeaders;
  }

  header(name: string): string | undefined {
    const value = this.raw.request.headers[name];
    return typeof value === 'object' ? value.join(', ') : value;
  }

  body(limit: number): Promise<Buffer> {
    return readBody(this.raw.request, limit);
  }
}

/** Ends an exchange once, whoever notices first. */
export function endExchange(exchange: Exchange, outcome: Outcome, status: number): void {
  const { ended } = exchange;
  exchange.ended = undefined;
  ended?.(exchange, outcome, status);
}
