import { createHash } from 'node:crypto';
import type { AuditEntry, AuditLog, AuditQuery } from '../contracts/callers.js';

/** An entry with what the log adds to it. */
export interface AuditedEntry extends AuditEntry {
  /** In the order of `argumentNames`; only for destinations that say so. */
  readonly argumentValues?: readonly string[];
  /** How many happenings the line stands for; absent: one. */
  readonly count?: number;
}

/** An entry in its place of the chain. */
export interface AuditLine extends AuditedEntry {
  /** From 1 on, without a gap. */
  readonly sequence: number;
  /** The hash of the line before; zeros before the first. */
  readonly previous: string;
  /** SHA-256 over the line without this member, hex. */
  readonly hash: string;
}

/** Where a chain ends. */
export type Head = Pick<AuditLine, 'sequence' | 'hash'>;

/** Where lines are kept. Its owner writes one batch at a time, and may read meanwhile. */
export interface Journal {
  /**
   * Chains and keeps entries from the first one on. Resolves with how many it kept, at least one; rejects where it kept
   * none, and may then be asked again.
   */
  write(entries: readonly AuditedEntry[]): Promise<number>;
  query(query: AuditQuery): Promise<readonly AuditLine[]>;
  verify(): Promise<Verification>;
  close(): Promise<void>;
}

export type Verification = Awaited<ReturnType<AuditLog['verify']>>;

/** Before the first line. */
export const START: Head = { sequence: 0, hash: '0'.repeat(64) };

/** More than any line that we write: what is longer isn't one. */
export const LONGEST_LINE = 512 * 1024;
/** Lines that one query gives at most. */
export const MOST_LINES = 1000;

const LONGEST_TEXT = 256;
const LONGEST_NAME = 64;
const MOST_NAMES = 100;

