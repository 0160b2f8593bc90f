import type { Flow, Reply, Sink } from '../contracts.js';
import { callerLeft } from './explain.js';
import { Gathered } from './gather.js';
import { isEventStream } from './headers.js';
import { EventSplitter, readEvent, type ServerSentEvent, tooLargeAnswer, writeEvent } from './sse.js';

/** What becomes of the messages in an answer. */
export interface MessageReader {
  /** One JSON-RPC message, or a batch, as text. `event` is what carried it; absent for an answer in JSON. */
  message(text: string, event?: ServerSentEvent): void;
  /** An event without data: it primes the stream with an id, or says when to come back. */
  primed?(event: ServerSentEvent): void;
  end(): void;
  /** The answer broke off, or can't be read. */
  fail(reason: Error): void;
}

/**
 * Reads the answer of an MCP server message by message: one JSON text, an event stream, or nothing at all (2025-11-25 and
 * 2026-07-28, Streamable HTTP). Nothing may be read from it in another way. A reader that wants it to pause cancels.
 * `most`: bytes of one message.
 */
export function readMessages(reply: Reply, reader: MessageReader, most?: number): Flow {
  const { body } = reply;
  const streamed = isEventStream(reply.headers);
  if (typeof body === 'function') {
    const reading = streamed ? new StreamReading(reader, most) : new JsonReading(reader, most);
    return reading.attach(body);
  }
  // All of it came at once.
  if (Buffer.isBuffer(body) && streamed) {
    const reading = new StreamReading(reader, most);
    reading.end(body);
    return reading;
  }
  if (Buffer.isBuffer(body) && body.length > 0) reader.message(body.toString());
  reader.end();
  return { resume() {}, cancel() {} };
}

/** Reads an answer and resolves with its messages once it is whole. Rejects where it broke off. */
export function allMessages(reply: Reply): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const messages: string[] = [];
    readMessages(reply, {
      message: (text) => messages.push(text),
      end: () => resolve(messages),
      fail: reject,
    });
  });
}

abstract class Reading implements Sink, Flow {
  protected readonly reader: MessageReader;
  protected over = false;
  #source: Flow | undefined;
  #unwanted = false;

  constructor(reader: MessageReader) {
    this.reader = reader;
  }

  attach(body: (sink: Sink) => Flow): Flow {
    this.#source = body(this);
    // Not where all of it came at once: there is nothing left to let go of.
    if (this.#unwanted) this.#source.cancel();
    return this;
  }

  abstract write(chunk: Buffer): boolean;
  protected abstract finish(): void;

  end(chunk?: Buffer): void {
    if (chunk) this.write(chunk);
    if (this.over) return;
    this.finish();
    this.over = true;
    this.reader.end();
  }

  fail(reason: Error): void {
    if (this.over) return;
    this.over = true;
    this.reader.fail(reason);
  }

  resume(): void {
    this.#source?.resume();
  }

  cancel(): void {
    this.over = true;
    this.#unwanted = true;
    this.#source?.cancel();
  }

  protected refuse(): false {
    this.fail(tooLargeAnswer());
    this.#unwanted = true;
    this.#source?.cancel();
    return false;
  }
}

class JsonReading extends Reading {
  readonly #gathered: Gathered;

  constructor(reader: MessageReader, most?: number) {
    super(reader);
    this.#gathered = new Gathered(most);
  }

  write(chunk: Buffer): boolean {
    return this.over || this.#gathered.add(chunk) || this.refuse();
  }

  protected finish(): void {
    if (this.#gathered.size > 0) this.reader.message(this.#gathered.take().toString());
  }
}

class StreamReading extends Reading {
  readonly #splitter: EventSplitter;

  constructor(reader: MessageReader, most?: number) {
    super(reader);
    this.#splitter = new EventSplitter((event) => this.#read(event), most);
  }

  write(chunk: Buffer): boolean {
    return this.over || this.#splitter.write(chunk) || this.refuse();
  }

  /** An event that broke off before its empty line is none. */
  protected finish(): void {}

  #read(bytes: Buffer): void {
    if (this.over) return;
    const event = readEvent(bytes);
    if (event.data) this.reader.message(event.data, event);
    else if (event.id !== undefined || event.retry !== undefined) this.reader.primed?.(event);
  }
}

const EVENT_STREAM = [
  'content-type',
  'text/event-stream',
  'cache-control',
  'no-cache, no-transform',
  'x-accel-buffering',
  'no',
];

/** So much waits for a reader that takes nothing; past that the stream breaks off. Bytes. */
const MOST_WAITING = 4 * 1024 * 1024;

/** An event stream that is written as things happen: the answer of a bridge, a child, or a door. */
export class EventStream implements Flow {
  readonly #left: () => void;
  #sink: Sink | undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #blocked = false;
  #ended = false;
  #over = false;

  /** `left` is called where the reader leaves before the end, or takes nothing for too long. */
  constructor(left: () => void = () => {}) {
    this.#left = left;
  }

  /** True once nobody reads any more, or everything was said. */
  get over(): boolean {
    return this.#over || this.#ended;
  }

  reply(headers: readonly string[] = [], status = 200): Reply {
    return { status, headers: [...EVENT_STREAM, ...headers], body: (sink) => this.#attach(sink), origin: 'upstream' };
  }

  send(event: ServerSentEvent): void {
    this.#write(writeEvent(event));
  }

  /** A comment: it keeps the connection from looking dead, and says nothing. */
  keepAlive(): void {
    this.#write(Buffer.from(':\n\n'));
  }

  end(): void {
    if (this.over) return;
    this.#ended = true;
    this.#flush();
  }

  fail(reason: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting = [];
    this.#sink?.fail(reason);
  }

  resume(): void {
    this.#blocked = false;
    this.#flush();
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting = [];
    if (!this.#ended) this.#left();
  }

  #attach(sink: Sink): Flow {
    if (this.#over) sink.fail(callerLeft());
    this.#sink = sink;
    this.#flush();
    return this;
  }

  #write(bytes: Buffer): void {
    if (this.over) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#flush();
    if (this.#waitingBytes <= MOST_WAITING) return;
    this.fail(tooLargeAnswer());
    this.#left();
  }

  /** Everything that waits leaves in one write; the end with it. */
  #flush(): void {
    if (!this.#sink || this.#blocked || this.#over) return;
    const bytes = this.#waiting.length === 1 ? this.#waiting[0] : Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (this.#ended) {
      this.#over = true;
      this.#sink.end(bytes?.length ? bytes : undefined);
    } else if (bytes?.length) {
      this.#blocked = !this.#sink.write(bytes);
    }
  }
}

/** One JSON-RPC message as the whole answer. */
export function jsonReply(message: string | object, headers: readonly string[] = [], status = 200): Reply {
  const body = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
  const own = ['content-type', 'application/json', 'content-length', String(body.length)];
  return { status, headers: [...own, ...headers], body, origin: 'upstream' };
}

/** 202: a notification or a response was taken. */
export function acceptedReply(): Reply {
  return { status: 202, headers: ['content-length', '0'], body: null, origin: 'upstream' };
}
