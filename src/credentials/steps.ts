import { CredentialError } from '../core/errors.js';

const WINDOW_MS = 60_000;
const MOST_STEPS = 3;
/** A token that is refused after that has served, as far as anybody knows; a loop of such ones is slow by itself. */
const HELD_MS = 10_000;

/** A server that is never content must not keep people logging in: so many new tokens a minute, and no more. */
export class Steps {
  readonly #taken = new Map<string, { since: number; count: number }>();

  /** `obtainedAt`: when the refused token was, in epoch milliseconds. Revoked tokens come one after the other, too, and mustn't count. */
  take(key: string, now: number, obtainedAt = now): void {
    if (now - obtainedAt >= HELD_MS) return;
    const taken = this.#taken.get(key);
    if (!taken || now - taken.since > WINDOW_MS) {
      this.#forgetOld(now);
      this.#taken.set(key, { since: now, count: 1 });
      return;
    }
    taken.count += 1;
    if (taken.count <= MOST_STEPS) return;
    throw new CredentialError(
      'the server refuses every token that its own authorization server gives',
      'Check the scopes and the resource that the server asks for; it is asked again in a minute.',
      { retryAfterMs: WINDOW_MS },
    );
  }

  /** Callers come and go. */
  #forgetOld(now: number): void {
    for (const [key, { since }] of this.#taken) if (now - since > WINDOW_MS) this.#taken.delete(key);
  }
}
