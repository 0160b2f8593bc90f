import type { Clock, Signals } from '../contracts.js';

const TICK_MS = 100;
/** What one tick above the threshold adds to the share, and the most of it: some calls always pass, to notice the recovery. */
const STEP = 0.05;
const STEEPEST = 3;
const MOST = 0.95;
/** What a tick below leaves of it. */
const DECAY = 0.85;
const NEGLIGIBLE = 0.01;

/**
 * Refuses a growing share of new calls while the event loop lags, and a shrinking one once it doesn't.
 * A single late tick (a collection, a large answer parsed) refuses nobody.
 */
export class Shedder {
  readonly #lagMs: number;
  readonly #clock: Pick<Clock, 'random'>;
  readonly #signals: Signals;
  #share = 0;
  #late = false;

  constructor(lagMs: number, deps: { readonly clock: Pick<Clock, 'random'>; readonly signals: Signals }) {
    this.#lagMs = lagMs;
    this.#clock = deps.clock;
    this.#signals = deps.signals;
  }

  /** The part of new calls that is refused, in [0, 1). */
  get share(): number {
    return this.#share;
  }

  /** Chance decides about each call; without a share it isn't asked. */
  refuses(): boolean {
    return this.#share > 0 && this.#clock.random() < this.#share;
  }

  /** Told with every tick how late that was. Milliseconds. */
  observe(lagMs: number): void {
    const late = lagMs > this.#lagMs;
    const before = this.#share;
    if (!late) this.#share = before * DECAY < NEGLIGIBLE ? 0 : before * DECAY;
    else if (this.#late) this.#share = Math.min(MOST, before + STEP * Math.min(STEEPEST, lagMs / this.#lagMs));
    this.#late = late;
    if (before === 0 && this.#share > 0) this.#signals.emit('overload.began', { lagMs: Math.round(lagMs) });
    if (before > 0 && this.#share === 0) this.#signals.emit('overload.ended');
  }
}

/** Measures how late a coarse timer comes, until the answer is called. Keeps no process alive. */
export function watchEventLoop(clock: Pick<Clock, 'monotonic'>, observe: (lagMs: number) => void): () => void {
  let due = clock.monotonic() + TICK_MS;
  const timer = setInterval(() => {
    const now = clock.monotonic();
    observe(Math.max(0, now - due));
    due = now + TICK_MS;
  }, TICK_MS).unref();
  return () => clearInterval(timer);
}
