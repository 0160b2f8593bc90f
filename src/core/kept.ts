import { createHash } from 'node:crypto';

/** Something taken: whoever took it lets go of it; a second time does nothing. */
export interface Taken<Value> {
  readonly value: Value;
  release(): Promise<void>;
}

interface Held {
  readonly value: Promise<{ close(): unknown }>;
  holders: number;
}

/** What outlives those who use it, for as long as the next one wants exactly the same: it is made once, and closed with its last holder. */
export class Kept {
  readonly #held = new Map<string, Held>();

  /** `wish` says all that the thing depends on; of its text only a digest is kept. Rejects as `make` does. */
  async take<Value extends { close(): unknown }>(
    wish: readonly unknown[],
    make: () => Value | Promise<Value>,
  ): Promise<Taken<Value>> {
    const key = createHash('sha256').update(JSON.stringify(wish)).digest('base64url');
    const held = this.#held.get(key) ?? { value: Promise.resolve().then(make), holders: 0 };
    held.holders += 1;
    this.#held.set(key, held);
    try {
      const value = (await held.value) as Value;
      let released: Promise<void> | undefined;
      const release = () => {
        released ??= this.#release(key, held);
        return released;
      };
      return { value, release };
    } catch (error) {
      this.#forget(key, held);
      throw error;
    }
  }

  async #release(key: string, held: Held): Promise<void> {
    held.holders -= 1;
    if (held.holders > 0) return;
    this.#forget(key, held);
    await (await held.value).close();
  }

  #forget(key: string, held: Held): void {
    if (this.#held.get(key) === held) this.#held.delete(key);
  }
}
