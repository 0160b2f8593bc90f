import { hash } from 'node:crypto';

/** What a token is remembered by: nobody gets the token back from it. */
export function fingerprint(token: string): string {
  return hash('sha256', token, 'base64');
}

/** Values with an end, by fingerprint. Bounded: a full one lets go of what it has had for longest, which is then looked up anew. */
export class TokenCache<Value> {
  readonly #entries = new Map<string, { readonly value: Value; readonly until: number }>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** `now` and `until` are epoch milliseconds; what ends now has ended. */
  get(key: string, now: number): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (now < entry.until) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: Value, until: number): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#most) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(key, { value, until });
  }

  get size(): number {
    return this.#entries.size;
  }
}
