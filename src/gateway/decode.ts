import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Flow, Sink } from '../contracts.js';
import { type Body, unfilterable } from '../wire/gather.js';

export type Coding = 'gzip' | 'deflate' | 'br';

const CODINGS: ReadonlyMap<string, Coding> = new Map([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'br'],
]);

/**
 * What a `Content-Encoding` says (RFC 9110 section 8.4); undefined where the body is as it is.
 * @throws GatewayError UPSTREAM_GARBAGE for one that isn't known, and for several
 */
export function codingOf(value: string | undefined): Coding | undefined {
  const said = value?.trim().toLowerCase() ?? '';
  if (said === '' || said === 'identity') return undefined;
  const coding = CODINGS.get(said);
  if (!coding) throw unfilterable('has a content encoding that is not known here');
  return coding;
}

/** The body decompressed, as fast as its sink takes it: a bomb is never held as a whole. */
export function decoded(body: Body, coding: Coding): Body {
  return (sink) => new Decoding(decoder(coding), sink).attach(body);
}

function decoder(coding: Coding): Transform {
  if (coding === 'br') return createBrotliDecompress();
  return coding === 'gzip' ? createGunzip() : createInflate();
}

class Decoding implements Sink, Flow {
  readonly #transform: Transform;
  readonly #sink: Sink;
  #source: Flow | undefined;
  #over = false;

  constructor(transform: Transform, sink: Sink) {
    this.#transform = transform;
    this.#sink = sink;
    transform.on('data', (chunk: Buffer) => {
      if (!this.#over && !sink.write(chunk)) transform.pause();
    });
    transform.on('drain', () => this.#source?.resume());
    transform.on('end', () => {
      if (this.#finish()) sink.end();
    });
    transform.on('error', () => {
      this.#source?.cancel();
      if (this.#finish()) sink.fail(unfilterable('is not compressed as it says'));
    });
  }

  attach(body: Body): Flow {
    this.#source = body(this);
    return this;
  }

  write(chunk: Buffer): boolean {
    return this.#over || this.#transform.write(chunk);
  }

  end(chunk?: Buffer): void {
    if (!this.#over) this.#transform.end(chunk);
  }

  fail(reason: Error): void {
    this.#transform.destroy();
    if (this.#finish()) this.#sink.fail(reason);
  }

  resume(): void {
    this.#transform.resume();
  }

  cancel(): void {
    this.#over = true;
    this.#transform.destroy();
    this.#source?.cancel();
  }

  /** False where it is over already. */
  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    return true;
  }
}
