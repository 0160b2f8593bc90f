import { ToolError } from '../../core/toolErrors.js';

/** What the engine answers at most at a time. */
export const MOST_CELLS = 10_000;

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly total: number;
  /** Present where there is more. */
  readonly nextCursor?: string;
}

/** How a list was asked for. */
export interface PageAsked {
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}

/** Where to begin. Throws a ToolError for a cursor that no tool has answered. */
export function offsetOf(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  if (/^\d{1,9}$/.test(cursor)) return Number(cursor);
  throw new ToolError('That cursor is none: give the nextCursor of the last answer, or leave it out.');
}

/** How many rows of so many columns: what was asked for, or `usual`. Throws a ToolError that says how to ask for less. */
export function rowsOf(limit: number | undefined, columns: number, usual: number): number {
  const most = Math.max(1, Math.floor(MOST_CELLS / Math.max(1, columns)));
  if (limit === undefined) return Math.min(usual, most);
  if (!Number.isInteger(limit) || limit < 1) throw new ToolError('limit is a whole number from 1 on.');
  if (limit <= most) return limit;
  const cells = `${limit} rows of ${columns} columns are ${limit * columns} cells, and an answer has ${MOST_CELLS} at most`;
  throw new ToolError(
    `${cells}: ask for limit ${most} or less and follow nextCursor; better, use fewer dimensions, aggregate, or select first.`,
  );
}

/** A part of a list that is there whole. */
export function pageOf<Item>(all: readonly Item[], { cursor, limit }: PageAsked, usual: number): Page<Item> {
  const from = offsetOf(cursor);
  const items = all.slice(from, from + rowsOf(limit, 1, usual));
  return { items, total: all.length, ...nextOf(from + items.length, items.length, all.length) };
}

/** The cursor behind what was read, where there is more. */
export function nextOf(end: number, read: number, total: number): { readonly nextCursor?: string } {
  return read > 0 && end < total ? { nextCursor: String(end) } : {};
}
