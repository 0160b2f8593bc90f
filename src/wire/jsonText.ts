/**
 * Edits JSON as text, so that what isn't touched stays as it was written: integers past 2^53 among it. Every text given
 * must be JSON already, as `JSON.parse` has found it; of several members with one key the last counts, as it does there.
 */
import { endOfText } from '../core/json.js';

const QUOTE = 34;
const COMMA = 44;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** Where a value stands in a text. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** A member of an object: its key as it is written, quotes included, and where its value stands. */
interface Member extends Span {
  readonly written: string;
}

/** The values of a list, as text; none for what isn't a list. */
export function elementsOf(text: string): string[] {
  const elements: string[] = [];
  let at = pastSpace(text, 0);
  if (text.charCodeAt(at) !== OPEN_LIST) return elements;
  at = pastSpace(text, at + 1);
  while (at < text.length && text.charCodeAt(at) !== CLOSE_LIST) {
    const end = pastValue(text, at);
    elements.push(text.slice(at, end));
    at = pastComma(text, end);
  }
  return elements;
}

/** The value of a member, as text; undefined where there is none. */
export function memberOf(text: string, key: string): string | undefined {
  return textAt(text, [key]);
}

/** The value at a path of keys, as text; undefined where there is none. */
export function textAt(text: string, path: readonly string[]): string | undefined {
  const span = spanOf(text, path);
  return span && text.slice(span.start, span.end);
}

/** The text with another value there, itself JSON; nothing else changes. As it was where there is none. */
export function spliced(text: string, path: readonly string[], value: string): string {
  const span = spanOf(text, path);
  return span ? text.slice(0, span.start) + value + text.slice(span.end) : text;
}

/** The same object with other members: a text replaces or joins, undefined removes. */
export function withMembers(text: string, changes: ReadonlyMap<string, string | undefined>): string {
  const left = new Map(changes);
  const parts: string[] = [];
  for (const { written, start, end } of membersOf(text, 0)) {
    const key = JSON.parse(written) as string;
    if (!changes.has(key)) parts.push(`${written}:${text.slice(start, end)}`);
    else if (left.has(key)) {
      const changed = left.get(key);
      left.delete(key);
      if (changed !== undefined) parts.push(`${written}:${changed}`);
    }
  }
  for (const [key, value] of left) if (value !== undefined) parts.push(`${JSON.stringify(key)}:${value}`);
  return `{${parts.join(',')}}`;
}

function spanOf(text: string, path: readonly string[]): Span | undefined {
  let span: Span | undefined = { start: 0, end: text.length };
  for (const key of path) span = span && membersOf(text, span.start).findLast(({ written }) => isKey(written, key));
  return span;
}

/** Of the object that begins there; none for what isn't one. */
function membersOf(text: string, from: number): Member[] {
  const members: Member[] = [];
  let at = pastSpace(text, from);
  if (text.charCodeAt(at) !== OPEN_OBJECT) return members;
  at = pastSpace(text, at + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = endOfText(text, at + 1) + 1;
    const start = pastSpace(text, pastSpace(text, keyEnd) + 1);
    const end = pastValue(text, start);
    members.push({ written: text.slice(at, keyEnd), start, end });
    at = pastComma(text, end);
  }
  return members;
}

function isKey(written: string, key: string): boolean {
  if (written.includes('\\')) return JSON.parse(written) === key;
  return written.length === key.length + 2 && written.startsWith(key, 1);
}

function pastComma(text: string, from: number): number {
  const at = pastSpace(text, from);
  return text.charCodeAt(at) === COMMA ? pastSpace(text, at + 1) : at;
}

function pastSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isSpace(char: number): boolean {
  return char === 32 || char === 10 || char === 13 || char === 9;
}

function pastValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return endOfText(text, from + 1) + 1;
  if (first === OPEN_OBJECT || first === OPEN_LIST) return pastNest(text, from);
  let at = from;
  while (at < text.length && !endsPlain(text.charCodeAt(at))) at++;
  return at;
}

function endsPlain(char: number): boolean {
  return char === COMMA || char === CLOSE_OBJECT || char === CLOSE_LIST || isSpace(char);
}

function pastNest(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) at = endOfText(text, at + 1);
    else if (char === OPEN_OBJECT || char === OPEN_LIST) depth++;
    else if (char === CLOSE_OBJECT || char === CLOSE_LIST) {
      depth--;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}
