import type { Reply } from '../contracts.js';
import type { OpenExchange } from '../wire/exchange.js';
import { isEventStream } from '../wire/headers.js';
import type { ServerSentEvent } from '../wire/sse.js';
import { AnswerReading, type Courier, lastText } from './messageCallerCourier.js';
import { readSaid } from './messageCallerSaid.js';
import type { LegacySession } from './messageCallerSession.js';
import { isLost, type Patience } from './messageCallerTrouble.js';

/** Before a stream is opened again that ended without a word of when. Milliseconds. */
const AGAIN_MS = 1_000;
const LONGEST_RETRY_MS = 25_000;
const AWAY = new Set([502, 503, 504]);
/** Asks nothing but whether the session is known. */
const PING = readSaid('{"jsonrpc":"2.0","id":"drawbridge-ping","method":"ping"}', undefined);

export interface StreamDeps {
  readonly courier: Courier;
  readonly session: LegacySession;
  readonly patience: Patience;
  message(text: string): void;
}

/** Where a stream has come to: what its reader has to say to go on from there. */
export class StreamPlace {
  lastEventId: string | undefined = undefined;
  #retryMs: number | undefined = undefined;

  note({ id, retry }: ServerSentEvent): void {
    if (id !== undefined) this.lastEventId = id === '' ? undefined : id;
    if (retry !== undefined) this.#retryMs = Math.min(retry, LONGEST_RETRY_MS);
  }

  /** The wait that the server asked for, which is a client's to keep (2025-11-25, Listening for Messages). */
  retryMs(otherwise: number): number {
    return this.#retryMs ?? otherwise;
  }

  get lines(): string[] {
    return this.lastEventId === undefined ? [] : ['Last-Event-ID', this.lastEventId];
  }
}

/** How following a stream ended. `refused`: the server has none, or none that goes on from there. */
export type Followed = 'refused' | 'lost' | 'left';

/**
 * A stream that a GET opens, and opens again when it breaks off, from where it broke: the one on which a server speaks
 * unasked, and one that carries the rest of an answer (2025-11-25, Resumability).
 */
export class FollowedStream {
  readonly #deps: StreamDeps;
  readonly #place: StreamPlace;
  #reading: AnswerReading | undefined = undefined;
  #exchange: OpenExchange | undefined = undefined;
  #left = false;
  #opened: boolean;

  constructor(deps: StreamDeps, place = new StreamPlace()) {
    this.#deps = deps;
    this.#place = place;
    this.#opened = place.lastEventId !== undefined;
  }

  async follow(): Promise<Followed> {
    const { session } = this.#deps;
    const { generation } = session;
    for (;;) {
      const reply = await this.#open();
      if (this.#left || session.generation !== generation) return this.#abandon(reply);
      const end = await (reply.status < 400 && isEventStream(reply.headers) ? this.#read(reply) : this.#judge(reply));
      if (this.#left) return 'left';
      if (end !== undefined) return end;
    }
  }

  leave(): void {
    this.#left = true;
    this.#reading?.leave();
  }

  #open(): Promise<Reply> {
    const { courier, session } = this.#deps;
    const exchange = courier.get({ lines: [...session.lines, ...this.#place.lines] });
    this.#exchange = exchange;
    this.#reading = new AnswerReading(exchange);
    return courier.send(exchange);
  }

  /** Undefined: it ended, or broke off, and the time has come to ask for what comes after it. */
  async #read(reply: Reply): Promise<Followed | undefined> {
    const { patience, message } = this.#deps;
    this.#opened = true;
    await (this.#reading as AnswerReading).read(reply, {
      message: (text, event) => {
        if (event) this.#place.note(event);
        message(text);
      },
      primed: (event) => this.#place.note(event),
    });
    patience.renew();
    return this.#left || (await patience.wait(this.#place.retryMs(AGAIN_MS))) ? undefined : 'refused';
  }

  async #judge(reply: Reply): Promise<Followed | undefined> {
    const text = await lastText(this.#exchange as OpenExchange, reply);
    if (this.#deps.session.id !== undefined && isLost(reply.status, text)) {
      // A server without such a stream may say 404 as well; one that had it has lost the session.
      return this.#opened || (await this.#answersNoPing()) ? 'lost' : 'refused';
    }
    return AWAY.has(reply.status) && (await this.#deps.patience.wait()) ? undefined : 'refused';
  }

  /** A server may have begun anew before the stream was opened for the first time. */
  async #answersNoPing(): Promise<boolean> {
    const { courier, session } = this.#deps;
    const exchange = courier.post(PING.call, { lines: session.lines });
    const reply = await courier.send(exchange);
    return isLost(reply.status, await lastText(exchange, reply));
  }

  async #abandon(reply: Reply): Promise<Followed> {
    const reading = new AnswerReading(this.#exchange as OpenExchange);
    const over = reading.read(reply, { message() {} });
    reading.leave();
    await over;
    return 'left';
  }
}
