import { ToolError } from '../../core/toolErrors.js';

/** Lineage node ids are the longest that are known, at about 300 characters. */
const LONGEST_VALUE = 2_048;
const LONGEST_CURSOR = 4_096;

/** What a path's variables and a query's parameters are given as. */
export type Values = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * A path of the table with its variables filled in. Every variable goes through here, so that none can leave its segment:
 * `../../v1/users/victim` stays one strange id.
 *
 * @throws ToolError for an empty one, for `.` and `..`, which survive encoding, and for one that is too long
 */
export function expandPath(template: string, variables: Values = {}): string {
  return template.replace(/\{([^}]+)\}/g, (_whole, name: string) => pathSegment(name, variables[name]));
}

function pathSegment(name: string, value: Values[string]): string {
  const text = String(value ?? '');
  if (text === '') throw new ToolError(`${name} is missing: it can't be empty.`);
  if (text === '.' || text === '..') throw new ToolError(`${name} can't be "${text}".`);
  if (text.length > LONGEST_VALUE) throw new ToolError(`${name} is longer than ${LONGEST_VALUE} characters.`);
  try {
    return encodeURIComponent(text);
  } catch {
    // Half of a surrogate pair can't be written as UTF-8.
    throw new ToolError(`${name} isn't well-formed text.`);
  }
}

/** The query of those parameters that have a value, without its question mark. Spaces as %20: not every service reads `+`. */
export function queryOf(parameters: Values = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  return query.toString().replaceAll('+', '%20');
}

/**
 * The part of a `next` link that leads on: its query. The path stays the one that was asked, whatever the link says, so
 * that a cursor in a model's hands can't name another endpoint.
 *
 * @throws ToolError where the link leads to another origin
 */
export function cursorOf(next: string | null | undefined, origin: string): string | undefined {
  if (next === undefined || next === null || next === '') return undefined;
  const link = URL.canParse(next, origin) ? new URL(next, origin) : undefined;
  if (link?.origin !== origin)
    throw new ToolError("Qlik's answer names a next page on another host: it was not followed. Tell an operator.");
  return link.search.slice(1) || undefined;
}

/**
 * The query that a cursor stands for.
 *
 * @throws ToolError for what can't have come from `cursorOf`
 */
export function cursorQuery(cursor: string): string {
  if (cursor.length > LONGEST_CURSOR || !/^[\x21-\x7e]+$/.test(cursor) || cursor.includes('#'))
    throw new ToolError('cursor must be the nextCursor of the page before, unchanged.');
  return cursor;
}
