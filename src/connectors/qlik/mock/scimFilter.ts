import { badRequest } from './refusal.js';
import type { Row } from './tenant.js';

type Test = (row: Row) => boolean;

const TOKENS = /\s*(\(|\)|"(?:[^"\\]|\\.)*"|[^\s()"]+)/y;
const MAX_TOKENS = 200;
const WORD = /^[A-Za-z_][\w.:-]*$/;

const COMPARE: Readonly<Record<string, (left: unknown, right: unknown) => boolean>> = {
  eq: (left, right) => same(left, right),
  ne: (left, right) => !same(left, right),
  co: (left, right) => textOf(left).includes(textOf(right)),
  sw: (left, right) => textOf(left).startsWith(textOf(right)),
  ew: (left, right) => textOf(left).endsWith(textOf(right)),
  gt: (left, right) => order(left, right) > 0,
  ge: (left, right) => order(left, right) >= 0,
  lt: (left, right) => order(left, right) < 0,
  le: (left, right) => order(left, right) <= 0,
};

/** A filter of RFC 7644 section 3.4.2.2 over these attributes; what can't be read is a 400. */
export function scimFilter(text: string, attributes: readonly string[]): Test {
  return new Parser(tokensOf(text), attributes).whole();
}

class Parser {
  readonly #tokens: readonly string[];
  readonly #attributes: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[], attributes: readonly string[]) {
    this.#tokens = tokens;
    this.#attributes = attributes;
  }

  whole(): Test {
    const test = this.#either();
    if (this.#at < this.#tokens.length) throw unreadable(this.#tokens[this.#at]);
    return test;
  }

  #either(): Test {
    const tests = [this.#both()];
    while (this.#takes('or')) tests.push(this.#both());
    return (row) => tests.some((test) => test(row));
  }

  #both(): Test {
    const tests = [this.#one()];
    while (this.#takes('and')) tests.push(this.#one());
    return (row) => tests.every((test) => test(row));
  }

  #one(): Test {
    if (this.#takes('not')) {
      const test = this.#one();
      return (row) => !test(row);
    }
    if (!this.#takes('(')) return this.#comparison();
    const test = this.#either();
    if (!this.#takes(')')) throw unreadable(this.#tokens[this.#at]);
    return test;
  }

  #comparison(): Test {
    const attribute = this.#next();
    if (!WORD.test(attribute) || !this.#attributes.includes(attribute)) throw unreadable(attribute);
    const operator = this.#next().toLowerCase();
    if (operator === 'pr')
      return (row) => valuesAt(row, attribute).some((value) => value !== undefined && value !== '');
    const compare = Object.hasOwn(COMPARE, operator) ? COMPARE[operator] : undefined;
    if (!compare) throw unreadable(operator);
    const wanted = literal(this.#next());
    return (row) => valuesAt(row, attribute).some((value) => compare(value, wanted));
  }

  #takes(word: string): boolean {
    if (this.#tokens[this.#at]?.toLowerCase() !== word) return false;
    this.#at += 1;
    return true;
  }

  #next(): string {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw unreadable(undefined);
    this.#at += 1;
    return token;
  }
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  TOKENS.lastIndex = 0;
  for (let at = 0; at < text.trimEnd().length; at = TOKENS.lastIndex) {
    TOKENS.lastIndex = at;
    const token = TOKENS.exec(text)?.[1];
    if (token === undefined || tokens.push(token) > MAX_TOKENS) throw unreadable(text.slice(at));
  }
  return tokens;
}

function literal(token: string): unknown {
  try {
    return JSON.parse(token);
  } catch {
    throw unreadable(token);
  }
}

/** `assignedRoles.name` looks into each of a list. */
function valuesAt(value: unknown, path: string): unknown[] {
  if (Array.isArray(value)) return value.flatMap((entry) => valuesAt(entry, path));
  if (path === '') return [value];
  const [first = '', ...rest] = path.split('.');
  const next = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[first] : undefined;
  return valuesAt(next, rest.join('.'));
}

function unreadable(at: string | undefined) {
  return badRequest(`The filter can't be read${at === undefined ? ': it ends too early' : ` at ${at}`}.`);
}

function textOf(value: unknown): string {
  return String(value ?? '').toLowerCase();
}

function same(left: unknown, right: unknown): boolean {
  return typeof left === 'string' && typeof right === 'string' ? textOf(left) === textOf(right) : left === right;
}

function order(left: unknown, right: unknown): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  return textOf(left) < textOf(right) ? -1 : Number(textOf(left) > textOf(right));
}
