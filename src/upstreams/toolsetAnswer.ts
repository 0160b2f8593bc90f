import type { Exchange, Reply } from '../contracts.js';
import { Deadline } from '../core/deadline.js';
import { GatewayError } from '../core/errors.js';
import { errorObject, METHOD_NOT_FOUND } from '../core/jsonRpc.js';
import { callerLeft } from '../wire/explain.js';
import { EventStream, jsonReply } from '../wire/messages.js';

/** A comment on a stream on which nothing else happens. Milliseconds. */
const KEEP_ALIVE_MS = 20_000;

type Id = string | number;

/** A message of the server, as the SDK hands it over. */
export interface Said {
  readonly [member: string]: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** What is told of an answer. */
export interface AnswerListener {
  /** Once: nothing more is to be said, or nobody is left to hear it. */
  over(): void;
  /** It fails behind a part that is out, whose attempt nobody judges any more. */
  failedLate(error: GatewayError): void;
}

/**
 * What becomes of one request: a JSON answer where that is the first thing to come, else an event stream from the first
 * notification on (2026-07-28, Streamable HTTP).
 */
export class Answer extends Deadline {
  readonly reply: Promise<Reply>;
  /** As the caller wrote it. */
  readonly id: Id;
  readonly #exchange: Exchange;
  readonly #limitMs: number;
  readonly #leaving = new AbortController();
  readonly #heard: AnswerListener;
  #settle: { resolve(reply: Reply): void; reject(error: GatewayError): void } | undefined;
  #stream: EventStream | undefined;
  #done = false;

  constructor(exchange: Exchange, id: Id, limitMs: number, heard: AnswerListener) {
    super();
    this.id = id;
    this.#exchange = exchange;
    this.#limitMs = limitMs;
    this.#heard = heard;
    this.reply = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    exchange.held = { cancel: () => this.#leave(callerLeft()) };
    this.expireIn(limitMs);
  }

  /** Aborts when nobody waits any more. */
  get signal(): AbortSignal {
    return this.#leaving.signal;
  }

  /** False where a part of the answer is out. */
  get mayFail(): boolean {
    return this.#settle !== undefined;
  }

  /** It goes on: whoever waits is given more time, whether they hear of it or not. */
  alive(): void {
    if (this.#settle) this.expireIn(this.#limitMs);
  }

  /** A notification that belongs to it; a caller that takes no event streams doesn't hear it. */
  notify(message: Said): void {
    if (this.#done || !acceptsStream(this.#exchange)) return;
    this.#opened().send({ data: JSON.stringify(message) });
  }

  answer(message: Said): void {
    if (this.#done) return;
    const text = JSON.stringify({ ...message, id: this.id });
    if (this.#stream) this.#stream.send({ data: text });
    else this.#resolve(jsonReply(text, [], message.error?.code === METHOD_NOT_FOUND ? 404 : 200));
    this.#finish();
  }

  /** An answer of HTTP's own. */
  give(reply: Reply): void {
    if (this.#done) return;
    this.#resolve(reply);
    this.#finish();
  }

  /** Rejects, where nothing is out yet; else the stream ends with the error. */
  fail(error: GatewayError): void {
    if (this.#done) return;
    if (!this.#stream) {
      this.#settle?.reject(error);
      return this.#finish();
    }
    this.#exchange.failure = error;
    this.#heard.failedLate(error);
    this.answer({ jsonrpc: '2.0', error: errorObject(error, this.#exchange.id) });
  }

  /** The house closes: whatever is under way ends. */
  close(error: GatewayError): void {
    this.fail(error);
    this.#leaving.abort(error);
  }

  protected override expired(): void {
    if (this.#stream) {
      this.#stream.keepAlive();
      return this.expireIn(KEEP_ALIVE_MS);
    }
    this.close(
      new GatewayError('UPSTREAM_TIMEOUT', `the tool neither answered nor went on within ${this.#limitMs} ms`),
    );
  }

  /** From its first message on it may take as long as it likes. */
  #opened(): EventStream {
    if (this.#stream) return this.#stream;
    const stream = new EventStream(() => this.#leave(callerLeft()));
    this.#stream = stream;
    this.expireIn(KEEP_ALIVE_MS);
    this.#resolve(stream.reply());
    this.#exchange.held = stream;
    return stream;
  }

  #leave(reason: GatewayError): void {
    if (this.#done) return;
    this.#settle?.reject(reason);
    this.#finish();
    this.#leaving.abort(reason);
  }

  #resolve(reply: Reply): void {
    this.#settle?.resolve(reply);
    this.#settle = undefined;
  }

  #finish(): void {
    this.#done = true;
    this.#settle = undefined;
    this.stopClock();
    this.#exchange.held = undefined;
    this.#stream?.end();
    this.#heard.over();
  }
}

function acceptsStream({ request }: Exchange): boolean {
  const accept = request.header('accept')?.toLowerCase();
  return accept === undefined || accept.includes('text/event-stream') || accept.includes('*/*');
}
