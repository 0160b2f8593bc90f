import type { Clock, Store } from '../contracts.js';
import { CredentialError } from '../core/errors.js';

/** A provider's failure, and until when it is left alone: of the monotonic clock, since the other one may be set back. */
export interface Failure {
  readonly message: string;
  readonly mend: string;
  /** In a row. */
  readonly attempts: number;
  readonly until: number;
  /** Nobody waited for that token, and the provider asked for no pause: whoever needs one may try once. */
  readonly unheard?: boolean;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** How long a failure is remembered past its `until`, so that the next one in a row waits longer. */
const MEMORY = 5 * MINUTE;

const UNKNOWN = {
  message: 'it failed for a reason that is not known',
  mend: 'Report it with the request id; the log has the cause.',
};

/** Who failed lately, so that a provider in trouble is asked once in a while and not by every caller. */
export class ProviderFailures {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** The last failure, while it still counts; `needed` where somebody has to have a token now. */
  current(key: string, needed = false): Failure | undefined {
    const failure = this.#store.get<Failure>(key);
    if (!failure || this.#clock.monotonic() >= failure.until) return undefined;
    return needed && failure.unheard ? undefined : failure;
  }

  /** Only a CredentialError's words are known to hold no secret; anything else stays unsaid. `ahead`: while the last token was still good. */
  remember(key: string, cause: unknown, ahead = false): Failure {
    const known = cause instanceof CredentialError ? cause : undefined;
    const { message, mend } = known ?? UNKNOWN;
    const attempts = (this.#store.get<Failure>(key)?.attempts ?? 0) + 1;
    const waitMs = backoff(attempts, known?.retryAfterMs, this.#clock.random);
    const until = this.#clock.monotonic() + waitMs;
    const failure = { message, mend, attempts, until, unheard: ahead && known?.retryAfterMs === undefined };
    this.#store.set(key, failure, waitMs + MEMORY);
    return failure;
  }

  forget(key: string): void {
    this.#store.delete(key);
  }
}

/** Between half and the whole of a bound that doubles from 2 s to 60 s; what the provider asked for wins, within 1 s and 5 min. */
function backoff(attempts: number, retryAfterMs: number | undefined, random: Clock['random']): number {
  if (retryAfterMs !== undefined) return Math.min(5 * MINUTE, Math.max(SECOND, retryAfterMs));
  const bound = Math.min(MINUTE, SECOND * 2 ** Math.min(attempts, 6));
  return bound * (0.5 + random() / 2);
}
