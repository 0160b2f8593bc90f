interface Cookie {
  readonly value: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** Servers that mean well set a few; what comes past that is not kept. */
const MOST_COOKIES = 30;
const LONGEST = 4096;

/** A name and a value that a header may carry (RFC 6265 section 4.1.1); many servers quote, and some use what they shouldn't. */
const PAIR = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([\x21-\x3a\x3c-\x7e]*)\s*$/;

/** The cookies of one session at one server: nothing but names, values and their ends is kept of them (RFC 6265 section 5). */
export class CookieJar {
  readonly #cookies = new Map<string, Cookie>();

  /** Takes the `Set-Cookie` lines of an answer; one that has ended already removes what had its name. */
  take(lines: readonly string[], now: number): void {
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split(';');
      const [, name, value] = PAIR.exec(pair) ?? [];
      if (name === undefined || value === undefined || pair.length > LONGEST) continue;
      const expiresAt = endOf(attributes, now);
      if (expiresAt <= now) this.#cookies.delete(name);
      else if (this.#cookies.has(name) || this.#cookies.size < MOST_COOKIES)
        this.#cookies.set(name, { value, expiresAt });
    }
  }

  /** The value of a `Cookie` header; empty where there are none. */
  get header(): string {
    return [...this.#cookies].map(([name, { value }]) => `${name}=${value}`).join('; ');
  }

  get values(): string[] {
    return [...this.#cookies.values()].map(({ value }) => value).filter((value) => value !== '');
  }

  /** When the first of them ends: epoch milliseconds, or infinity. */
  get expiresAt(): number {
    return Math.min(...[...this.#cookies.values()].map(({ expiresAt }) => expiresAt));
  }
}

/** `Max-Age` is heard before `Expires` (RFC 6265 section 5.3). */
function endOf(attributes: readonly string[], now: number): number {
  const seconds = attributeOf(attributes, 'max-age');
  if (seconds !== undefined && /^-?\d{1,12}$/.test(seconds)) return now + Number(seconds) * 1000;
  const date = Date.parse(attributeOf(attributes, 'expires') ?? '');
  return Number.isNaN(date) ? Number.POSITIVE_INFINITY : date;
}

function attributeOf(attributes: readonly string[], wanted: string): string | undefined {
  for (const attribute of attributes) {
    const at = attribute.indexOf('=');
    if (at !== -1 && attribute.slice(0, at).trim().toLowerCase() === wanted) return attribute.slice(at + 1).trim();
  }
  return undefined;
}
