import type { Exchange, Reply } from '../contracts.js';
import { Deadline } from '../core/deadline.js';
import { GatewayError } from '../core/errors.js';
import { errorObject } from '../core/jsonRpc.js';
import { callerLeft } from '../wire/explain.js';
import { EventStream, jsonReply } from '../wire/messages.js';
import { errorText } from './channelFaceMessage.js';
import type { Stream } from './channelFaceStream.js';

/** What a call needs of whoever runs it. */
export interface CallOwner {
  /** For a call that has more to say than its answer. */
  stream(): Stream;
  /** Further lines of the answer; asked once, when it begins. */
  headers(): readonly string[];
  /** The HTTP status of an answer that is the only message. */
  status(errorCode: number | undefined): number;
  /** Nobody waits any more, though not everything is answered. */
  left(call: Call): void;
  /** Nothing is to come any more. */
  over(call: Call): void;
}

/**
 * One POST that waits for the answer to its request, or to those of its batch. The answer is JSON where it is the first
 * thing to come, else an event stream from the first message on that belongs to it.
 */
export class Call extends Deadline {
  readonly reply: Promise<Reply>;
  readonly #exchange: Exchange;
  readonly #owner: CallOwner;
  readonly #isBatch: boolean;
  readonly #limitMs: number;
  /** Ids that aren't answered, as the caller wrote them. */
  readonly #pending: Set<unknown>;
  #answers: string[] = [];
  #stream: Stream | undefined;
  #settle: { resolve(reply: Reply): void; reject(error: GatewayError): void } | undefined;
  #left = false;

  constructor(exchange: Exchange, owner: CallOwner, ids: readonly unknown[], limitMs: number) {
    super();
    this.#exchange = exchange;
    this.#owner = owner;
    this.#isBatch = exchange.call?.kind === 'batch';
    this.#pending = new Set(ids);
    this.#limitMs = limitMs;
    this.reply = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    exchange.held = { cancel: () => this.#leave() };
    this.expireIn(limitMs);
  }

  get ids(): ReadonlySet<unknown> {
    return this.#pending;
  }

  /** False where nobody waits for it any more. */
  get isAwaited(): boolean {
    return !this.#left;
  }

  /** The answer to one of its requests. */
  answer(id: unknown, text: string, errorCode?: number): void {
    if (!this.#pending.delete(id)) return;
    if (this.#stream) this.#stream.send(text);
    else this.#answers.push(text);
    if (this.#pending.size > 0) return;
    if (!this.#stream) this.#resolve(this.#whole(errorCode));
    this.#finish();
  }

  /** A message that belongs to it and isn't its answer. */
  relate(text: string): void {
    if (this.#stream || !this.#left) this.#opened().send(text);
  }

  /** One of its requests gets no answer: its caller said so. */
  cancel(id: unknown): void {
    if (!this.#pending.delete(id) || this.#pending.size > 0) return;
    this.#opened();
    this.#finish();
  }

  /** The server answered the message itself, instead of taking it. */
  refuse(reply: Reply): void {
    this.#resolve(reply);
    this.#finish();
  }

  fail(error: GatewayError): void {
    this.#settle?.reject(error);
    this.#settle = undefined;
    const { code, message, data } = errorObject(error);
    for (const id of this.#stream ? this.#pending : []) {
      this.#stream?.send(errorText(JSON.stringify(id), code, message, data));
    }
    this.#finish();
  }

  protected override expired(): void {
    if (!this.#left) this.#owner.left(this);
    this.fail(new GatewayError('UPSTREAM_TIMEOUT', `the server did not answer within ${this.#limitMs} ms`));
  }

  #whole(errorCode: number | undefined): Reply {
    if (this.#isBatch) return jsonReply(`[${this.#answers.join(',')}]`, this.#owner.headers());
    return jsonReply(this.#answers[0] as string, this.#owner.headers(), this.#owner.status(errorCode));
  }

  #resolve(reply: Reply): void {
    this.#settle?.resolve(reply);
    this.#settle = undefined;
  }

  #opened(): Stream {
    if (this.#stream) return this.#stream;
    this.#stream = this.#owner.stream();
    if (!this.#left) this.#open(this.#stream);
    for (const text of this.#answers.splice(0)) this.#stream.send(text);
    return this.#stream;
  }

  /** From its first message on a call may take as long as it likes. */
  #open(stream: Stream): void {
    this.stopClock();
    const reader = new EventStream(() => this.#leave());
    stream.attach(reader);
    this.#resolve(reader.reply(this.#owner.headers()));
    this.#exchange.held = reader;
  }

  /** What the server still says is kept for a while, since the caller may come back for it. */
  #leave(): void {
    if (this.#left || this.#pending.size === 0) return;
    this.#left = true;
    this.#settle?.reject(callerLeft());
    this.#settle = undefined;
    this.expireIn(this.#limitMs);
    this.#owner.left(this);
  }

  #finish(): void {
    this.#pending.clear();
    this.stopClock();
    this.#exchange.held = undefined;
    this.#stream?.end();
    this.#owner.over(this);
  }
}
