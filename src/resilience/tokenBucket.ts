import type { Clock } from '../contracts.js';

/** So many per so much time; `burst` is what a bucket holds. */
export interface Rate {
  readonly count: number;
  readonly periodMs: number;
  readonly burst: number;
}

/** What a rounded fraction may lack of a whole token. Milliseconds. */
const ROUNDING_MS = 0.01;
/** A full table lets go of this part of it, so that it isn't looked through at every new key. */
const SWEPT = 1 / 8;

/**
 * A token bucket as one number (GCRA, the generic cell rate algorithm): the time at which it will be full again.
 * All times are milliseconds of the monotonic clock.
 */
export class Bucket {
  readonly #intervalMs: number;
  readonly #holdsMs: number;
  #fullAt = 0;

  constructor(rate: Rate) {
    this.#intervalMs = rate.periodMs / rate.count;
    this.#holdsMs = this.#intervalMs * rate.burst;
  }

  get fullAt(): number {
    return this.#fullAt;
  }

  /** How long until it holds `cost` tokens; zero where it does. Infinite for more than it can ever hold. */
  waitMs(now: number, cost: number): number {
    const needed = cost * this.#intervalMs;
    if (needed > this.#holdsMs + ROUNDING_MS) return Number.POSITIVE_INFINITY;
    const missing = Math.max(this.#fullAt, now) - now + needed - this.#holdsMs;
    return missing > ROUNDING_MS ? missing : 0;
  }

  /** Takes what `waitMs` said is there. */
  take(now: number, cost: number): void {
    this.#fullAt = Math.max(this.#fullAt, now) + cost * this.#intervalMs;
  }

  /** Takes whether or not it is there; a debt grows to one more burst and no further. */
  draw(now: number, cost: number): void {
    this.take(now, cost);
    this.#fullAt = Math.min(this.#fullAt, now + 2 * this.#holdsMs);
  }

  /** What was taken for a call that another limit refused. */
  giveBack(cost: number): void {
    this.#fullAt -= cost * this.#intervalMs;
  }

  remaining(now: number): number {
    const left = this.#holdsMs - Math.max(0, this.#fullAt - now);
    return Math.max(0, Math.floor((left + ROUNDING_MS) / this.#intervalMs));
  }
}

/** Token buckets of one rate, by key, in this process's memory. A look at one costs a look into a map. */
export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #rate: Rate;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #maxKeys: number;

  constructor(rate: Rate, clock: Pick<Clock, 'monotonic'>, maxKeys = 50_000) {
    this.#rate = rate;
    this.#clock = clock;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#buckets.size;
  }

  entries(): Iterable<[string, Bucket]> {
    return this.#buckets;
  }

  /** Gives back all that was drawn under a key. */
  forget(key: string): void {
    this.#buckets.delete(key);
  }

  /** The bucket of a key, which is full where it is new. To be used at once: a later one may be another. */
  of(key: string): Bucket {
    const known = this.#buckets.get(key);
    if (known) return known;
    if (this.#buckets.size >= this.#maxKeys) this.#sweep();
    const made = new Bucket(this.#rate);
    this.#buckets.set(key, made);
    return made;
  }

  /**
   * Forgets the buckets that are full, which loses nothing; where that isn't enough, those that will be full soonest.
   * Whoever floods the table with new keys can't wash away the debt of an old one.
   */
  #sweep(): void {
    const now = this.#clock.monotonic();
    for (const [key, bucket] of this.#buckets) if (bucket.fullAt <= now) this.#buckets.delete(key);
    const surplus = this.#buckets.size - Math.floor(this.#maxKeys * (1 - SWEPT));
    if (surplus <= 0) return;
    const times = Float64Array.from(this.#buckets.values(), (bucket) => bucket.fullAt).sort();
    this.#forget(Math.max(1, surplus), times[Math.max(0, surplus - 1)] as number);
  }

  #forget(count: number, until: number): void {
    let left = count;
    for (const [key, bucket] of this.#buckets) {
      if (left === 0) return;
      if (bucket.fullAt > until) continue;
      this.#buckets.delete(key);
      left -= 1;
    }
  }
}
