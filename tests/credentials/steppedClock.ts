import type { Clock } from '../../src/contracts.js';

const START = Date.UTC(2026, 10, 20);

/** A clock that stands still until it is told to go on. */
export class SteppedClock implements Clock {
  #now = START;
  #sleepers: { at: number; wake: () => void }[] = [];
  chance = 0.5;

  now = () => this.#now;

  /** Starts at zero and goes on with the rest. */
  monotonic = () => this.#now - START;

  random = () => this.chance;

  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const sleeper = { at: this.#now + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal.reason);
      });
    });

  /** How many wait at the moment. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  /** Wakes who is due, then lets the promises that follow from it settle. */
  async advance(ms: number): Promise<void> {
    this.#now += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.at <= this.#now);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.at > this.#now);
    for (const sleeper of due) sleeper.wake();
    await settle();
  }
}

/** Lets every promise that is ready settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
