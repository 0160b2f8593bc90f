import type { Signals } from '../contracts.js';
import { NO_SUCH_METHOD } from './federationAnswers.js';

/** Failures that say nothing of the member itself: they are about the caller, its credential, or what it asked for. */
const OF_THE_CALL =
  /^(RPC -32(02[012]|60[0-2])|CALLER_.*|CREDENTIAL_.*|SCOPE_REQUIRED|NOT_PERMITTED|UNKNOWN_DESTINATION|QUOTA_EXCEEDED)$/;

/** Is told of a member that stopped answering, or answers again. */
export interface HealthListener {
  broke(member: string): void;
  healed(member: string): void;
}

/** Which members answer just now, as far as anybody's calls have shown it. */
export class Health {
  readonly #signals: Signals;
  readonly #destination: string;
  readonly #broken = new Set<string>();
  readonly #listeners = new Set<HealthListener>();

  constructor(signals: Signals, destination: string) {
    this.#signals = signals;
    this.#destination = destination;
  }

  isBroken(member: string): boolean {
    return this.#broken.has(member);
  }

  /** `code`: of a failure; undefined where it answered. */
  learn(member: string, code: string | undefined): void {
    if (code === undefined || code === NO_SUCH_METHOD) this.#heal(member);
    else if (!OF_THE_CALL.test(code)) this.#break(member, code);
  }

  /** Until the function that is returned is called. */
  listen(listener: HealthListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #break(member: string, code: string): void {
    if (!this.#broken.has(member)) {
      this.#broken.add(member);
      this.#signals.emit('federation.member-lost', { destination: this.#destination, member, code });
    }
    // Also who listens since: each asks by itself whether it is over.
    for (const listener of this.#listeners) listener.broke(member);
  }

  #heal(member: string): void {
    if (!this.#broken.delete(member)) return;
    this.#signals.emit('federation.member-back', { destination: this.#destination, member });
    for (const listener of this.#listeners) listener.healed(member);
  }
}
