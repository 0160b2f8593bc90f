import type { AnswerCache, SharedAnswers } from '../../contracts/answers.js';
import type { MemoryAnswers } from './answerCache.js';

/** Answers in a store that replicas have in common; in memory while it is gone. */
export class StoredAnswers implements AnswerCache {
  readonly #shared: SharedAnswers;
  readonly #memory: MemoryAnswers;

  constructor(shared: SharedAnswers, memory: MemoryAnswers) {
    this.#shared = shared;
    this.#memory = memory;
  }

  get(key: string): string | undefined | Promise<string | undefined> {
    if (!this.#shared.up) return this.#memory.get(key);
    // What others drop from now on is not heard of here: the next time it is gone begins with nothing.
    if (this.#memory.size > 0) this.#memory.drop('');
    return this.#shared.get(key);
  }

  set(key: string, answer: string, ttlMs: number): void | Promise<void> {
    return (this.#shared.up ? this.#shared : this.#memory).set(key, answer, ttlMs);
  }

  /** In both: the store is told when it is back, too. */
  drop(prefix: string): void | Promise<void> {
    this.#memory.drop(prefix);
    return this.#shared.drop(prefix);
  }
}
