import type { Store } from '../contracts.js';
import { basesKey, type Slot } from './credentialSlot.js';

/** Tokens that one owner has of one credential at a time, each made from another proof. */
const MOST = 8;

/** Lets nobody fill the store for all by coming with ever new proofs: past a few, an owner's oldest token is let go of. */
export class Bases {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** `lifeMs` of the token that the slot has now. */
  remember(slot: Slot, lifeMs: number): void {
    if (slot.basis === undefined) return;
    const key = basesKey(slot);
    const others = (this.#store.get<readonly string[]>(key) ?? []).filter((each) => each !== slot.key);
    for (const oldest of others.splice(0, others.length + 1 - MOST)) this.#store.delete(oldest);
    this.#store.set(key, [...others, slot.key], Math.max(lifeMs, MEMORY_MS));
  }
}

/** A short-lived token must not make the longer-lived ones forgotten. */
const MEMORY_MS = 24 * 60 * 60_000;
