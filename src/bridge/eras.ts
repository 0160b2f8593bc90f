import type { Clock, EraOption, Route } from '../contracts.js';

/** What a server is known to speak; undefined where nobody asked yet. */
export interface Spoken {
  readonly legacy: boolean | undefined;
  readonly modern: boolean | undefined;
}

const UNKNOWN: Spoken = { legacy: undefined, modern: undefined };

const SAID: Readonly<Record<Exclude<EraOption, 'auto' | 'both'>, Spoken>> = {
  legacy: { legacy: true, modern: false },
  modern: { legacy: false, modern: true },
};

/** A server may be replaced by a newer one; milliseconds. */
const BELIEVED_MS = 10 * 60_000;
/** URLs that headers chose are as many as callers like; past that the oldest verdict is forgotten. */
const MOST_SERVERS = 1_000;

/** Verdicts on what servers speak, per URL and credential: who asks may see another server behind the same URL. */
export class Eras {
  readonly #option: EraOption;
  readonly #clock: Clock;
  readonly #known = new Map<string, { readonly spoken: Spoken; readonly until: number }>();

  constructor(option: EraOption, clock: Clock) {
    this.#option = option;
    this.#clock = clock;
  }

  of(route: Route): Spoken {
    if (this.#option === 'legacy' || this.#option === 'modern') return SAID[this.#option];
    const known = this.#known.get(keyOf(route));
    return known && this.#clock.monotonic() < known.until ? known.spoken : UNKNOWN;
  }

  learn(route: Route, found: Partial<Spoken>): void {
    const key = keyOf(route);
    const spoken = { ...this.of(route), ...found };
    this.#known.delete(key);
    if (this.#known.size >= MOST_SERVERS) this.#known.delete(this.#known.keys().next().value as string);
    this.#known.set(key, { spoken, until: this.#clock.monotonic() + BELIEVED_MS });
  }
}

/** An operator's URL is one object for all its calls, and its text is kept by it. */
function keyOf({ url, credential }: Route): string {
  return credential === undefined ? url.href : `${url.href} ${credential}`;
}
