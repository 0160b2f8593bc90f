import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.js';

/**
 * Reads a request's body whole, and resolves with what `use` makes of it: at once, since a promise between the two would
 * cost each call three turns of the queue.
 * @throws GatewayError BODY_TOO_LARGE past `limit` bytes, the rest unread; CALLER_LEFT when the request breaks off
 */
export function readBody<Made>(
  request: IncomingMessage,
  limit: number,
  use: (bytes: Buffer) => Made | Promise<Made>,
): Promise<Made> {
  return new Promise((resolve, reject) => {
    const gathered = new Gathered();
    const collect = (chunk: Buffer) => {
      if (gathered.size + chunk.length <= limit) {
        gathered.add(chunk);
        return;
      }
      request.removeListener('data', collect);
      request.pause();
      reject(tooLarge(limit));
    };
    request.on('data', collect);
    request.on('end', () => {
      try {
        const made = use(gathered.bytes());
        // Handed to `resolve`, a promise would wait for its turn twice.
        if (made instanceof Promise) made.then(resolve, reject);
        else resolve(made);
      } catch (error) {
        reject(error);
      }
    });
    request.on('error', (cause) => reject(new GatewayError('CALLER_LEFT', 'the request broke off', { cause })));
  });
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
