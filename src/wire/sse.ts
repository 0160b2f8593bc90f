import { GatewayError } from '../core/errors.js';
import { Gathered } from './gather.js';

const LF = 10;
const CR = 13;

/** Cuts an event stream (WHATWG HTML, section 9.2.6) into its events, each with the empty line that ends it, byte for byte. */
export class EventSplitter {
  readonly #event: (event: Buffer) => void;
  readonly #begun: Gathered;
  #lineIsEmpty = true;
  #afterCr = false;

  /** `most`: bytes of one event. */
  constructor(event: (event: Buffer) => void, most?: number) {
    this.#event = event;
    this.#begun = new Gathered(most);
  }

  /** Hands on every event that ends in the chunk. False where the one that has begun is past the limit: nothing more is taken. */
  write(chunk: Buffer): boolean {
    let start = 0;
    for (let end = this.#endOfEvent(chunk, 0); end !== -1; end = this.#endOfEvent(chunk, end)) {
      if (!this.#begun.add(chunk.subarray(start, end))) return false;
      this.#event(this.#begun.take());
      start = end;
    }
    return start === chunk.length || this.#begun.add(chunk.subarray(start));
  }

  /** What never got its empty line: not every reader waits for it. */
  rest(): Buffer | undefined {
    return this.#begun.size > 0 ? this.#begun.take() : undefined;
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
}

/** One event as its reader understands it. */
export interface ServerSentEvent {
  /** Absent for an event without data, such as a comment or one that primes the stream with an id. */
  readonly data?: string;
  readonly event?: string;
  readonly id?: string;
  /** Milliseconds before the reader comes back. */
  readonly retry?: number;
}

type Reading = { -readonly [Key in keyof ServerSentEvent]: ServerSentEvent[Key] };

/** Reads one event, as `EventSplitter` cuts them. */
export function readEvent(bytes: Buffer): ServerSentEvent {
  const read: Reading = {};
  for (const line of linesOf(bytes)) {
    const colon = line.indexOf(':');
    if (colon === -1) readField(read, line, '');
    else readField(read, line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ''));
  }
  return read;
}

function readField(read: Reading, field: string, value: string): void {
  if (field === 'data') read.data = read.data === undefined ? value : `${read.data}\n${value}`;
  else if (field === 'event') read.event = value;
  else if (field === 'id' && !value.includes('\0')) read.id = value;
  else if (field === 'retry' && /^\d{1,9}$/.test(value)) read.retry = Number(value);
}

/** The events of a stream that is here as a whole. */
export function readEvents(bytes: Buffer): ServerSentEvent[] {
  const events: ServerSentEvent[] = [];
  new EventSplitter((event) => events.push(readEvent(event))).write(bytes);
  return events;
}

/** The lines of an event; a byte order mark in front is none of it. */
export function linesOf(bytes: Buffer): string[] {
  return bytes
    .toString()
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .filter((line) => line !== '');
}

/** An event as bytes. `data` may have several lines. */
export function writeEvent({ data, event, id, retry }: ServerSentEvent): Buffer {
  const lines: string[] = [];
  if (event !== undefined) lines.push(`event: ${event}`);
  if (id !== undefined) lines.push(`id: ${id}`);
  if (retry !== undefined) lines.push(`retry: ${retry}`);
  if (data !== undefined) for (const line of data.split(/\r\n|\n|\r/)) lines.push(`data: ${line}`);
  return Buffer.from(`${lines.join('\n')}\n\n`);
}

/** An event or an answer that is larger than anything honest. */
export function tooLargeAnswer(): GatewayError {
  return new GatewayError('UPSTREAM_GARBAGE', 'the server sent a message that is too large to be read');
}
