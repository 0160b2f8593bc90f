import { randomBytes } from 'node:crypto';
import type { Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { EventStream } from '../wire/messages.js';
import type { ServerSentEvent } from '../wire/sse.js';

/** So much of one session is kept for whoever lost its connection, and so much of all sessions of a bridge. */
const MOST_EVENTS = 256;
const MOST_CHARS = 1024 * 1024;
const MOST_OF_ALL = 32 * 1024 * 1024;
/** What every event takes besides its text. */
const OVERHEAD = 100;

interface Sent {
  readonly of: Replay;
  readonly stream: number;
  readonly event: number;
  readonly text: string;
}

/** What the sessions of one bridge have sent of late: the oldest of it goes first, whosesoever it is. */
export class ReplayShelf {
  /** Stands in the ids of events, so that no other process takes them for its own. */
  readonly place = randomBytes(6).toString('hex');
  readonly #all = new Set<Sent>();
  #chars = 0;

  add(sent: Sent): void {
    this.#all.add(sent);
    this.#chars += sizeOf(sent);
    for (const oldest of this.#all) {
      if (this.#chars <= MOST_OF_ALL) break;
      oldest.of.forget(oldest);
    }
  }

  delete(sent: Sent): void {
    if (this.#all.delete(sent)) this.#chars -= sizeOf(sent);
  }
}

/** The calls' streams of one session, to be taken up behind `Last-Event-ID` (2025-11-25, Resumability and Redelivery). */
export class Replay {
  readonly #shelf: ReplayShelf;
  readonly #sent = new Set<Sent>();
  /** Those that aren't over, by number. */
  readonly #open = new Map<number, ReplayedStream>();
  #chars = 0;
  #streams = 0;
  #events = 0;
  /** The last event that was forgotten. */
  #forgotten = 0;

  constructor(shelf: ReplayShelf) {
    this.#shelf = shelf;
  }

  /** `left`: nobody reads it any more. */
  stream(left: () => void): ReplayedStream {
    const number = this.#streams++;
    const stream = new ReplayedStream({
      record: (text) => this.#record(number, text),
      over: () => this.#open.delete(number),
      left,
    });
    this.#open.set(number, stream);
    return stream;
  }

  /**
   * What a stream said behind that event, and still says. Undefined for the id of no such stream: the one by GET has others.
   * @throws GatewayError HELD_ELSEWHERE where another process has it, or nobody any more
   */
  resume(lastEventId: string): Reply | undefined {
    const [, place, ...numbers] = /^([\da-f]{12})\.(\d{1,15})\.(\d{1,15})$/.exec(lastEventId) ?? [];
    const [number = 0, last = 0] = numbers.map(Number);
    if (place === undefined) return undefined;
    if (place !== this.#shelf.place || last > this.#events || last < this.#forgotten) {
      throw new GatewayError('HELD_ELSEWHERE', 'what came behind that event is not kept here, or not any more');
    }
    const missed = [...this.#sent].filter(({ stream, event }) => stream === number && event > last);
    const open = this.#open.get(number);
    if (!open && missed.length === 0) return { status: 204, headers: [], body: null, origin: 'upstream' };
    const reader = new EventStream(() => open?.leave());
    for (const { event, text } of missed) reader.send({ id: this.#id(number, event), data: text });
    if (open) open.follow(reader);
    else reader.end();
    return reader.reply();
  }

  forget(sent: Sent): void {
    if (!this.#sent.delete(sent)) return;
    this.#chars -= sizeOf(sent);
    this.#forgotten = sent.event;
    this.#shelf.delete(sent);
  }

  close(): void {
    for (const sent of this.#sent) this.forget(sent);
  }

  #record(stream: number, text: string): string {
    this.#events += 1;
    const sent = { of: this, stream, event: this.#events, text };
    this.#sent.add(sent);
    this.#chars += sizeOf(sent);
    for (const oldest of this.#sent) {
      if (this.#sent.size <= MOST_EVENTS && this.#chars <= MOST_CHARS) break;
      this.forget(oldest);
    }
    if (this.#sent.has(sent)) this.#shelf.add(sent);
    return this.#id(stream, sent.event);
  }

  #id(stream: number, event: number): string {
    return `${this.#shelf.place}.${stream}.${event}`;
  }
}

interface Recorder {
  /** The event's id. */
  record(text: string): string;
  over(): void;
  left(): void;
}

/** A stream whose events are kept, and which another reader may take over: of a broken connection, only its client knows at once. */
export class ReplayedStream extends EventStream {
  readonly #recorder: Recorder;
  #follower: EventStream | undefined;

  constructor(recorder: Recorder) {
    super(() => this.leave());
    this.#recorder = recorder;
  }

  override get over(): boolean {
    return this.#follower?.over ?? super.over;
  }

  override send(event: ServerSentEvent): void {
    const id = this.#recorder.record(event.data ?? '');
    if (this.#follower) this.#follower.send({ ...event, id });
    else super.send({ ...event, id });
  }

  override keepAlive(): void {
    if (this.#follower) this.#follower.keepAlive();
    else super.keepAlive();
  }

  override end(): void {
    this.#recorder.over();
    this.#follower?.end();
    super.end();
  }

  /** Takes the place of whoever read it. */
  follow(reader: EventStream): void {
    const before = this.#follower;
    this.#follower = reader;
    if (before) before.end();
    else super.end();
  }

  /** A reader is gone; somebody else may have come in its place. */
  leave(): void {
    if (this.#follower && !this.#follower.over) return;
    this.#recorder.left();
  }
}

function sizeOf({ text }: Sent): number {
  return text.length + OVERHEAD;
}
