/** How often the deadlines that are running are looked at. Milliseconds. */
const TICK_MS = 50;

/**
 * A deadline that costs two assignments to set, to move and to stop: all that are running hang on one list, and one
 * timer for them all looks through it. It expires a tick or two late, never early.
 */
export abstract class Deadline {
  /** Of the ticks counted so far. */
  #due = 0;
  #previous: Deadline | undefined;
  #next: Deadline | undefined;

  static #first: Deadline | undefined;
  static #ticks = 0;
  static #timer: NodeJS.Timeout | undefined;

  /** What is to happen when the time is over; the clock is stopped by then. */
  protected abstract expired(): void;

  /** Starts the clock, or starts it anew. */
  protected expireIn(ms: number): void {
    if (this.#due === 0) this.#hang();
    this.#due = Deadline.#ticks + Math.ceil(ms / TICK_MS) + 1;
  }

  protected stopClock(): void {
    if (this.#due === 0) return;
    this.#due = 0;
    if (this.#previous) this.#previous.#next = this.#next;
    else Deadline.#first = this.#next;
    if (this.#next) this.#next.#previous = this.#previous;
    // Nothing that has ended may lead to what hasn't: the collector would keep both.
    this.#previous = undefined;
    this.#next = undefined;
  }

  #hang(): void {
    this.#next = Deadline.#first;
    if (this.#next) this.#next.#previous = this;
    Deadline.#first = this;
    Deadline.#timer ??= setInterval(Deadline.#tick, TICK_MS).unref();
  }

  /** The timer ends itself when a tick finds nothing: a busy process doesn't start and stop it with every request. */
  static #tick(): void {
    Deadline.#ticks += 1;
    if (!Deadline.#first) {
      clearInterval(Deadline.#timer);
      Deadline.#timer = undefined;
    }
    let at = Deadline.#first;
    while (at) {
      const next: Deadline | undefined = at.#next;
      if (Deadline.#ticks >= at.#due) {
        at.stopClock();
        at.expired();
      }
      at = next;
    }
  }
}
