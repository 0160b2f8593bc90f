import type { Clock } from '../contracts.js';

const MOST_ENTRIES = 2_000;
const MOST_BYTES = 16 * 1024 * 1024;
/** Of one thing, besides what it says. */
const OVERHEAD = 200;

interface Kept<Value> {
  readonly value: Value;
  readonly at: number;
  readonly bytes: number;
}

/** What was found out and when, bounded in number and bytes: what wasn't used for longest goes first. */
export class Shelf<Value> {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #kept = new Map<string, Kept<Value>>();
  #bytes = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Undefined for what is older than that many milliseconds. */
  get(key: string, maxAgeMs: number): Value | undefined {
    const kept = this.#kept.get(key);
    if (!kept || this.#clock.monotonic() - kept.at >= maxAgeMs) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.value;
  }

  /** `size`: roughly, in bytes. */
  set(key: string, value: Value, size: number): void {
    this.delete(key);
    const bytes = size + key.length + OVERHEAD;
    if (bytes > MOST_BYTES) return;
    this.#kept.set(key, { value, at: this.#clock.monotonic(), bytes });
    this.#bytes += bytes;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST_ENTRIES && this.#bytes <= MOST_BYTES) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const kept = this.#kept.get(key);
    if (!kept) return;
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
  }
}
