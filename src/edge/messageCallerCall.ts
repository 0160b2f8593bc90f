import type { Clock, HeaderLines, Reply, Upstream } from '../contracts.js';
import { safeToRepeat } from '../resilience/retry.js';
import type { OpenExchange } from '../wire/exchange.js';
import type { MessageReader } from '../wire/messages.js';
import type { ServerSentEvent } from '../wire/sse.js';
import { AnswerReading, type Courier, lastText } from './messageCallerCourier.js';
import { type Healing, sessionGone } from './messageCallerHealing.js';
import { failureText, isAnswer, type Said } from './messageCallerSaid.js';
import type { LegacySession } from './messageCallerSession.js';
import { FollowedStream, StreamPlace } from './messageCallerStream.js';
import { brokenOff, Patience, type Trouble, troubleOf } from './messageCallerTrouble.js';

/** What a call needs of whoever makes it. */
export interface CallDeps {
  readonly courier: Courier;
  readonly session: LegacySession;
  readonly healing: Healing;
  readonly clock: Clock;
  readonly closing: AbortSignal;
  readonly heal: boolean;
  readonly refusals: 'deliver' | 'answer';
  deliver(text: string): void;
  /** The header lines that a message goes out with. */
  linesOf(said: Said): HeaderLines;
  /** The server answered, before the caller hears of it. */
  answered(said: Said, text: string): void;
  /** What lies between the last thing told of a call and its answer; see `MessageCallerDeps`. Milliseconds. */
  readonly apartMs: number;
  /** Finds out anew which headers the tool of a call asks for. True where that was done. */
  relist(said: Said): Promise<boolean>;
}

/** A session that is lost again and again isn't worth another try. */
const MOST_HEALINGS = 3;
const ACKNOWLEDGED = '"notifications/subscriptions/acknowledged"';

/** One message of the caller, from the first time that it is sent to the answer that the caller gets. */
export class Call implements Pick<MessageReader, 'message' | 'primed'> {
  readonly said: Said;
  readonly #deps: CallDeps;
  readonly #headers: HeaderLines | undefined;
  readonly #patience: Patience;
  readonly #handedOver: (refusal?: Reply) => void;
  readonly #place = new StreamPlace();
  #cancelled = false;
  #answered = false;
  /** When something was told of this call last. */
  #toldAt: number | undefined = undefined;
  /** The answer that waits for its time. */
  #apart: Promise<void> | undefined = undefined;
  #listens = 0;
  #healings = 0;
  #mirrored = false;
  #reading: AnswerReading | undefined = undefined;
  #rest: FollowedStream | undefined = undefined;
  #upstream: Upstream | undefined = undefined;

  /** `handedOver` is called at least once: when the head of the answer is there, or it is known that none comes. */
  constructor(said: Said, headers: HeaderLines | undefined, deps: CallDeps, handedOver: (refusal?: Reply) => void) {
    this.said = said;
    this.#headers = headers;
    this.#deps = deps;
    this.#handedOver = handedOver;
    this.#patience = new Patience(deps.clock, deps.closing);
  }

  /** Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#untilAnswered();
    } catch {
      const text = failureText(this.said, { code: 'INTERNAL', message: 'something went wrong in the proxy' });
      this.#say(text);
    }
    if (this.#apart) await this.#apart;
    this.#handedOver();
  }

  /** The caller wants no answer any more: nothing is repeated, nobody is told of a failure. */
  cancel(): void {
    this.#cancelled = true;
  }

  /** The upstream is let go of at once. */
  leave(): void {
    this.#cancelled = true;
    this.#reading?.leave();
    this.#rest?.leave();
  }

