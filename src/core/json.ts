/** Nothing honest nests deeper; what a reader with a smaller limit would make of it is anybody's guess. */
const MOST_LEVELS = 1_000;

const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** A key that is the same however case is folded. */
const LOWER_CASE = /^[a-z\d_]*$/;

/** So many are looked through; more are worth a set. */
const FEW = 8;

/** The keys of one object. Most have few, and a flood of nested ones must not cost a set each. */
class Keys {
  readonly #few: string[] = [];
  #all: Set<string> | undefined;

  /** False for a key that was there already. */
  add(key: string): boolean {
    if (this.#all) return this.#all.size !== this.#all.add(key).size;
    if (this.#few.includes(key)) return false;
    if (this.#few.push(key) > FEW) this.#all = new Set(this.#few);
    return true;
  }
}

/** The objects and lists that are open at one place of a text. */
class Nesting {
  /** A list has no keys. */
  readonly #open: (Keys | undefined)[] = [];
  #keys: Keys | undefined;
  #keyIsNext = false;

  get depth(): number {
    return this.#open.length;
  }

  /** The keys among which the text that comes now belongs, where it is a key. */
  takeKeys(): Keys | undefined {
    const keys = this.#keyIsNext ? this.#keys : undefined;
    this.#keyIsNext = false;
    return keys;
  }

  step(char: number): void {
    if (char === OPEN_OBJECT || char === OPEN_LIST) {
      this.#keys = char === OPEN_OBJECT ? new Keys() : undefined;
      this.#open.push(this.#keys);
      this.#keyIsNext = true;
    } else if (char === CLOSE_OBJECT || char === CLOSE_LIST) {
      this.#open.pop();
      this.#keys = this.#open[this.#open.length - 1];
    } else if (char === COMMA) this.#keyIsNext = true;
  }
}

/**
 * True where an object names a key twice: of two readers, one may take the first and the other the last (RFC 8259
 * section 4). `text` must be JSON. In the outermost `folded` levels, keys that differ in case only count as the same,
 * since some readers (Go's) take them so. Also true for what nests deeper than 1,000 levels. Linear, without recursion.
 */
export function hasDuplicateKeys(text: string, folded = 0): boolean {
  const nesting = new Nesting();
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char !== QUOTE) {
      // What is neither text nor structure passes by the dozen.
      if (char !== COMMA && char < OPEN_LIST) continue;
      nesting.step(char);
      if (nesting.depth > MOST_LEVELS) return true;
      continue;
    }
    const end = endOfText(text, at + 1);
    const keys = nesting.takeKeys();
    if (keys && !keys.add(keyIn(text, at, end, nesting.depth <= folded))) return true;
    at = end;
  }
  return false;
}

/** Longer texts are worth the whole look; and nothing shorter nests deeper than 1,000 levels. Characters. */
const GLANCE = 2_000;

/**
 * A glance at JSON and what was parsed of it: true where there can't be a key twice (nor in two cases, in the two outermost
 * levels), since no more texts stand before a colon than there are keys. False says nothing.
 */
export function plainlyUnambiguous(text: string, value: unknown): boolean {
  return text.length <= GLANCE && isObject(value) && isLowerCase(value) && textsBeforeColons(text) === keysIn(value);
}

function isLowerCase(outermost: Record<string, unknown>): boolean {
  for (const name in outermost) {
    if (!LOWER_CASE.test(name)) return false;
    const inner = outermost[name];
    if (isObject(inner)) for (const key in inner) if (!LOWER_CASE.test(key)) return false;
  }
  return true;
}

/** At least as many as there are keys in the text: a text may hold what looks like one. */
function textsBeforeColons(text: string): number {
  let count = 0;
  for (let colon = text.indexOf(':'); colon !== -1; colon = text.indexOf(':', colon + 1)) {
    let at = colon - 1;
    while (text.charCodeAt(at) <= SPACE) at--;
    if (text.charCodeAt(at) === QUOTE) count++;
  }
  return count;
}

function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) for (const item of value) count += keysIn(item);
  else for (const key in value) count += 1 + keysIn((value as Record<string, unknown>)[key]);
  return count;
}

/** Where the closing quote stands of the text whose characters begin at `from`. */
export function endOfText(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at;
  }
  return text.length;
}

/** Upper case first: it makes an s of the long one (U+017F), and lower case then a k of the Kelvin sign (U+212A). */
function keyIn(text: string, start: number, end: number, fold: boolean): string {
  const raw = text.slice(start + 1, end);
  const key = raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
  return fold && !LOWER_CASE.test(key) ? key.toUpperCase().toLowerCase() : key;
}

/** True for what JSON calls an object: no list, and not null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Undefined for what is no object. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return isObject(value) ? value : undefined;
}

/** The JSON value, or undefined for what is none. What a parser says of it is told nobody: it may repeat a secret. */
export function parsedOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The JSON object, or undefined for anything else. */
export function parsedObject(text: string): Readonly<Record<string, unknown>> | undefined {
  return asObject(parsedOrNothing(text));
}
