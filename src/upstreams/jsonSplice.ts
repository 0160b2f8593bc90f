const QUOTE = 34;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const COMMA = 44;

/** Where a value stands in a text. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The value at a path of keys as text; undefined where there is none. `text` must be a JSON object as `JSON.parse` has
 * found it; of several members with one key the last counts, as it does there.
 */
export function valueAt(text: string, path: readonly string[]): string | undefined {
  const span = spanOf(text, path);
  return span && text.slice(span.start, span.end);
}

/** The text with another value there, itself JSON; nothing else changes. As it was where there is none. */
export function spliced(text: string, path: readonly string[], value: string): string {
  const span = spanOf(text, path);
  return span ? text.slice(0, span.start) + value + text.slice(span.end) : text;
}

function spanOf(text: string, path: readonly string[]): Span | undefined {
  let span: Span | undefined = { start: pastSpace(text, 0), end: text.length };
  for (const key of path) span = span && memberIn(text, span, key);
  return span;
}

function memberIn(text: string, { start }: Span, key: string): Span | undefined {
  if (text.charCodeAt(start) !== OPEN_OBJECT) return undefined;
  let found: Span | undefined;
  let at = pastSpace(text, start + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = pastText(text, at);
    const from = pastSpace(text, pastSpace(text, keyEnd) + 1);
    const to = pastValue(text, from);
    if (isKey(text.slice(at + 1, keyEnd - 1), key)) found = { start: from, end: to };
    at = pastSpace(text, to);
    if (text.charCodeAt(at) === COMMA) at = pastSpace(text, at + 1);
  }
  return found;
}

function isKey(written: string, key: string): boolean {
  return written === key || (written.includes('\\') && JSON.parse(`"${written}"`) === key);
}

function pastSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isSpace(char: number): boolean {
  return char === 32 || char === 10 || char === 13 || char === 9;
}

/** Behind the closing quote of the text that opens at `from`. */
function pastText(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at + 1;
  }
  return text.length;
}

function pastValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return pastText(text, from);
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
    if (char === QUOTE) at = pastText(text, at) - 1;
    else if (char === OPEN_OBJECT || char === OPEN_LIST) depth++;
    else if (char === CLOSE_OBJECT || char === CLOSE_LIST) {
      depth--;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}
