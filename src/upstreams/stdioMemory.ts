import type { Clock, Signals } from '../contracts.js';
import { errorCode } from '../core/errors.js';
import { type ProcessTable, processTable, treeOf } from './stdioProcesses.js';

/** A child as far as its memory goes. */
export interface Watched {
  readonly pid: number;
  /** It has more than it may, together with everything that it started: `pids`. */
  tooLarge(mib: number, pids: readonly number[]): void;
}

export interface MemoryWatchOptions {
  /** The destination's. */
  readonly name: string;
  readonly mostMiB: number;
  readonly clock: Clock;
  readonly signals: Signals;
  readonly table?: ProcessTable;
}

const MIB = 1024 * 1024;

/** Looks how much memory the children of one destination have, each with all that it started, while there are any. */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  readonly #table: ProcessTable;
  readonly #children = new Set<Watched>();
  #running: AbortController | undefined;
  #isBlind = false;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
    this.#table = options.table ?? processTable();
  }

  add(child: Watched): void {
    this.#children.add(child);
    if (this.#running) return;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  remove(child: Watched): void {
    this.#children.delete(child);
    if (this.#children.size > 0) return;
    this.#running?.abort();
    this.#running = undefined;
  }

  /** The next reading waits until the one before is over, however long that takes. */
  async #run(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      await this.#options.clock.sleep(this.#table.everyMs, stopped).catch(() => {});
      if (!stopped.aborted) await this.#look();
    }
  }

  async #look(): Promise<void> {
    try {
      const rows = await this.#table.read();
      for (const child of [...this.#children]) {
        const tree = treeOf(child.pid, rows);
        const bytes = tree.reduce((sum, row) => sum + row.bytes, 0);
        if (bytes <= this.#options.mostMiB * MIB) continue;
        const pids = tree.map(({ pid }) => pid);
        child.tooLarge(Math.ceil(bytes / MIB), pids);
      }
    } catch (error) {
      this.#blind(error);
    }
  }

  /** A limit that can't be held is told once. */
  #blind(error: unknown): void {
    if (this.#isBlind) return;
    this.#isBlind = true;
    const { name, signals } = this.#options;
    signals.emit('child.unmeasured', { destination: name, code: errorCode(error) });
  }
}
