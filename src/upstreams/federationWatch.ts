import { GatewayError } from '../core/errors.js';
import { isObject, parsedObject } from '../core/json.js';
import { backOffMs } from '../resilience/retry.js';
import { callerLeft } from '../wire/explain.js';
import { isEventStream } from '../wire/headers.js';
import { readMessages } from '../wire/messages.js';
import { type Calls, Failure, type Json, type Leave, type Request, readResult } from './federationCalls.js';
import { type Directory, isAbsence, requestOf } from './federationDirectory.js';
import type { Health, HealthListener } from './federationHealth.js';

/** Between tries to listen to a member that broke off. */
const BACK_OFF = { baseMs: 1_000, maxMs: 30_000 };
const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
/** Answers that won't be others the next time. */
const FINAL = /^(RPC -32(600|601|602|02[0-9])|CALLER_UNKNOWN|SCOPE_REQUIRED)$/;

/** What becomes of what a member says. */
export interface Heard {
  /** Of the filter, what the member honours; undefined where it doesn't listen, or not yet. */
  began(honoured: Json | undefined): void;
  /** A notification. */
  said(message: Json): void;
  /** The member was away for a while: whatever it lists may have changed. */
  back(): void;
}

/** Listens to one member for one caller, again and again, until that leaves. */
export class Watch implements HealthListener {
  readonly #calls: Calls;
  readonly #member: string;
  readonly #request: Request;
  readonly #heard: Heard;
  readonly #directory: Directory;
  readonly #health: Health;
  readonly #signal: AbortSignal;
  /** The stream broke off, or never came. */
  #lost = false;
  /** Its lists failed. */
  #sick = false;
  #tries = 0;

  constructor(
    calls: Calls,
    member: string,
    request: Request,
    { directory, health, signal }: { directory: Directory; health: Health; signal: AbortSignal },
    heard: Heard,
  ) {
    this.#calls = calls;
    this.#member = member;
    this.#request = request;
    this.#heard = heard;
    this.#directory = directory;
    this.#health = health;
    this.#signal = signal;
  }

  /** Resolves when nobody listens any more, or the member can't be listened to. */
  async run(): Promise<Failure | undefined> {
    const stop = this.#health.listen(this);
    if (this.#health.isBroken(this.#member)) this.broke(this.#member);
    try {
      return await this.#listenOn();
    } finally {
      if (this.#signal.aborted) stop();
      else this.#signal.addEventListener('abort', stop, { once: true });
    }
  }

  broke(member: string): void {
    if (member !== this.#member || this.#sick) return;
    this.#sick = true;
    this.#probe().catch(() => {});
  }

  healed(member: string): void {
    if (member !== this.#member || !this.#sick) return;
    this.#sick = false;
    this.#heard.back();
  }

  /** Its callers were told already that it is there, and it wasn't. */
  late(): void {
    this.#lost = true;
  }

  async #listenOn(): Promise<Failure | undefined> {
    while (!this.#signal.aborted) {
      const failure = await this.#listen();
      this.#heard.began(undefined);
      if (failure && (FINAL.test(failure.code) || isAbsence(failure))) return failure;
      this.#lost = true;
      if (!(await this.#wait())) break;
    }
    return undefined;
  }

  /** Once; the failure it ended with, if any. */
  async #listen(): Promise<Failure | undefined> {
    let leave: Leave = () => {};
    try {
      const reply = await this.#calls.pass(this.#request, this.#member, undefined, (given) => {
        leave = given;
      });
      if (!isEventStream(reply.headers)) {
        const said = await readResult(reply, this.#member);
        return said instanceof Failure ? said : undefined;
      }
      return await new Promise((resolve) => {
        readMessages(reply, {
          message: (text) => this.#hear(text, resolve),
          end: () => resolve(undefined),
          fail: () => resolve(undefined),
        });
      });
    } catch (error) {
      return error instanceof GatewayError ? new Failure(error.code, error) : undefined;
    } finally {
      leave(callerLeft());
    }
  }

  #hear(text: string, ended: (failure: Failure | undefined) => void): void {
    const message = parsedObject(text) ?? {};
    if (isObject(message.error)) {
      const code = `RPC ${String(message.error.code)}`;
      ended(new Failure(code, new GatewayError('UPSTREAM_BROKE', `${this.#member} doesn't listen`)));
    } else if (message.result !== undefined) ended(undefined);
    else if (message.method === ACKNOWLEDGED) this.#acknowledged(message);
    else if (typeof message.method === 'string' && message.id === undefined) this.#heard.said(message);
  }

  #acknowledged({ params }: Json): void {
    const honoured = isObject(params) && isObject(params.notifications) ? params.notifications : {};
    const wasLost = this.#lost;
    this.#lost = false;
    this.#tries = 0;
    this.#heard.began(honoured);
    if (wasLost && !this.#sick) this.#heard.back();
  }

  /** Asks until the member lists its tools again: `Health` tells everybody then, this one among them. */
  async #probe(): Promise<void> {
    for (let tries = 0; this.#sick; tries++) {
      await this.#sleep(tries);
      if (this.#sick) await this.#directory.page(this.#calls, this.#member, 'tools/list', {}, 0);
    }
  }

  /** False where the caller left meanwhile. */
  #wait(): Promise<boolean> {
    return this.#sleep(this.#tries++).then(
      () => true,
      () => false,
    );
  }

  /** At least half of what the back-off says: a member that comes back isn't met by everybody at once, nor hammered. */
  #sleep(tries: number): Promise<void> {
    const { clock } = this.#calls;
    return clock.sleep(
      backOffMs(tries, BACK_OFF, () => (1 + clock.random()) / 2),
      this.#signal,
    );
  }
}

/** The request of a listener, as one member gets it. */
export function listenRequest(calls: Calls, notifications: Json): Request {
  return requestOf(calls.of, 'subscriptions/listen', { notifications });
}
