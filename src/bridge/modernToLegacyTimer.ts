import { Deadline } from '../core/deadline.js';

/** Calls back once the time is over, unless it is stopped or moved. */
export class Timer extends Deadline {
  readonly #over: () => void;

  constructor(over: () => void) {
    super();
    this.#over = over;
  }

  start(ms: number): void {
    this.expireIn(ms);
  }

  stop(): void {
    this.stopClock();
  }

  protected override expired(): void {
    this.#over();
  }
}
