import type { Clock } from '../../contracts.js';

/** Calls that are counted together. Per minute. */
export interface Budget {
  readonly name: string;
  readonly perMinute: number;
}

/** Most that only read, and most that change something. */
export const TIER_1: Budget = { name: 'tier 1', perMinute: 1_000 };
export const TIER_2: Budget = { name: 'tier 2', perMinute: 100 };

const WINDOW_SECONDS = 60;
/** One more than the window has, so that what is let go of is always a whole window old. */
const SLOTS = WINDOW_SECONDS + 1;
const MOST_WINDOWS = 10_000;

/** How often one budget was drawn on in the last minute, by the second. */
class Window {
  readonly #slots = new Uint16Array(SLOTS);
  #second: number;
  #total = 0;
  /** Qlik said to wait until then. Of the monotonic clock. */
  closedUntil = 0;

  constructor(now: number) {
    this.#second = Math.floor(now / 1000);
  }

  /** Zero, and counted, where there is room; else milliseconds after which to ask again. */
  take(now: number, perMinute: number): number {
    if (now < this.closedUntil) return this.closedUntil - now;
    this.#advance(Math.floor(now / 1000));
    if (this.#total >= perMinute) return this.#untilRoom(now);
    this.#count(this.#second, 1);
    return 0;
  }

  #advance(second: number): void {
    const steps = Math.min(second - this.#second, SLOTS);
    for (let step = 1; step <= steps; step++) {
      const slot = (this.#second + step) % SLOTS;
      this.#total -= this.#slots[slot] ?? 0;
      this.#slots[slot] = 0;
    }
    this.#second = Math.max(second, this.#second);
  }

  #untilRoom(now: number): number {
    for (let second = this.#second - WINDOW_SECONDS; second <= this.#second; second++)
      if (second >= 0 && (this.#slots[second % SLOTS] ?? 0) > 0) return Math.max(1, (second + SLOTS) * 1000 - now);
    return 1000;
  }

  #count(second: number, by: number): void {
    const slot = second % SLOTS;
    this.#slots[slot] = (this.#slots[slot] ?? 0) + by;
    this.#total += by;
  }
}

/**
 * What each user may still ask of a tenant before it answers 429: counted as Qlik Cloud counts it, per tenant, user and
 * tier, in any one minute. Users whose last call is longest ago are forgotten first, past 10,000 budgets.
 */
export class Budgets {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Zero, and counted, where a call may go out now; else milliseconds after which to ask again. */
  take(user: string, budget: Budget): number {
    return this.#window(user, budget).take(this.#clock.monotonic(), budget.perMinute);
  }

  /** Qlik Cloud answered 429, which closes the whole tier to that user. */
  close(user: string, budget: Budget, ms: number): void {
    this.#window(user, budget).closedUntil = this.#clock.monotonic() + ms;
  }

  #window(user: string, { name }: Budget): Window {
    const key = `${name} ${user}`;
    const window = this.#windows.get(key) ?? new Window(this.#clock.monotonic());
    this.#windows.delete(key);
    this.#windows.set(key, window);
    const [oldest] = this.#windows.keys();
    if (this.#windows.size > MOST_WINDOWS && oldest !== undefined) this.#windows.delete(oldest);
    return window;
  }
}
