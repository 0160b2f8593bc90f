import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import type { Clock } from '../contracts.js';
import { errorCode } from '../core/errors.js';

/** A lock of another machine, which can't be asked whether its process lives, holds so long after its last sign of life. */
const LOCK_MS = 60_000;
const SIGN_OF_LIFE_MS = 10_000;
/** Between a lock's name and its content; a process may be held up there. */
const NEWBORN_MS = 5_000;
/** Others may take over a stale lock at the same moment. */
const TRIES = 5;

/** What a lock file says. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Tells processes apart that had the same number one after the other; empty where the system doesn't say. */
  readonly started: string;
  readonly token: string;
}

/** Between two looks at a lock that somebody else has. Milliseconds. */
const LOOK_MS = 25;

/** A lock is another process's, which lives. */
export class LockHeld extends Error {
  readonly pid: number | undefined;
  readonly host: string | undefined;

  constructor(file: string, holder: Holder | undefined) {
    super(holder ? `process ${holder.pid} on ${holder.host} holds ${file}` : `somebody holds ${file}`);
    this.name = 'LockHeld';
    this.pid = holder?.pid;
    this.host = holder?.host;
  }
}

/** That this process, and no other, does something. No crash leaves it behind: a lock whose process is gone is taken over. */
export class FileLock {
  readonly #file: string;
  readonly #token: string;
  readonly #signs: NodeJS.Timeout;

  private constructor(file: string, token: string) {
    this.#file = file;
    this.#token = token;
    this.#signs = setInterval(() => this.#giveSign(), SIGN_OF_LIFE_MS);
    this.#signs.unref();
  }

  /** Rejects with LockHeld where a living process holds it. */
  static async take(file: string, clock: Pick<Clock, 'now'>): Promise<FileLock> {
    const mine = { pid: process.pid, host: os.hostname(), started: await startOf(process.pid), token: randomUUID() };
    for (let tries = 0; tries < TRIES; tries++) {
      if (await create(file, mine)) return new FileLock(file, mine.token);
      const found = await look(file, clock.now());
      if (found?.holds) throw new LockHeld(file, found.holder);
      if (found) await removeStale(file, mine, clock);
    }
    throw new LockHeld(file, undefined);
  }

  /** Waits for it, `waitMs` at most; rejects with LockHeld after that, and with the signal's reason when it aborts first. */
  static async wait(file: string, clock: Clock, waitMs: number, signal?: AbortSignal): Promise<FileLock> {
    const until = clock.monotonic() + waitMs;
    for (;;) {
      try {
        return await FileLock.take(file, clock);
      } catch (error) {
        if (!(error instanceof LockHeld) || clock.monotonic() >= until) throw error;
      }
      await clock.sleep(LOOK_MS * (1 + clock.random()), signal);
    }
  }

  async release(): Promise<void> {
    clearInterval(this.#signs);
    const holder = readHolder(await fs.readFile(this.#file, 'utf8').catch(() => ''));
    if (holder?.token === this.#token) await fs.rm(this.#file, { force: true });
  }

  #giveSign(): void {
    const now = new Date();
    fs.utimes(this.#file, now, now).catch(() => {});
  }
}

async function create(file: string, holder: Holder): Promise<boolean> {
  try {
    await fs.writeFile(file, JSON.stringify(holder), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    // A full disk takes the name and not what should be in it.
    if (errorCode(error) === 'ENOSPC' || errorCode(error) === 'EDQUOT') await fs.rm(file, { force: true });
    throw error;
  }
}

function readHolder(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Holder;
    return Number.isSafeInteger(holder.pid) && typeof holder.host === 'string' ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** A lock file as it is now; undefined where there is none any more. A link that leads nowhere, or a folder, is nobody's lock. */
async function look(
  file: string,
  now: number,
): Promise<{ readonly holder?: Holder; readonly holds: boolean } | undefined> {
  const text = await fs.readFile(file, 'utf8').catch(() => undefined);
  const holder = readHolder(text ?? '');
  if (holder?.host === os.hostname()) {
    return { holder, holds: isAlive(holder.pid) && (await startOf(holder.pid)) === holder.started };
  }
  const found = await fs.lstat(file).catch(() => undefined);
  if (!found) return undefined;
  const age = now - found.mtimeMs;
  if (holder) return { holder, holds: age < LOCK_MS };
  // One that says nothing may be about to be written.
  return { holds: found.isFile() && age < NEWBORN_MS };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** When a process was started, in the kernel's own ticks (proc(5), field 22 of stat); empty where there is no /proc. */
async function startOf(pid: number): Promise<string> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/**
 * Takes a stale lock away. One process at a time, which looks again: whoever judged the lock before may mean one that
 * another has taken since.
 */
async function removeStale(file: string, mine: Holder, clock: Pick<Clock, 'now'>): Promise<void> {
  const guard = `${file}.stale`;
  if (!(await create(guard, mine))) {
    const other = await look(guard, clock.now());
    // That of a process that died at it.
    if (other && !other.holds) await fs.rm(guard, { force: true, recursive: true });
    return;
  }
  try {
    const found = await look(file, clock.now());
    if (found && !found.holds) await fs.rm(file, { force: true, recursive: true });
  } finally {
    await fs.rm(guard, { force: true });
  }
}
