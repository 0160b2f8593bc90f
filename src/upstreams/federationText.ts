import { GatewayError } from '../core/errors.js';
import { hasDuplicateKeys } from '../core/json.js';

/**
 * A JSON text in which the text at `path` is another one; every other byte stays, numbers past 2^53 among them. `text`
 * must be an object in JSON.
 * @throws GatewayError INVALID_REQUEST where a key on the way is said twice: the member may read the other one
 */
export function withText(text: string, path: readonly string[], value: string): string {
  if (hasDuplicateKeys(text, path.length)) {
    throw new GatewayError('INVALID_REQUEST', 'the body says something twice, or nests too deep', {
      hint: 'Send each key of an object once.',
    });
  }
  let at = skipSpace(text, 0);
  for (const key of path) {
    const found = memberAt(text, at, key);
    if (found === undefined) throw new GatewayError('INVALID_REQUEST', `the body has no ${path.join('.')}`);
    at = found;
  }
  return `${text.slice(0, at)}${JSON.stringify(value)}${text.slice(endOfValue(text, at))}`;
}

/** Where the value of a member of the object at `at` begins; undefined without one. */
function memberAt(text: string, at: number, wanted: string): number | undefined {
  if (text[at] !== '{') return undefined;
  let next = skipSpace(text, at + 1);
  while (text[next] === '"') {
    const end = endOfText(text, next);
    const key: unknown = JSON.parse(text.slice(next, end));
    const value = skipSpace(text, skipSpace(text, end) + 1);
    if (key === wanted) return value;
    next = skipSpace(text, endOfValue(text, value));
    if (text[next] === ',') next = skipSpace(text, next + 1);
  }
  return undefined;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) <= 32) at += 1;
  return at;
}

/** Behind the closing quote. */
function endOfText(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function endOfValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const char = text[at] as string;
    if (char === '"') at = endOfText(text, at);
    else {
      if (depth === 0 && (char === ',' || char === '}' || char === ']')) return at;
      if (char === '{' || char === '[') depth += 1;
      else if (char === '}' || char === ']') depth -= 1;
      at += 1;
    }
    if (depth === 0 && (char === '"' || char === '}' || char === ']')) return at;
  }
  return at;
}
