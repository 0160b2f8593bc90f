import { randomBytes } from 'node:crypto';
import type { Clock, Door, Exchange, Inbound, Outcome, RawExchange } from '../contracts.js';
import { readBody } from '../wire/body.js';
import { OpenExchange } from '../wire/exchange.js';

/** Request ids: unique over all processes and starts, and short, since one stands in every line of the log. */
export class RequestIds {
  readonly #prefix = randomBytes(9).toString('base64url');
  #count = 0;

  next(): string {
    this.#count += 1;
    return `${this.#prefix}-${this.#count.toString(36)}`;
  }
}

/** An exchange from a socket: the last place that knows there is one. */
export class SocketExchange extends OpenExchange {
  /** Not the base's: a socket is always there. */
  declare request: SocketInbound;

  constructor(id: string, door: Door, raw: RawExchange, clock: Clock) {
    super(id, door, new SocketInbound(raw), clock);
  }
}

class SocketInbound implements Inbound {
  readonly raw: RawExchange;
  /** Kept from the start: a socket that is gone has forgotten it. */
  readonly remoteAddress: string;

  constructor(raw: RawExchange) {
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

  body<Made>(limit: number, use: (bytes: Buffer) => Made | Promise<Made>): Promise<Made> {
    return readBody(this.raw.request, limit, use);
  }
}

/** Ends an exchange once, whoever notices first. */
export function endExchange(exchange: Exchange, outcome: Outcome, status: number): void {
  const { ended } = exchange;
  exchange.ended = undefined;
  ended?.(exchange, outcome, status);
}
