/**
 * Edits JSON as text, so that what isn't touched stays as it was written: integers past 2^53 among it. Every text given
 * must be JSON already, as `JSON.parse` has found it.
 */
import { endOfText } from '../core/json.js';

const QUOTE = 34;
const COMMA = 44;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** A member of an object, its key and value as text. */
interface Member {
  readonly key: string;
  readonly written: string;
  readonly value: string;
}

/** The values of a list, as text; none for what isn't a list. */
export function elementsOf(text: string): string[] {
  const trimmed = text.trim();
  if (!trimmed.startsWith('[')) return [];
  return partsOf(trimmed);
}

/** The value of a member, as text; undefined where there is none. Of several with one key, the last counts. */
export function memberOf(text: string, key: string): string | undefined {
  return membersOf(text).findLast((member) => member.key === key)?.value;
}

/** The same object with other members: a text replaces or joins, undefined removes. */
export function withMembers(text: string, changes: ReadonlyMap<string, string | undefined>): string {
  const left = new Map(changes);
  const parts: string[] = [];
  for (const { key, written, value } of membersOf(text)) {
    if (!changes.has(key)) parts.push(`${written}:${value}`);
    else if (left.has(key)) {
      const changed = left.get(key);
      left.delete(key);
      if (changed !== undefined) parts.push(`${written}:${changed}`);
    }
  }
  for (const [key, value] of left) if (value !== undefined) parts.push(`${JSON.stringify(key)}:${value}`);
  return `{${parts.join(',')}}`;
}

function membersOf(text: string): Member[] {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{')) return [];
  return partsOf(trimmed).map((part) => {
    const end = endOfText(part, 1) + 1;
    const written = part.slice(0, end);
    const value = part.slice(part.indexOf(':', end) + 1).trim();
    return { key: JSON.parse(written) as string, written, value };
  });
}

/** What stands between the outermost commas of a list or an object. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 1;
  const take = (end: number) => {
    const part = text.slice(start, end).trim();
    if (part !== '') parts.push(part);
    start = end + 1;
  };
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) at = endOfText(text, at + 1);
    else if (char === OPEN_OBJECT || char === OPEN_LIST) depth += 1;
    else if (char === COMMA && depth === 1) take(at);
    else if (char === CLOSE_OBJECT || char === CLOSE_LIST) {
      depth -= 1;
      if (depth === 0) take(at);
    }
  }
  return parts;
}