  message(text: string, event?: ServerSentEvent): void {
    if (event) this.#place.note(event);
    if (isAnswer(text)) this.#answer(text);
    // The caller knows already what it listens to.
    else if (this.#listens > 1 && text.includes(ACKNOWLEDGED)) return;
    else if (!this.#cancelled) this.#tell(text);
  }

  primed(event: ServerSentEvent): void {
    this.#place.note(event);
  }

  async #untilAnswered(): Promise<void> {
    for (;;) {
      const { healing, session } = this.#deps;
      if (healing.running) await healing.running;
      const { generation } = session;
      const trouble = await this.#try();
      if (!trouble || this.#cancelled) return;
      const mended = await this.#mend(trouble, generation);
      if (this.#cancelled) return;
      if (!mended) return this.#say(trouble.text);
    }
  }

  /** Sends it once. Resolves with why there was no answer, or undefined where there was. */
  async #try(): Promise<Trouble | undefined> {
    const { courier, session, linesOf } = this.#deps;
    const { call } = this.said;
    // In an envelope of 2026-07-28 it is a method like any other, which isn't there.
    const begins = call.method === 'initialize' && call.era === 'legacy';
    const inSession = call.era === 'legacy' && !begins && session.id !== undefined;
    const exchange = courier.post(call, { lines: begins ? [] : linesOf(this.said), headers: this.#headers });
    const reading = new AnswerReading(exchange);
    this.#reading = reading;
    this.#listens += 1;
    const reply = await courier.send(exchange);
    this.#upstream = exchange.route?.upstream;
    if (reply.status >= 400) return this.#failed(exchange, reply, inSession);
    if (this.#headers) courier.remember(this.#headers);
    const replied = begins ? this.#beginning(reply) : this;
    this.#handedOver();
    await reading.read(reply, replied);
    if (this.#answered || this.#cancelled || call.kind !== 'request') return undefined;
    return this.#broken(exchange.id);
  }

  /** The answer to `initialize` says with whom the caller speaks from now on. */
  #beginning(reply: Reply): Pick<MessageReader, 'message' | 'primed'> {
    const { session } = this.#deps;
    return {
      message: (text, event) => {
        if (isAnswer(text)) session.established(reply, text);
        this.message(text, event);
      },
      primed: (event) => this.primed(event),
    };
  }

  async #failed(exchange: OpenExchange, reply: Reply, inSession: boolean): Promise<Trouble | undefined> {
    const refused = reply.status === 401 || reply.status === 403;
    const text = await lastText(exchange, reply);
    if (refused && this.#deps.refusals === 'answer') {
      this.#handedOver({ ...reply, body: text === '' ? null : Buffer.from(text) });
      return undefined;
    }
    return troubleOf(this.said, exchange, reply, text, inSession);
  }

  /** The stream ended before the answer: the rest may be had by a GET (2025-11-25, Resumability). */
  async #broken(requestId: string): Promise<Trouble | undefined> {
    const { session, courier, clock, closing } = this.#deps;
    const trouble = brokenOff(this.said, requestId);
    if (this.#place.lastEventId === undefined || this.said.call.era === 'modern') return trouble;
    const patience = new Patience(clock, closing);
    if (!(await patience.wait(this.#place.retryMs(0)))) return trouble;
    const message = (text: string) => this.message(text);
    this.#rest = new FollowedStream({ courier, session, patience, message }, this.#place);
    const followed = await this.#rest.follow();
    if (this.#answered || this.#cancelled) return undefined;
    return followed === 'lost' ? { ...trouble, kind: 'session' } : trouble;
  }

  /** True where it is worth another try. */
  async #mend(trouble: Trouble, generation: number): Promise<boolean> {
    const { heal, healing, relist } = this.#deps;
    if (trouble.kind === 'final' || !heal) return false;
    if (trouble.kind === 'mirror') {
      if (this.#mirrored) return false;
      this.#mirrored = true;
      return relist(this.said);
    }
    const repeatable = trouble.untouched || this.#safe();
    if (trouble.kind === 'temporary') return repeatable && this.#patience.wait(trouble.retryMs);
    this.#healings += 1;
    if (this.#healings > MOST_HEALINGS) return false;
    const healed = await healing.heal(generation);
    if (!healed) this.#say(sessionGone(this.said));
    return healed && repeatable && this.said.call.kind !== 'response';
  }

  #safe(): boolean {
    const { call } = this.said;
    if (call.method === 'initialize' || call.kind === 'notification') return true;
    const upstream = this.#upstream;
    return upstream ? upstream.safeToRepeat(call) : safeToRepeat(call, () => false);
  }

  #answer(text: string): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#rest?.leave();
    this.#deps.answered(this.said, text);
    this.#deliver(text);
  }

  #say(text: string | undefined): void {
    if (text === undefined || this.#answered || this.#cancelled) return;
    this.#answered = true;
    this.#deliver(text);
  }

  #tell(text: string): void {
    this.#toldAt = this.#deps.clock.monotonic();
    this.#deps.deliver(text);
  }

  /** The answer: at once, unless something was told of the call just now. */
  #deliver(text: string): void {
    const { apartMs, clock, closing, deliver } = this.#deps;
    const waitMs = this.#toldAt === undefined ? 0 : this.#toldAt + apartMs - clock.monotonic();
    if (waitMs <= 0) return deliver(text);
    const now = () => deliver(text);
    this.#apart = clock.sleep(waitMs, closing).then(now, now);
  }
}
