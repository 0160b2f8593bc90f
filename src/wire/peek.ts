import type { Flow, Reply, Sink } from '../contracts.js';
import { type Body, broke } from './gather.js';
import { headerValue } from './headers.js';

/**
 * The reply with its body in one piece, where that is JSON of at most so many bytes; anything else as it is: nothing of it is
 * lost, and it streams on as fast as it is read. Rejects with UPSTREAM_BROKE where it broke off before.
 */
export function peeked(reply: Reply, most: number): Reply | Promise<Reply> {
  const { body, headers } = reply;
  if (typeof body !== 'function' || !isReadable(headers, most)) return reply;
  return new Promise((resolve, reject) => new Peek(reply, body, most, resolve, reject));
}

/** The body of a reply that was peeked at; undefined where it isn't whole, or no JSON. */
export function jsonOf({ body, headers }: Reply, most: number): Buffer | undefined {
  return body instanceof Buffer && body.length <= most && isReadable(headers, most) ? body : undefined;
}

function isReadable(headers: Reply['headers'], most: number): boolean {
  const type = headerValue(headers, 'content-type') ?? '';
  if (!/^application\/json\b/i.test(type) || headerValue(headers, 'content-encoding') !== undefined) return false;
  return Number(headerValue(headers, 'content-length') ?? 0) <= most;
}

/** Reads until it has all, or more than it wants; then the rest is for whoever gets the reply. */
class Peek implements Sink, Flow {
  readonly #reply: Reply;
  readonly #most: number;
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (error: Error) => void;
  readonly #held: Buffer[] = [];
  #size = 0;
  #flow: Flow | undefined;
  #over = false;
  /** Undefined while it is whole; then what it ended with. */
  #end: 'end' | Error | undefined;
  #sink: Sink | undefined;

  constructor(reply: Reply, body: Body, most: number, resolve: (reply: Reply) => void, reject: (error: Error) => void) {
    this.#reply = reply;
    this.#most = most;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#flow = body(this);
  }

  write(chunk: Buffer): boolean {
    if (this.#sink) return this.#sink.write(chunk);
    this.#hold(chunk);
    return !this.#over;
  }

  end(chunk?: Buffer): void {
    if (this.#sink) return this.#sink.end(chunk);
    if (chunk) this.#hold(chunk);
    this.#end = 'end';
    if (!this.#over) this.#resolve({ ...this.#reply, body: Buffer.concat(this.#held) });
  }

  fail(reason: Error): void {
    if (this.#sink) return this.#sink.fail(reason);
    this.#end = reason;
    if (!this.#over) this.#reject(broke(reason));
  }

  resume(): void {
    this.#flow?.resume();
  }

  cancel(): void {
    this.#flow?.cancel();
  }

  #hold(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#size += chunk.length;
    if (this.#over || this.#size <= this.#most) return;
    this.#over = true;
    this.#resolve({ ...this.#reply, body: (sink) => this.#handOver(sink) });
  }

  #handOver(sink: Sink): Flow {
    this.#sink = sink;
    let ready = true;
    for (const chunk of this.#held.splice(0)) ready = sink.write(chunk);
    if (this.#end === 'end') sink.end();
    else if (this.#end) sink.fail(this.#end);
    else if (ready) this.resume();
    return this;
  }
}
