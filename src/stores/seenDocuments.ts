/** A document as it was last seen in a shared vault, or as it should be there. */
export interface Seen {
  readonly version: number;
  /** Names the write that brought it. */
  readonly writer: string;
  /** Empty where it was removed. */
  readonly sealed: string;
  /** This process wrote it. */
  readonly mine: boolean;
  /** The vault doesn't have it yet, as far as is known. */
  unwritten: boolean;
}

/** Past that, what was met longest ago goes first. */
const MOST = 10_000;

/** What a process has seen of a shared vault, sealed as it was. What is not written yet stays. */
export class SeenDocuments {
  readonly #seen = new Map<string, Seen>();

  byKey(key: string): Seen | undefined {
    return this.#seen.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#seen.keys();
  }

  /** As it was at the time of the call. */
  all(): readonly (readonly [string, Seen])[] {
    return [...this.#seen];
  }

  keep(key: string, seen: Seen): Seen {
    this.#seen.delete(key);
    this.#seen.set(key, seen);
    if (this.#seen.size > MOST) this.#dropOldest();
    return seen;
  }

  /** Only that very one. */
  forget(key: string, seen: Seen): void {
    if (this.#seen.get(key) === seen) this.#seen.delete(key);
  }

  #dropOldest(): void {
    for (const [key, { unwritten }] of this.#seen) {
      if (unwritten) continue;
      this.#seen.delete(key);
      return;
    }
  }
}
