import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.js';
import { atTurnsEnd, type Due } from '../core/turn.js';
import { type BodyTaker, InboundMessage } from './inboundMessage.js';

/**
 * Reads a request's body whole, and resolves with what `use` makes of it, in the turn that brought its last byte: a promise
 * between the two would cost each call three turns of the queue.
 * @throws GatewayError BODY_TOO_LARGE past `limit` bytes, the rest unread; CALLER_LEFT when the request breaks off
 */
export function readBody<Made>(
  request: IncomingMessage,
  limit: number,
  use: (bytes: Buffer) => Made | Promise<Made>,
): Promise<Made> {
  return new Promise((resolve, reject) => {
    const body = new Body(limit, use, resolve, reject);
    if (!(request instanceof InboundMessage && request.takeBody(body))) readStream(request, body);
    request.on('error', (cause) => reject(new GatewayError('CALLER_LEFT', 'the request broke off', { cause })));
  });
}

/** For what came before anybody asked for it. */
function readStream(request: IncomingMessage, body: BodyTaker): void {
  const collect = (chunk: Buffer) => {
    if (body.take(chunk)) return;
    request.removeListener('data', collect);
    // Whoever reads the rest, to say in peace that it is too much, ends the stream all the same.
    request.removeListener('end', end);
    request.pause();
  };
  const end = () => body.end();
  request.on('data', collect);
  request.on('end', end);
}

class Body<Made> implements BodyTaker, Due {
  readonly #gathered = new Gathered();
  readonly #limit: number;
  readonly #use: (bytes: Buffer) => Made | Promise<Made>;
  readonly #resolve: (made: Made) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    limit: number,
    use: (bytes: Buffer) => Made | Promise<Made>,
    resolve: (made: Made) => void,
    reject: (error: unknown) => void,
  ) {
    this.#limit = limit;
    this.#use = use;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  take(chunk: Buffer): boolean {
    if (this.#gathered.size + chunk.length <= this.#limit) {
      this.#gathered.add(chunk);
      return true;
    }
    this.#reject(tooLarge(this.#limit));
    return false;
  }

  end(): void {
    atTurnsEnd(this);
  }

  run(): void {
    try {
      const made = this.#use(this.#gathered.bytes());
      // Handed to `resolve`, a promise would wait for its turn twice.
      if (made instanceof Promise) made.then(this.#resolve, this.#reject);
      else this.#resolve(made);
    } catch (error) {
      this.#reject(error);
    }
  }
}

/** Bytes in one piece that grows by doubling: a body in chunks of one byte costs no more than one in a single chunk. */
class Gathered {
  #held: Buffer = Buffer.alloc(0);
  size = 0;

  add(chunk: Buffer): void {
    const size = this.size + chunk.length;
    // The first chunk, which is nearly always the only one, is kept as it is.
    if (this.size === 0) this.#held = chunk;
    else if (size > this.#held.length) this.#grow(size);
    if (this.#held !== chunk) chunk.copy(this.#held, this.size);
    this.size = size;
  }

  bytes(): Buffer {
    return this.#held.subarray(0, this.size);
  }

  #grow(size: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(size, this.#held.length * 2, 16 * 1024));
    this.#held.copy(larger, 0, 0, this.size);
    this.#held = larger;
  }
}

/** The one wording for a body past its limit, announced or found. */
export function tooLarge(limit: number): GatewayError {
  return new GatewayError('BODY_TOO_LARGE', `the body is larger than ${limit} bytes`);
}
