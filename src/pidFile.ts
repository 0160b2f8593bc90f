import fs from 'node:fs';
import { errorCode } from './core/errors.js';

/** The kernel counts a process's start in these (proc(5): USER_HZ), and file times are coarser. */
const TICKS_PER_SECOND = 100;
const COARSE_MS = 2_000;

/** The number of this process in a file, for as long as it serves; one process at a time has the file. */
export class PidFile {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** @throws Error where another process has it that lives */
  assertFree(): void {
    const holder = this.#holder();
    if (holder === undefined || holder === process.pid || !isAlive(holder)) return;
    if (this.#isOlderThan(holder)) return;
    throw new Error(`process ${holder} has the pid-file ${this.#file}: stop that one first, or name another file`);
  }

  /** Writes it, whole at once, in place of one that a crash left behind. @throws Error as `assertFree` does */
  write(): void {
    const made = `${this.#file}.${process.pid}`;
    fs.writeFileSync(made, `${process.pid}\n`, { mode: 0o644 });
    try {
      this.#put(made);
    } finally {
      fs.rmSync(made, { force: true });
    }
  }

  /** Removes it, unless it has become another's. */
  remove(): void {
    if (this.#holder() === process.pid) fs.rmSync(this.#file, { force: true });
  }

  /** A link is made only where nothing has that name: of two that start at once, one has the file. */
  #put(made: string): void {
    try {
      fs.linkSync(made, this.#file);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
      this.assertFree();
      fs.renameSync(made, this.#file);
    }
  }

  #holder(): number | undefined {
    try {
      const text = fs.readFileSync(this.#file, 'utf8').trim();
      return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** True where the process began after the file was written: it only has the number of the one that is gone. */
  #isOlderThan(pid: number): boolean {
    const began = startOf(pid);
    return began !== undefined && began > fs.statSync(this.#file).mtimeMs + COARSE_MS;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** When a process began, in milliseconds of the epoch; undefined where there is no /proc. */
function startOf(pid: number): number | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    const boot = Number(/^btime (\d+)$/m.exec(fs.readFileSync('/proc/stat', 'utf8'))?.[1]);
    const began = (boot + ticks / TICKS_PER_SECOND) * 1000;
    return Number.isFinite(began) ? began : undefined;
  } catch {
    return undefined;
  }
}
