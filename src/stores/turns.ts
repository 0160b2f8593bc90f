/** One job per name at a time, in this process. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  take<Value>(name: string, job: () => Promise<Value>): Promise<Value> {
    const turn = (this.#last.get(name) ?? Promise.resolve()).then(job, job);
    const over = turn
      .catch(() => {})
      .then(() => {
        if (this.#last.get(name) === over) this.#last.delete(name);
      });
    this.#last.set(name, over);
    return turn;
  }
}

/** So long an end waits for what must not be cut off. Milliseconds; MCP clients kill a server that takes much longer. */
const PATIENCE_MS = 3000;

/** Work that would lose something if the process ended in the midst of it. */
export class Unfinished {
  readonly #works = new Set<Promise<unknown>>();

  hold<Value>(work: Promise<Value>): Promise<Value> {
    const over: Promise<unknown> = work.catch(() => {}).then(() => this.#works.delete(over));
    this.#works.add(over);
    return work;
  }

  /** Resolves when all of it is done, or has had its time. */
  async done(): Promise<void> {
    if (this.#works.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS);
    });
    await Promise.race([Promise.all(this.#works), late]);
    clearTimeout(timer);
  }
}
