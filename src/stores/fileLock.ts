import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import type { Clock } from '../contracts.js';
import { errorCode } from '../core/errors.js';

/** A lock of another machine, which can't be asked whether its process lives, holds so long after its last sign of life. */
const LOCK_MS = 60_000;
const SIGN_OF_LIFE_MS = 10_000;
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
      const text = await fs.readFile(file, 'utf8').catch(() => '');
      const holder = readHolder(text);
      if (await holds(holder, file, clock.now())) throw new LockHeld(file, holder);
      await setAside(file, text, `${file}.${mine.token}`);
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

/** A lock that can't be read may be one that is just being written: it counts by its age, like one of another machine. */
async function holds(holder: Holder | undefined, file: string, now: number): Promise<boolean> {
  if (holder && holder.host === os.hostname()) {
    return isAlive(holder.pid) && (await startOf(holder.pid)) === holder.started;
  }
  const { mtimeMs } = await fs.stat(file).catch(() => ({ mtimeMs: 0 }));
  return now - mtimeMs < (holder ? LOCK_MS : 1000);
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

/** Moves a stale lock away. Where it was another's new one by then, that is put back. */
async function setAside(file: string, judged: string, aside: string): Promise<void> {
  try {
    await fs.rename(file, aside);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  // A link that leads nowhere, or a folder, was nobody's lock.
  const text = await fs.readFile(aside, 'utf8').catch(() => '');
  if (text !== judged) await fs.link(aside, file).catch(() => {});
  await fs.rm(aside, { force: true, recursive: true });
}
