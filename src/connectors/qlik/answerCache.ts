import type { AnswerCache } from '../../contracts/answers.js';
import type { Clock } from '../../contracts.js';

const MOST_ANSWERS = 5_000;
/** Of all answers together; UTF-16 units, as JavaScript counts them. */
const MOST_TEXT = 32 * 1024 * 1024;

interface Kept {
  readonly answer: string;
  /** Of the monotonic clock. */
  readonly until: number;
}

/** Answers in this process's memory. A full one forgets what was used longest ago: to keep nothing only costs a call. */
export class MemoryAnswers implements AnswerCache {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #most: { readonly answers: number; readonly text: number };
  readonly #kept = new Map<string, Kept>();
  #text = 0;

  constructor(clock: Pick<Clock, 'monotonic'>, most = { answers: MOST_ANSWERS, text: MOST_TEXT }) {
    this.#clock = clock;
    this.#most = most;
  }

  get size(): number {
    return this.#kept.size;
  }

  get(key: string): string | undefined {
    const found = this.#kept.get(key);
    if (!found) return undefined;
    this.#forget(key, found);
    if (this.#clock.monotonic() >= found.until) return undefined;
    this.#remember(key, found);
    return found.answer;
  }

  set(key: string, answer: string, ttlMs: number): void {
    const before = this.#kept.get(key);
    if (before) this.#forget(key, before);
    if (!(ttlMs > 0) || answer.length > this.#most.text) return;
    this.#remember(key, { answer, until: this.#clock.monotonic() + ttlMs });
    for (const [oldest, kept] of this.#kept) {
      if (this.#kept.size <= this.#most.answers && this.#text <= this.#most.text) return;
      this.#forget(oldest, kept);
    }
  }

  drop(prefix: string): void {
    for (const [key, kept] of this.#kept) if (key.startsWith(prefix)) this.#forget(key, kept);
  }

  #remember(key: string, kept: Kept): void {
    this.#kept.set(key, kept);
    this.#text += key.length + kept.answer.length;
  }

  #forget(key: string, kept: Kept): void {
    this.#kept.delete(key);
    this.#text -= key.length + kept.answer.length;
  }
}
