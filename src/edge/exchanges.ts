import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock, Door, Exchange, Inbound, Outcome } from '../contracts.js';
import { readBody } from '../wire/body.js';

/** An exchange from a socket: the last place that knows there is one. */
export function createExchange(door: Door, raw: Inbound['raw'], signal: AbortSignal, clock: Clock): Exchange {
  return {
    id: randomUUID(),
    door,
    request: new SocketInbound(raw),
    signal,
    startedAt: clock.monotonic(),
    costs: { attempts: 0, tokenMs: 0, upstreamMs: 0 },
  };
}

class SocketInbound implements Inbound {
  readonly raw: {
    readonly request: IncomingMessage;
    readonly response: ServerResponse | Duplex;
    readonly head?: Buffer;
  };

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

  // A property, since it is handed around on its own.
  readonly header = (name: string): string | undefined => {
    const value = this.raw.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };

  body(limit: number): Promise<Buffer> {
    return readBody(this.raw.request, limit);
  }
}

/** Ends an exchange once, whoever notices first. */
export function endExchange(exchange: Exchange, outcome: Outcome, status: number): void {
  const { ended } = exchange;
  delete exchange.ended;
  ended?.(outcome, status);
}
