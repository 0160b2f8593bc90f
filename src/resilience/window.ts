import type { Clock } from '../contracts.js';

/** Fixed spans of time, one after another, for counters that start anew with each. */
export class Window {
  readonly #clock: Clock;
  readonly #ms: number;
  #end = 0;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** True when another one has begun since the last call. */
  turned(): boolean {
    const now = this.#clock.now();
    if (now < this.#end) return false;
    this.#end = now + this.#ms;
    return true;
  }
}
