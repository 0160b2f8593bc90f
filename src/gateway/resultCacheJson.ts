import { isObject } from '../core/json.js';

/** What the result cache needs to know about a JSON text beyond its value. */

const QUOTE = 34;
const BACKSLASH = 92;

/** True where some object of the text has a member twice, of which readers choose differently. `value` is what was parsed from it. */
export function saysTwice(text: string, value: unknown): boolean {
  let colons = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) i = endOfString(text, i);
    else if (code === 58) colons += 1;
  }
  return colons !== members(value);
}

/** How many members the objects of a value have together; names that differ only in case count once. */
function members(value: unknown): number {
  let count = 0;
  const left: unknown[] = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (Array.isArray(next)) for (const item of next) left.push(item);
    else if (isObject(next)) {
      count += new Set(Object.keys(next).map((key) => key.toLowerCase())).size;
      for (const item of Object.values(next)) left.push(item);
    }
  }
  return count;
}

/** Where the value of the outermost object's `id` stands; undefined without one, or with two. The text is valid JSON. */
export function placeOfId(text: string): { readonly from: number; readonly to: number } | undefined {
  let depth = 0;
  let found: { from: number; to: number } | undefined;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    depth += nesting(code);
    if (code !== QUOTE) continue;
    const end = endOfString(text, i);
    const colon = depth === 1 && text.slice(i, end + 1) === '"id"' ? colonBehind(text, end) : undefined;
    i = end;
    if (colon === undefined) continue;
    if (found) return undefined;
    found = scalarBehind(text, colon);
  }
  return found;
}

/** `{` and `[` lead one level down, `}` and `]` up again. */
function nesting(code: number): number {
  if (code === 123 || code === 91) return 1;
  return code === 125 || code === 93 ? -1 : 0;
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1;
  return i;
}

/** Where the colon stands that makes a text a member's name. */
function colonBehind(text: string, end: number): number | undefined {
  let i = end + 1;
  while (/\s/.test(text[i] ?? '')) i += 1;
  return text[i] === ':' ? i : undefined;
}

/** A text or a number. */
function scalarBehind(text: string, colon: number): { from: number; to: number } {
  let from = colon + 1;
  while (/\s/.test(text[from] ?? '')) from += 1;
  if (text[from] === '"') return { from, to: endOfString(text, from) + 1 };
  let to = from;
  while (/[-+.\deE]/.test(text[to] ?? '')) to += 1;
  return { from, to };
}
