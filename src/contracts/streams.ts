import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Header lines as they stand on the wire: name, value, name, value … in the sender's case. */
export type HeaderLines = readonly string[];

/** What came in, before anybody has judged it. */
export interface Inbound {
  readonly method: string;
  /** Path and query as sent, undecoded. */
  readonly target: string;
  readonly headerLines: HeaderLines;
  /** The value of a header by its lower-case name; repeated lines are joined by `, `. */
  header(name: string): string | undefined;
  readonly remoteAddress: string;
  /** Reads the body whole, once, and resolves with what `use` makes of it. Rejects with BODY_TOO_LARGE past `limit` bytes. */
  body<Made>(limit: number, use: (bytes: Buffer) => Made | Promise<Made>): Promise<Made>;
  /** The sockets themselves, for an upstream that writes its own answer (PASSTHROUGH); absent where the request came by none. */
  readonly raw: RawExchange | undefined;
}

export type RawExchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse | Duplex;
  readonly head?: Buffer;
};

/** Where a streamed body is written. */
export interface Sink {
  /** False: wait until `Flow.resume` is called. */
  write(chunk: Buffer): boolean;
  /** With the last chunk, where it was kept back so that both leave in one go. */
  end(chunk?: Buffer): void;
  /** The answer broke off. The sink must not let a part pass for the whole. */
  fail(reason: Error): void;
}

/** The reading side of a streamed body, in the hands of whoever owns the sink. */
export interface Flow {
  resume(): void;
  /** Nobody reads any more: let go of the source at once. */
  cancel(): void;
}
