import type { Flow, Sink } from '../contracts.js';
import { type Body, unfilterable } from '../wire/gather.js';
import { EventSplitter, linesOf, readEvent } from '../wire/sse.js';

/** The data of an event, as it shall read instead; undefined where it stays. */
type Rewrite = (data: string) => string | undefined;

/**
 * Reads an event stream event by event, lets `rewrite` change the data of each and passes everything else on byte for
 * byte, with its back-pressure. An event past the limit breaks the stream off.
 */
export class EventFilter implements Sink, Flow {
  readonly #sink: Sink;
  readonly #rewrite: Rewrite;
  readonly #splitter = new EventSplitter((event) => this.#out.push(this.#rewritten(event)));
  /** What leaves with the chunk that is being read. */
  #out: Buffer[] = [];
  #source: Flow | undefined;
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
    if (this.#over) return true;
    if (!this.#splitter.write(chunk)) {
      this.#source?.cancel();
      this.fail(unfilterable('has too large an event'));
      return true;
    }
    const out = this.#out;
    this.#out = [];
    return out.length === 0 || this.#sink.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out));
  }

  /** What never got its empty line is filtered too: not every reader waits for it. */
  end(chunk?: Buffer): void {
    if (chunk) this.write(chunk);
    if (this.#over) return;
    this.#over = true;
    const rest = this.#splitter.rest();
    this.#sink.end(rest && this.#rewritten(rest));
  }

  fail(reason: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink.fail(reason);
  }

  #rewritten(event: Buffer): Buffer {
    const { data } = readEvent(event);
    const changed = data === undefined ? undefined : this.#rewrite(data);
    if (changed === undefined) return event;
    const others = linesOf(event).filter((line) => line !== 'data' && !line.startsWith('data:'));
    return Buffer.from(`${[...others, `data: ${changed}`].join('\n')}\n\n`);
  }
}
