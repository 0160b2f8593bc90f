import fs, { type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { AuditQuery } from '../contracts/callers.js';
import type { Clock } from '../contracts.js';
import { errorCode } from '../core/errors.js';
import { type AuditLine, type Head, LONGEST_LINE, matches, readLine } from './auditChain.js';

const MODE = 0o600;
const CHUNK = 64 * 1024;
const NEWLINE = 10;
/** What is looked at for the last whole line. */
const TAIL = 2 * LONGEST_LINE;

/** A file of the chain, opened. */
export interface Readable {
  readonly handle: FileHandle;
  readonly size: number;
  /** The sequence of its last line, as its name says. */
  readonly last: number;
}

/** From the newest file backwards, until there are enough. */
export async function newest(files: readonly Readable[], query: AuditQuery, limit: number): Promise<AuditLine[]> {
  let found: AuditLine[] = [];
  for (const file of [...files].reverse()) {
    if (found.length >= limit) break;
    const here: AuditLine[] = [];
    for await (const lines of linesOf(file)) {
      here.push(...matching(lines, query));
      here.splice(0, here.length - (limit - found.length));
    }
    found = [...here, ...found];
  }
  return found;
}

export async function following(files: readonly Readable[], query: AuditQuery, limit: number): Promise<AuditLine[]> {
  const found: AuditLine[] = [];
  for (const file of files) {
    if (file.last <= (query.after ?? 0)) continue;
    for await (const lines of linesOf(file)) {
      found.push(...matching(lines, query));
      if (found.length >= limit) return found.slice(0, limit);
    }
  }
  return found;
}

function matching(lines: readonly string[], query: AuditQuery): AuditLine[] {
  return lines.map(readLine).filter((line) => line !== undefined && matches(line, query)) as AuditLine[];
}

/** The lines of a file, a chunk's at a time; one that is longer than any of ours comes in pieces, which are none. */
export async function* linesOf({ handle, size }: Readable): AsyncGenerator<readonly string[]> {
  const buffer = Buffer.allocUnsafe(CHUNK);
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(CHUNK, size - at), at);
    if (bytesRead === 0) break;
    at += bytesRead;
    const lines = (rest + decoder.write(buffer.subarray(0, bytesRead))).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) lines.push(rest.slice(0, 100));
    if (rest.length > LONGEST_LINE) rest = '';
    yield lines;
  }
  if (rest !== '') yield [rest];
}

export async function closeAll(files: readonly Readable[]): Promise<void> {
  for (const { handle } of files) await handle.close();
}

/** Full names of the files that are no longer written to, oldest first. */
export async function rotated(file: string): Promise<string[]> {
  const prefix = `${path.basename(file)}.`;
  const names = await fs.readdir(path.dirname(file));
  return names
    .filter((name) => name.startsWith(prefix) && /^\d{15}$/.test(name.slice(prefix.length)))
    .sort()
    .map((name) => path.join(path.dirname(file), name));
}

/** Cuts what stands behind the last whole line, and sets it aside. A file without any is set aside itself. */
export async function repair(file: string, clock: Clock): Promise<{ head: Head | undefined; tornBytes: number }> {
  const handle = await fs.open(file, 'r+').catch(absent);
  if (!handle) return { head: undefined, tornBytes: 0 };
  try {
    const { size } = await handle.stat();
    const { head, end } = await lastWhole(handle, size);
    if (end === size) return { head, tornBytes: 0 };
    if (!head) await fs.rename(file, `${file}.${clock.now()}.torn`);
    else {
      const torn = Buffer.alloc(size - end);
      await handle.read(torn, 0, torn.length, end);
      await fs.appendFile(`${file}.torn`, torn, { mode: MODE });
      await handle.truncate(end);
    }
    return { head, tornBytes: size - end };
  } finally {
    await handle.close();
  }
}

/** The end of the chain in a file that is no longer written to. */
export async function lastOf(name: string | undefined): Promise<Head | undefined> {
  if (name === undefined) return undefined;
  const handle = await fs.open(name);
  try {
    return (await lastWhole(handle, (await handle.stat()).size)).head;
  } finally {
    await handle.close();
  }
}

/** The last line that is one, and where it ends; without one, zero. */
async function lastWhole(handle: FileHandle, size: number): Promise<{ head: Head | undefined; end: number }> {
  const from = Math.max(0, size - TAIL);
  const tail = Buffer.alloc(size - from);
  await handle.read(tail, 0, tail.length, from);
  let end = tail.lastIndexOf(NEWLINE) + 1;
  while (end > 0) {
    const begin = end < 2 ? 0 : tail.lastIndexOf(NEWLINE, end - 2) + 1;
    const line = readLine(tail.toString('utf8', begin, end - 1));
    if (line) return { head: { sequence: line.sequence, hash: line.hash }, end: from + end };
    end = begin;
  }
  return { head: undefined, end: 0 };
}

/** What isn't there is no failure. */
export function absent(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}