/** One line of text, of bounded length: nothing that a terminal obeys, nothing that looks like another line. */
export function plain(text: string, longest = LONGEST_TEXT): string {
  const short = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return short.replace(/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function maybe(text: string | undefined): string | undefined {
  return text === undefined ? undefined : plain(text);
}

/** The entry as the line behind `head`: its text, and the new end of the chain. */
export function chained(entry: AuditedEntry, head: Head): { readonly text: string; readonly head: Head } {
  const sequence = head.sequence + 1;
  const body = canonical({ ...tidy(entry), sequence, previous: head.hash });
  const hash = sha256(body);
  return { text: withHash(body, hash), head: { sequence, hash } };
}

function tidy(entry: AuditedEntry): AuditedEntry {
  return {
    ...entry,
    requestId: plain(entry.requestId),
    action: plain(entry.action),
    subject: maybe(entry.subject),
    tenant: maybe(entry.tenant),
    address: plain(entry.address),
    destination: maybe(entry.destination),
    method: maybe(entry.method),
    name: maybe(entry.name),
    argumentNames: entry.argumentNames.slice(0, MOST_NAMES).map((name) => plain(name, LONGEST_NAME)),
    ...(entry.argumentValues
      ? { argumentValues: entry.argumentValues.slice(0, MOST_NAMES).map((value) => plain(value)) }
      : {}),
    code: maybe(entry.code),
  };
}

/** The members in this order, those that are undefined left out, as `JSON.stringify` writes them. */
function canonical(line: Omit<AuditLine, 'hash'>): string {
  const { sequence, previous, at, requestId, action, subject, tenant, address, destination, method, name } = line;
  const { argumentNames, argumentValues, outcome, status, code, count } = line;
  const who = { sequence, previous, at, requestId, action, subject, tenant, address, destination, method, name };
  return JSON.stringify({ ...who, argumentNames, argumentValues, outcome, status, code, count });
}

function withHash(body: string, hash: string): string {
  return `${body.slice(0, -1)},"hash":"${hash}"}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A line from its text; undefined where that isn't one, letter by letter, or its own hash is wrong. */
export function readLine(text: string): AuditLine | undefined {
  if (text.length > LONGEST_LINE) return undefined;
  try {
    const line = JSON.parse(text) as AuditLine;
    const body = canonical(line);
    return withHash(body, sha256(body)) === text && Number.isSafeInteger(line.sequence) ? line : undefined;
  } catch {
    return undefined;
  }
}

/** Goes through a chain from its oldest line that is kept. */
export class Verifier {
  lines = 0;
  brokenAt: number | undefined;
  #head: Head | undefined;

  /** False: the chain is broken here, further lines needn't be shown. */
  take(text: string): boolean {
    const line = readLine(text);
    const head = this.#head ?? (line && beginning(line));
    if (!line || line.sequence !== (head as Head).sequence + 1 || line.previous !== (head as Head).hash) {
      this.brokenAt = this.#next();
      return false;
    }
    this.#head = { sequence: line.sequence, hash: line.hash };
    this.lines += 1;
    return true;
  }

  /** `head` is the end that the writer knows of: lines that were cut off behind are missed. */
  result(head?: Head): Verification {
    const last = this.#head ?? START;
    if (this.brokenAt === undefined && head && (head.sequence !== last.sequence || head.hash !== last.hash)) {
      this.brokenAt = this.#next();
    }
    return this.brokenAt === undefined ? { lines: this.lines } : { lines: this.lines, brokenAt: this.brokenAt };
  }

  #next(): number {
    return (this.#head?.sequence ?? 0) + 1;
  }
}

/** What the oldest line follows: nothing where it is the first of all, what was rotated away otherwise. */
function beginning(line: AuditLine): Head {
  return line.sequence === 1 ? START : { sequence: line.sequence - 1, hash: line.previous };
}

export function matches(line: AuditLine, query: AuditQuery): boolean {
  return (
    line.sequence > (query.after ?? 0) &&
    line.at >= (query.from ?? Number.NEGATIVE_INFINITY) &&
    line.at <= (query.to ?? Number.POSITIVE_INFINITY) &&
    (query.subject === undefined || line.subject === query.subject) &&
    (query.tenant === undefined || line.tenant === query.tenant) &&
    (query.destination === undefined || line.destination === query.destination) &&
    (query.action === undefined || line.action === query.action)
  );
}

/** How many lines a query may have. */
export function boundOf(query: AuditQuery): number {
  return Number.isFinite(query.limit) ? Math.min(MOST_LINES, Math.max(0, Math.floor(query.limit))) : MOST_LINES;
}

const COLUMNS = [
  ...['sequence', 'at', 'requestId', 'action', 'subject', 'tenant', 'address', 'destination', 'method', 'name'],
  ...['argumentNames', 'argumentValues', 'outcome', 'status', 'code', 'count', 'hash'],
] as const;

type Row = AuditEntry & Head;

/** What a query finds, in pieces of text, all pages of it from `after` on: JSON lines, or CSV with a head (RFC 4180). */
export async function* exportAudit(
  log: Pick<AuditLog, 'query'>,
  query: Omit<AuditQuery, 'limit'>,
  format: 'jsonl' | 'csv',
): AsyncGenerator<string> {
  if (format === 'csv') yield `${COLUMNS.join(',')}\r\n`;
  let after = query.after ?? 0;
  for (;;) {
    const rows = await log.query({ ...query, after, limit: MOST_LINES });
    const last = rows[rows.length - 1];
    if (!last) return;
    yield rows.map((row) => (format === 'csv' ? csvRow(row) : `${JSON.stringify(row)}\n`)).join('');
    after = last.sequence;
  }
}

function csvRow(row: Row): string {
  const values = row as unknown as Readonly<Record<string, unknown>>;
  return `${COLUMNS.map((column) => csvCell(values[column])).join(',')}\r\n`;
}

/** A cell that a spreadsheet would take for a formula is made text by a quote before it (OWASP, CSV injection). */
function csvCell(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = Array.isArray(value) ? value.join(' ') : String(value ?? '');
  const guarded = /^[\s]*[=+\-@\t\r|%]/.test(text) ? `'${text}` : text;
  return /[",\r\n;]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}
