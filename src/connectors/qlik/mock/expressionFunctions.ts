import type { MockValue } from './types.js';

/** Functions of values, not of lines; what isn't here the engine doesn't know. */
export const FUNCTIONS: Readonly<Record<string, (...args: MockValue[]) => MockValue>> = {
  if: (condition = null, yes = null, no = null) => (isTrue(condition) ? yes : no),
  round: (value = null) => number(value, Math.round),
  floor: (value = null) => number(value, Math.floor),
  ceil: (value = null) => number(value, Math.ceil),
  fabs: (value = null) => number(value, Math.abs),
  sqrt: (value = null) => number(value, Math.sqrt),
  num: (value = null) => number(value, (one) => one),
  text: (value = null) => (value === null ? null : String(value)),
  upper: (value = null) => (value === null ? null : String(value).toUpperCase()),
  lower: (value = null) => (value === null ? null : String(value).toLowerCase()),
  len: (value = null) => (value === null ? null : String(value).length),
  left: (value = null, count = null) => (value === null ? null : String(value).slice(0, Number(count))),
  isnull: (value = null) => (value === null ? -1 : 0),
  alt: (...args) => args.find((value) => typeof value === 'number') ?? null,
  null: () => null,
};

/** The engine's true is −1; whatever isn't 0 counts as true. */
export function isTrue(value: MockValue): boolean {
  return typeof value === 'number' && value !== 0;
}

function number(value: MockValue, of: (value: number) => number): MockValue {
  const result = typeof value === 'number' ? of(value) : Number.NaN;
  return Number.isFinite(result) ? result : null;
}

export const OPERATORS: Readonly<Record<string, (left: MockValue, right: MockValue) => MockValue>> = {
  '+': (left, right) => both(left, right, (one, other) => one + other),
  '-': (left, right) => both(left, right, (one, other) => one - other),
  '*': (left, right) => both(left, right, (one, other) => one * other),
  '/': (left, right) => both(left, right, (one, other) => one / other),
  '&': (left, right) => `${left ?? ''}${right ?? ''}`,
  '=': (left, right) => truth(left === right),
  '<>': (left, right) => truth(left !== right),
  '<': (left, right) => truth(left !== null && right !== null && left < right),
  '>': (left, right) => truth(left !== null && right !== null && left > right),
  '<=': (left, right) => truth(left !== null && right !== null && left <= right),
  '>=': (left, right) => truth(left !== null && right !== null && left >= right),
  and: (left, right) => truth(isTrue(left) && isTrue(right)),
  or: (left, right) => truth(isTrue(left) || isTrue(right)),
  like: (left, right) => truth(matches(String(left ?? ''), String(right ?? ''))),
};

export function truth(yes: boolean): number {
  return yes ? -1 : 0;
}

/** Nulls swallow what they are added to; a division by 0 is null. */
function both(left: MockValue, right: MockValue, of: (left: number, right: number) => number): MockValue {
  if (typeof left !== 'number' || typeof right !== 'number') return null;
  const result = of(left, right);
  return Number.isFinite(result) ? result : null;
}

/** `*` stands for any text and `?` for one character, whatever the case. In one pass: no pattern makes it slow. */
export function matches(text: string, pattern: string): boolean {
  const [first = '', ...rest] = pattern.toLowerCase().split('*');
  const last = rest.pop();
  const whole = text.toLowerCase();
  if (last === undefined) return whole.length === first.length && fitsAt(whole, first, 0);
  let at = first.length;
  if (!fitsAt(whole, first, 0)) return false;
  for (const part of rest) {
    while (at + part.length <= whole.length && !fitsAt(whole, part, at)) at += 1;
    if (at + part.length > whole.length) return false;
    at += part.length;
  }
  return whole.length - last.length >= at && fitsAt(whole, last, whole.length - last.length);
}

function fitsAt(text: string, part: string, at: number): boolean {
  if (at + part.length > text.length) return false;
  return [...part].every((character, index) => character === '?' || character === text[at + index]);
}
