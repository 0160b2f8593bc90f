/** So long nobody may have come. Milliseconds. */
const QUIET_MS = 100;
/** Whoever still comes after that doesn't listen to probes and refusals either. */
const MOST_MS = 1_000;

/**
 * Who still comes while a process stops. Where a listener is closed the kernel resets the connections that wait in its queue,
 * and their callers can't know what became of their calls: so each is taken, and refused with words, until none comes.
 */
export class Arrivals {
  #quiet: NodeJS.Timeout | undefined;

  /** A connection, or a request on one that is kept. */
  came(): void {
    this.#quiet?.refresh();
  }

  /** Resolves when nobody has come for a while, or has had half of `drainMs` to; and then right behind a look into the queue. */
  cease(drainMs: number): Promise<void> {
    return new Promise((resolve) => {
      const close = () => {
        clearTimeout(this.#quiet);
        clearTimeout(late);
        this.#quiet = undefined;
        // The loop takes all that is in the queue, and then comes to this.
        setImmediate(resolve);
      };
      const late = setTimeout(close, Math.min(MOST_MS, drainMs / 2));
      this.#quiet = setTimeout(close, QUIET_MS);
    });
  }
}
