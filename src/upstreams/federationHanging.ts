import { Failure } from './federationCalls.js';

/** Callers and members of which that is remembered; the oldest are forgotten first. */
const MOST = 2_000;

interface Entry {
  readonly failure: Failure;
  /** True while it is being asked. */
  asked: boolean;
}

/** Who let whom wait in vain. A caller finds out for itself: members may answer each in another way. */
export class Hanging {
  readonly #entries = new Map<string, Entry>();

  /** What it failed with; undefined where it didn't hang. */
  failure(who: string): Failure | undefined {
    return this.#entries.get(who)?.failure;
  }

  /** Takes note of an answer, or its absence, and hands it back. */
  learn<Said>(who: string, said: Said | Failure): Said | Failure {
    this.#entries.delete(who);
    if (!(said instanceof Failure) || said.code !== 'UPSTREAM_TIMEOUT') return said;
    this.#entries.set(who, { failure: said, asked: false });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > MOST && oldest !== undefined) this.#entries.delete(oldest);
    return said;
  }

  /** Asks again, while nobody waits; once at a time. */
  behind(who: string, ask: () => Promise<unknown>): void {
    const entry = this.#entries.get(who);
    if (!entry || entry.asked) return;
    entry.asked = true;
    ask().then(
      (said) => this.learn(who, said),
      () => {
        entry.asked = false;
      },
    );
  }
}
