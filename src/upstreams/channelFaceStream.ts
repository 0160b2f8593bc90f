import { Deadline } from '../core/deadline.js';
import type { EventStream } from '../wire/messages.js';

/** So much of what was sent is kept for whoever lost its connection, and so much waits for whoever hasn't one yet. */
const MOST_KEPT = 256;
const MOST_KEPT_CHARS = 1024 * 1024;

/** Texts in order, of which the oldest go first where there are too many. */
class Kept<Entry extends { readonly text: string }> {
  readonly #entries: Entry[] = [];
  #chars = 0;

  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#chars += entry.text.length;
    while (this.#entries.length > MOST_KEPT || (this.#chars > MOST_KEPT_CHARS && this.#entries.length > 1)) {
      this.#chars -= (this.#entries.shift() as Entry).text.length;
    }
  }

  take(): Entry[] {
    this.#chars = 0;
    return this.#entries.splice(0);
  }

  where(holds: (entry: Entry) => boolean): Entry[] {
    return this.#entries.filter(holds);
  }
}

interface Sent {
  readonly stream: number;
  readonly event: number;
  readonly text: string;
}

/** The streams of one session. Event ids are unique in it, and say which stream they belong to (2025-11-25, Resumability). */
export class Streams {
  readonly #keepAliveMs: number;
  readonly #sent = new Kept<Sent>();
  /** Those that aren't over, by number. */
  readonly #open = new Map<number, Stream>();
  #streams = 0;
  #events = 0;

  constructor(keepAliveMs: number) {
    this.#keepAliveMs = keepAliveMs;
  }

  make(): Stream {
    const number = this.#streams++;
    const record = (text: string) => {
      this.#events += 1;
      this.#sent.add({ stream: number, event: this.#events, text });
      return `${number}.${this.#events}`;
    };
    const stream = new Stream(record, () => this.#open.delete(number), this.#keepAliveMs);
    this.#open.set(number, stream);
    return stream;
  }

  /** Goes on behind an event: what was missed comes first, then whatever that stream still says. False for an id that is none. */
  resume(lastEventId: string, reader: EventStream): boolean {
    const [, stream, event] = /^(\d{1,15})\.(\d{1,15})$/.exec(lastEventId) ?? [];
    if (stream === undefined) return false;
    const missed = this.#sent.where((sent) => sent.stream === Number(stream) && sent.event > Number(event));
    for (const sent of missed) reader.send({ id: `${stream}.${sent.event}`, data: sent.text });
    const open = this.#open.get(Number(stream));
    if (open) open.attach(reader);
    else reader.end();
    return true;
  }
}

/** Messages for one reader, who may come late, leave, and come back. */
export class Stream extends Deadline {
  readonly #record: (text: string) => string;
  readonly #ended: () => void;
  readonly #keepAliveMs: number;
  readonly #waiting = new Kept<{ readonly text: string }>();
  #reader: EventStream | undefined;

  constructor(record: (text: string) => string, ended: () => void, keepAliveMs: number) {
    super();
    this.#record = record;
    this.#ended = ended;
    this.#keepAliveMs = keepAliveMs;
  }

  /** True while somebody reads. */
  get read(): boolean {
    return this.#reader !== undefined && !this.#reader.over;
  }

  /** The one that comes takes the place of the one that was there: of a broken connection, only its client knows at once. */
  attach(reader: EventStream): void {
    this.#reader?.end();
    this.#reader = reader;
    this.expireIn(this.#keepAliveMs);
    for (const { text } of this.#waiting.take()) this.send(text);
  }

  send(text: string): void {
    if (!this.read) return this.#waiting.add({ text });
    this.#reader?.send({ id: this.#record(text), data: text });
  }

  /** What nobody has read by now can still be asked for. */
  end(): void {
    for (const { text } of this.#waiting.take()) this.#record(text);
    this.#ended();
    this.stopClock();
    this.#reader?.end();
  }

  protected override expired(): void {
    if (!this.read) return;
    this.#reader?.keepAlive();
    this.expireIn(this.#keepAliveMs);
  }
}
