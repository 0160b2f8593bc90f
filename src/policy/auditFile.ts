import fs, { type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { AuditQuery } from '../contracts/callers.js';
import type { Clock } from '../contracts.js';
import { FileLock, LockHeld } from '../stores/fileLock.js';
import {
  type AuditedEntry,
  type AuditLine,
  boundOf,
  chained,
  type Head,
  type Journal,
  START,
  type Verification,
  Verifier,
} from './auditChain.js';
import { absent, closeAll, following, lastOf, linesOf, newest, type Readable, repair, rotated } from './auditFiles.js';

export interface FileJournalOptions {
  /** Absolute. */
  readonly file: string;
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/** A journal and what opening it had to put right: bytes behind the last whole line, which now stand in `<file>.torn`. */
export interface Opened {
  readonly journal: Journal;
  readonly tornBytes: number;
}

/** Readable by its owner only. */
const MODE = 0o600;
/** Written in one go at most. */
const BATCH_BYTES = 512 * 1024;

/**
 * Opens a chain of files: `file` is written to, `file.<sequence>` holds the lines up to that one.
 * @throws Error where another living process writes to it
 */
export async function openFileJournal(options: FileJournalOptions, clock: Clock): Promise<Opened> {
  const { file } = options;
  await fs.mkdir(path.dirname(file), { recursive: true });
  const lock = await takeLock(`${file}.lock`, clock);
  try {
    const { head, tornBytes } = await repair(file, clock);
    const last = head ?? (await lastOf((await rotated(file)).at(-1))) ?? START;
    const handle = await fs.open(file, 'a', MODE);
    const { size, ino } = await handle.stat();
    return { journal: new FileJournal(options, lock, last, { handle, size, ino }), tornBytes };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function takeLock(file: string, clock: Clock): Promise<FileLock> {
  try {
    return await FileLock.take(file, clock);
  } catch (error) {
    if (!(error instanceof LockHeld)) throw error;
    throw new Error(`the audit log is written to by process ${error.pid} on ${error.host} (${file})`);
  }
}

/** The file that is written to. */
interface Current {
  handle: FileHandle;
  /** Up to here it holds whole lines. */
  size: number;
  ino: number;
}

class FileJournal implements Journal {
  readonly #options: FileJournalOptions;
  readonly #lock: FileLock;
  #head: Head;
  #current: Current;
  /** Bytes behind `size` are of a batch that failed. */
  #dirty = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: FileJournalOptions, lock: FileLock, head: Head, current: Current) {
    this.#options = options;
    this.#lock = lock;
    this.#head = head;
    this.#current = current;
  }

  write(entries: readonly AuditedEntry[]): Promise<number> {
    return this.#exclusively(async () => {
      await this.#mend();
      let batch = this.#render(entries);
      if (batch.count === 0) {
        await this.#rotate();
        batch = this.#render(entries);
      }
      this.#dirty = true;
      await this.#current.handle.appendFile(batch.bytes);
      await this.#current.handle.datasync();
      this.#dirty = false;
      this.#current.size += batch.bytes.length;
      this.#head = batch.head;
      return batch.count;
    });
  }

  /** As many as the file has room for; at least one where it is empty. */
  #render(entries: readonly AuditedEntry[]): { bytes: Buffer; count: number; head: Head } {
    const room = Math.min(this.#options.maxBytes - this.#current.size, BATCH_BYTES);
    const lines: Buffer[] = [];
    let bytes = 0;
    let head = this.#head;
    for (const entry of entries) {
      const next = chained(entry, head);
      const line = Buffer.from(`${next.text}\n`);
      if (bytes + line.length > room && (this.#current.size > 0 || lines.length > 0)) break;
      lines.push(line);
      bytes += line.length;
      head = next.head;
    }
    return { bytes: Buffer.concat(lines), count: lines.length, head };
  }

  /** What a failed batch left behind is cut off; a file that somebody took away is begun anew. */
  async #mend(): Promise<void> {
    const { handle, ino } = this.#current;
    const there = await fs.stat(this.#options.file).catch(absent);
    if (there?.ino !== ino) {
      await this.#reopen(handle);
    } else if (this.#dirty) {
      await handle.truncate(this.#current.size);
    }
    this.#dirty = false;
  }

  async #rotate(): Promise<void> {
    const { file, maxFiles } = this.#options;
    const sequence = String(this.#head.sequence).padStart(15, '0');
    await fs.rename(file, `${file}.${sequence}`);
    const old = await rotated(file);
    for (const name of old.slice(0, Math.max(0, old.length - (maxFiles - 1)))) await fs.rm(name, { force: true });
    await this.#reopen(this.#current.handle);
  }

  async #reopen(old: FileHandle): Promise<void> {
    const handle = await fs.open(this.#options.file, 'a', MODE);
    const { size, ino } = await handle.stat();
    this.#current = { handle, size, ino };
    await old.close();
  }

  async query(query: AuditQuery): Promise<readonly AuditLine[]> {
    const { files } = await this.#snapshot();
    const limit = boundOf(query);
    try {
      return query.after === undefined ? await newest(files, query, limit) : await following(files, query, limit);
    } finally {
      await closeAll(files);
    }
  }

  async verify(): Promise<Verification> {
    const { files, head } = await this.#snapshot();
    const verifier = new Verifier();
    try {
      for (const file of files) {
        for await (const lines of linesOf(file)) {
          if (!lines.every((line) => verifier.take(line))) return verifier.result();
        }
      }
      return verifier.result(head);
    } finally {
      await closeAll(files);
    }
  }

  /** All files, oldest first, as they are now: opened, so that none is renamed or removed under the reader. */
  #snapshot(): Promise<{ files: readonly Readable[]; head: Head }> {
    return this.#exclusively(async () => {
      const files: Readable[] = [];
      for (const name of await rotated(this.#options.file)) {
        const handle = await fs.open(name);
        files.push({ handle, size: (await handle.stat()).size, last: Number(name.slice(-15)) });
      }
      const handle = await fs.open(this.#options.file).catch(absent);
      if (handle) files.push({ handle, size: this.#current.size, last: Number.POSITIVE_INFINITY });
      return { files, head: this.#head };
    });
  }

  async close(): Promise<void> {
    await this.#exclusively(async () => {
      await this.#current.handle.close();
      await this.#lock.release();
    });
  }

  #exclusively<Value>(job: () => Promise<Value>): Promise<Value> {
    const done = this.#turn.then(job);
    this.#turn = done.catch(() => {});
    return done;
  }
}
