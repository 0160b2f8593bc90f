/**
 * Where a vendor's answers are kept: in this process, or in a store behind the same three calls. Keys begin with what an
 * answer is about, in words with a space behind each, and end with whose it is. Never rejects: what can't be had is as good
 * as not kept.
 */
export interface AnswerCache {
  get(key: string): string | undefined | Promise<string | undefined>;
  /** `ttlMs`: milliseconds, at most a day. */
  set(key: string, answer: string, ttlMs: number): void | Promise<void>;
  /** Forgets everything whose key begins so, up to its last space. */
  drop(prefix: string): void | Promise<void>;
}

/** Answers that several processes have in common. An answer that was asked for before it was dropped is never kept. */
export interface SharedAnswers extends AnswerCache {
  /** False while the store doesn't answer. */
  readonly up: boolean;
  close(): void;
}
