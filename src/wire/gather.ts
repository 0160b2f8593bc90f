import type { Flow, Reply, Sink } from '../contracts.js';
import { GatewayError } from '../core/errors.js';

/** A body that streams. */
export type Body = Extract<Reply['body'], (sink: Sink) => Flow>;

/** The largest list, and the largest event of a stream, that is read to be filtered. */
export const MOST_BYTES = 4 * 1024 * 1024;

/** An answer that can't be filtered is never passed on as it is. */
export function unfilterable(why: string): GatewayError {
  return new GatewayError('UPSTREAM_GARBAGE', `the answer ${why}, so it can't be cut to what the caller may use`, {
    hint: 'The server must answer lists in JSON or as an event stream, in pages of at most 4 MiB, uncompressed or in gzip, deflate or br.',
  });
}

/** Bytes in one piece that grows by doubling, up to the limit. */
export class Gathered {
  readonly #most: number;
  #held = Buffer.alloc(0);
  #size = 0;

  constructor(most = MOST_BYTES) {
    this.#most = most;
  }

  get size(): number {
    return this.#size;
  }

  /** False where it would be too much. */
  add(chunk: Buffer): boolean {
    const size = this.#size + chunk.length;
    if (size > this.#most) return false;
    if (size > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.max(size, this.#held.length * 2));
      this.#held.copy(larger, 0, 0, this.#size);
      this.#held = larger;
    }
    chunk.copy(this.#held, this.#size);
    this.#size = size;
    return true;
  }

  /** What was gathered; the next chunk begins anew. */
  take(): Buffer {
    const taken = this.#held.subarray(0, this.#size);
    this.#held = Buffer.alloc(0);
    this.#size = 0;
    return taken;
  }
}

/** Reads a streamed body whole. Rejects with UPSTREAM_GARBAGE past the limit, and UPSTREAM_BROKE where it broke off. */
export function gather(body: Body): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const gathered = new Gathered();
    let flow: Flow | undefined;
    let refused = false;
    const refuse = () => {
      refused = true;
      reject(unfilterable('is too large'));
      flow?.cancel();
    };
    const add = (chunk: Buffer) => {
      if (!refused && !gathered.add(chunk)) refuse();
    };
    const sink: Sink = {
      write(chunk) {
        add(chunk);
        return true;
      },
      end(chunk) {
        if (chunk) add(chunk);
        resolve(gathered.take());
      },
      fail(reason) {
        reject(broke(reason));
      },
    };
    flow = body(sink);
    if (refused) flow.cancel();
  });
}

/** What a body that breaks off is to whoever reads it whole. */
export function broke(cause: Error): GatewayError {
  if (cause instanceof GatewayError) return cause;
  return new GatewayError('UPSTREAM_BROKE', 'the server broke off in the middle of its answer', { cause });
}
