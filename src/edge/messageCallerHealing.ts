import type { Clock, Reply } from '../contracts.js';
import { type Courier, lastText } from './messageCallerCourier.js';
import { failureText, isAnswer, type Said } from './messageCallerSaid.js';
import type { LegacySession } from './messageCallerSession.js';
import { Patience, troubleOf } from './messageCallerTrouble.js';

export interface HealingDeps {
  readonly courier: Courier;
  readonly session: LegacySession;
  readonly clock: Clock;
  readonly closing: AbortSignal;
  deliver(text: string): void;
  /** A new session has begun. */
  renewed(): void;
}

/** Begins a session anew that the server lost, with what the caller itself said when it began the first one. */
export class Healing {
  readonly #deps: HealingDeps;
  #running: Promise<boolean> | undefined = undefined;

  constructor(deps: HealingDeps) {
    this.#deps = deps;
  }

  /** What is under way; messages wait for it. */
  get running(): Promise<boolean> | undefined {
    return this.#running;
  }

  /**
   * One at a time, however many calls found out. False where no session could be had.
   * @param generation of the session that was found lost: a newer one is good already
   */
  heal(generation: number): Promise<boolean> {
    const { session } = this.#deps;
    if (session.generation !== generation) return Promise.resolve(true);
    this.#running ??= this.#begin().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #begin(): Promise<boolean> {
    const { session, deliver, renewed } = this.#deps;
    const { initialize, initialized } = session;
    if (!initialize) return false;
    session.end();
    const changed = await this.#initialize(initialize);
    if (changed === undefined) return false;
    if (initialized) await this.#say(initialized);
    for (const said of session.again()) await this.#say(said);
    renewed();
    if (changed) for (const notification of session.changes()) deliver(notification);
    return true;
  }

  /** Whether it is another server now; undefined where no session could be had. */
  async #initialize(said: Said): Promise<boolean | undefined> {
    const { clock, closing, session } = this.#deps;
    const patience = new Patience(clock, closing);
    for (;;) {
      const { exchange, reply, text } = await this.#post(said);
      if (reply.status < 400 && isAnswer(text)) return session.established(reply, text);
      const trouble = troubleOf(said, exchange, reply, text, false);
      if (trouble.kind !== 'temporary' || !(await patience.wait(trouble.retryMs))) return undefined;
    }
  }

  /** What the server says to that, the caller heard when it said it first. */
  async #say(said: Said): Promise<void> {
    await this.#post(said);
  }

  async #post(said: Said) {
    const { courier, session } = this.#deps;
    const exchange = courier.post(said.call, { lines: session.lines });
    const reply: Reply = await courier.send(exchange);
    return { exchange, reply, text: await lastText(exchange, reply) };
  }
}

/** For calls whose session can't be begun anew. */
export function sessionGone(said: Said): string | undefined {
  const hint = 'Connect anew: the server has lost the session, and a new one could not be begun.';
  return failureText(said, { code: 'SESSION_LOST', message: 'the session is lost', hint });
}
