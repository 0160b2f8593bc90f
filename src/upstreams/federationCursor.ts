import { parsedOrNothing } from '../core/json.js';

/** How far each member's list was shown: its own cursor, or undefined where its first page comes next. */
export type Places = ReadonlyMap<string, string | undefined>;

/** Longer than any that is handed out: a hundred members with a cursor of 16 KiB each, in JSON and base64url. */
const LONGEST = 3_000_000;

/**
 * A cursor of ours (2026-07-28, Pagination): the members whose lists go on, each with its own cursor. It isn't sealed: a
 * member's cursor is as much the caller's as if it called the member itself, under the same permissions.
 */
export function writeCursor(places: Places): string | undefined {
  return places.size === 0 ? undefined : Buffer.from(JSON.stringify([...places])).toString('base64url');
}

/** Undefined for what is none of ours: it names what is no member, or names one twice. */
export function readCursor(cursor: string, members: ReadonlySet<string>): Places | undefined {
  if (cursor.length > LONGEST) return undefined;
  const places = new Map<string, string>();
  const entries = parsedOrNothing(Buffer.from(cursor, 'base64url').toString());
  if (!Array.isArray(entries) || entries.length === 0) return undefined;
  for (const entry of entries) {
    if (!Array.isArray(entry)) return undefined;
    const [member, own] = entry as unknown[];
    if (typeof member !== 'string' || typeof own !== 'string' || !members.has(member) || places.has(member)) {
      return undefined;
    }
    places.set(member, own);
  }
  return places;
}
