import type { Ending, Judgement, Rules } from '../contracts/rules.js';
import type { Signals } from '../contracts.js';

/** The most that is read of an answer before anybody gets it. */
const MOST_BYTES = 1024 * 1024;
const NOTHING: Judgement = {};

/** Rules of a kind, asked once for each ending. Where they fail, the destination is judged as if it had none. */
export class OwnRules {
  /** 0: nothing is read. */
  readonly readBytes: number;
  readonly #rules: Rules;
  readonly #destination: string;
  readonly #signals: Signals;
  readonly #judged = new WeakMap<object, Judgement>();
  #failing = false;

  constructor(destination: string, rules: Rules, signals: Signals) {
    this.#destination = destination;
    this.#rules = rules;
    this.#signals = signals;
    this.readBytes = Math.min(rules.readBytes ?? 0, MOST_BYTES);
  }

  /** `of` stands for the attempt; `ending` says how it went, where that is needed. */
  judge(of: object, ending: () => Ending): Judgement {
    const before = this.#judged.get(of);
    if (before) return before;
    const judgement = this.#ask(() => this.#rules.judge(ending())) ?? NOTHING;
    this.#judged.set(of, judgement);
    return judgement;
  }

  mayRepeat(method: string, name: string | undefined): boolean | undefined {
    return this.#ask(() => this.#rules.mayRepeat?.(method, name));
  }

  #ask<Answer>(question: () => Answer): Answer | undefined {
    try {
      const answer = question();
      this.#failing = false;
      return answer;
    } catch (error) {
      // Said once, until they work again: else each call would say it.
      if (!this.#failing) this.#signals.emit('rules.failed', { destination: this.#destination, cause: String(error) });
      this.#failing = true;
      return undefined;
    }
  }
}
