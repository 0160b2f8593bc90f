import fs from 'node:fs';
import * as z from 'zod';
import type { ApiKey } from '../contracts/callers.js';
import type { Clock } from '../contracts.js';
import { errorCode, GatewayError } from '../core/errors.js';
import { FileLock, LockHeld } from '../stores/fileLock.js';
import { replaceFile } from '../stores/files.js';

export const MOST_KEYS = 10_000;

const MAX_BYTES = 16 * 1024 * 1024;

const text = z.string().min(1).max(256);
const moment = z.number().int().nonnegative();

/** A key as the file has it. */
export const recordSchema = z.strictObject({
  id: z.string().regex(/^[0-9A-Za-z]{1,64}$/),
  name: text,
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  tenant: text.optional(),
  roles: z.array(text).max(256),
  destinations: z.array(text).max(256).optional(),
  createdAt: moment,
  expiresAt: moment.optional(),
  revokedAt: moment.optional(),
});

const fileSchema = z.strictObject({ version: z.literal(1), keys: z.array(recordSchema).max(MOST_KEYS) });

/** What tells one state of the file from another: writers replace it by a rename, so that time, size and inode see each change. */
export function versionOf(file: string): string {
  try {
    const { mtimeMs, size, ino } = fs.statSync(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'absent';
    throw error;
  }
}

/** The keys in a file; none where there is no file. Throws what says why it can't be used, without its content. */
export function readKeys(file: string): ApiKey[] {
  let descriptor: number;
  try {
    descriptor = fs.openSync(file, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
  try {
    assertUsable(fs.fstatSync(descriptor));
    return parseKeys(fs.readFileSync(descriptor, 'utf8'));
  } finally {
    fs.closeSync(descriptor);
  }
}

function assertUsable(found: fs.Stats): void {
  if (!found.isFile()) throw new Error('it is not a file');
  if (found.size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
  if (process.platform !== 'win32' && (found.mode & 0o002) !== 0)
    throw new Error('everybody on this machine may write it: set its mode to 0600');
}

function parseKeys(content: string): ApiKey[] {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    throw new Error('it is not JSON');
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) throw new Error(`it does not have the form of a key file (${placeOf(parsed.error)})`);
  // A field that is absent from the file is absent from the record: zod adds none.
  return parsed.data.keys as ApiKey[];
}

function placeOf(error: z.ZodError): string {
  return error.issues[0]?.path.join('.') || 'its root';
}

/** Replaces the file in one step, readable by its owner only. */
export function writeKeys(file: string, keys: readonly ApiKey[]): Promise<void> {
  return replaceFile(file, `${JSON.stringify({ version: 1, keys }, null, 2)}\n`);
}

/** Writing takes milliseconds; whoever holds the lock for longer than this won't let go of it soon. */
const LOCK_WAIT_MS = 20_000;

/** One writer at a time, other processes included: a lost change could bring a revoked key back. */
export async function withLock<Value>(file: string, clock: Clock, work: () => Promise<Value>): Promise<Value> {
  const lock = await FileLock.wait(`${file}.lock`, clock, LOCK_WAIT_MS).catch(refuse);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

function refuse(error: unknown): never {
  if (!(error instanceof LockHeld)) throw error;
  throw new GatewayError('OVERLOADED', 'the file of API keys is being written by somebody else', { retryAfter: 1 });
}
