import type { Flow, Sink } from '../contracts.js';
import { type Body, Gathered, unfilterable } from './gather.js';

const LF = 10;
const CR = 13;

/** The data of an event, as it shall read instead; undefined where it stays. */
type Rewrite = (data: string) => string | undefined;

/**
 * Reads an event stream event by event (WHATWG HTML, section 9.2.6), lets `rewrite` change the data of each and passes
 * everything else on byte for byte, with its back-pressure. An event past the limit breaks the stream off.
 */
export class EventFilter implements Sink, Flow {
  readonly #sink: Sink;
  readonly #rewrite: Rewrite;
  /** The event that has begun. */
  readonly #begun = new Gathered();
  #source: Flow | undefined;
  #lineIsEmpty = true;
  #afterCr = false;
  #isFirst = true;
  #over = false;

  constructor(sink: Sink, rewrite: Rewrite) {
    this.#sink = sink;
    this.#rewrite = rewrite;
  }

  attach(body: Body): Flow {
    this.#source = body(this);
    if (this.#over) this.#source.cancel();
    return this;
  }

  resume(): void {
    this.#source?.resume();
  }

  cancel(): void {
    this.#over = true;
    this.#source?.cancel();
  }

  write(chunk: Buffer): boolean {
    const out: Buffer[] = [];
    let start = 0;
    for (let end = this.#endOfEvent(chunk, 0); end !== -1; end = this.#endOfEvent(chunk, end)) {
      if (!this.#begin(chunk.subarray(start, end))) return true;
      out.push(this.#take());
      start = end;
    }
    if (start < chunk.length && !this.#begin(chunk.subarray(start))) return true;
    return (
      out.length === 0 || this.#over || this.#sink.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out))
    );
  }

  /** What never got its empty line is filtered too: not every reader waits for it. */
  end(chunk?: Buffer): void {
    if (chunk) this.write(chunk);
    if (this.#over) return;
    this.#over = true;
    this.#sink.end(this.#begun.size > 0 ? this.#take() : undefined);
  }

  fail(reason: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink.fail(reason);
  }

  /** Where the event that `from` is in ends, the empty line included; -1 where it goes on. */
  #endOfEvent(chunk: Buffer, from: number): number {
    let at = from;
    // The line feed of an event that is gone already belongs to nothing.
    if (this.#afterCr && this.#begun.size === 0 && chunk[0] === LF && at === 0) return this.#pastPair(0);
    for (; at < chunk.length; at++) {
      const byte = chunk[at];
      const secondHalf = byte === LF && this.#afterCr;
      this.#afterCr = byte === CR;
      if (secondHalf) continue;
      const lineEnds = byte === LF || byte === CR;
      if (lineEnds && this.#lineIsEmpty) return byte === CR && chunk[at + 1] === LF ? this.#pastPair(at + 1) : at + 1;
      this.#lineIsEmpty = lineEnds;
    }
    return -1;
  }

  #pastPair(lineFeed: number): number {
    this.#afterCr = false;
    return lineFeed + 1;
  }

  #begin(part: Buffer): boolean {
    if (this.#over) return false;
    if (this.#begun.add(part)) return true;
    this.#source?.cancel();
    this.fail(unfilterable('has too large an event'));
    return false;
  }

  #take(): Buffer {
    const event = this.#begun.take();
    const changed = this.#changed(event.toString());
    this.#isFirst = false;
    return changed === undefined ? event : Buffer.from(changed);
  }

  #changed(event: string): string | undefined {
    const lines = (this.#isFirst ? event.replace(/^\uFEFF/, '') : event).split(/\r\n|\n|\r/);
    const data: string[] = [];
    const others: string[] = [];
    for (const line of lines) {
      if (line === 'data' || line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
      else if (line !== '') others.push(line);
    }
    const changed = data.length === 0 ? undefined : this.#rewrite(data.join('\n'));
    return changed === undefined ? undefined : `${[...others, `data: ${changed}`].join('\n')}\n\n`;
  }
}
