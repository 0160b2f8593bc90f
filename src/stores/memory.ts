import NodeCache from 'node-cache';
import type { Store } from '../contracts.js';

export interface MemoryStoreSettings {
  readonly maxKeys?: number;
  /** Told once each time that the store turns full. */
  readonly onFull?: (maxKeys: number) => void;
}

const SWEEP_SECONDS = 60;

/**
 * A store in this process's memory; values are kept as they are, uncopied.
 * A full store lets go of what has expired and then refuses new keys: to forget a living token, session or limit
 * would break a promise to somebody else, to keep nothing new only costs a call. Keys that it holds can always be written.
 */
export function createMemoryStore(settings: MemoryStoreSettings = {}): Store {
  return new MemoryStore(settings.maxKeys ?? 10_000, settings.onFull ?? (() => {}));
}

class MemoryStore implements Store {
  readonly #cache = new NodeCache({ useClones: false, checkperiod: SWEEP_SECONDS });
  readonly #maxKeys: number;
  readonly #onFull: (maxKeys: number) => void;
  #full = false;

  constructor(maxKeys: number, onFull: (maxKeys: number) => void) {
    this.#maxKeys = maxKeys;
    this.#onFull = onFull;
  }

  get<Value>(key: string): Value | undefined {
    return this.#cache.get<Value>(slot(key));
  }

  set<Value>(key: string, value: Value, ttlMs: number): void {
    this.delete(key);
    // To node-cache a life of zero is endless.
    if (!(ttlMs > 0)) return;
    if (this.#hasRoom()) this.#cache.set(slot(key), value, ttlMs / 1000);
  }

  delete(key: string): void {
    this.#cache.del(slot(key));
  }

  close(): void {
    this.#cache.flushAll();
    this.#cache.close();
  }

  #hasRoom(): boolean {
    if (this.#size() >= this.#maxKeys) this.#sweep();
    const full = this.#size() >= this.#maxKeys;
    if (full && !this.#full) this.#onFull(this.#maxKeys);
    this.#full = full;
    return !full;
  }

  #size(): number {
    return this.#cache.getStats().keys;
  }

  /** Asking node-cache for an expired key removes it. */
  #sweep(): void {
    for (const key of this.#cache.keys()) this.#cache.has(key);
  }
}

/** node-cache keeps keys in a plain object, where `constructor` would always be found. */
function slot(key: string): string {
  return `:${key}`;
}
