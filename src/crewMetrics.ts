import type { Worker } from 'node:cluster';
import type { CrewMetrics } from './metering.js';
import type { MetricFamily } from './telemetry/metricsTable.js';

/** What workers and their supervisor say to each other about metrics. */
type Message =
  /** A worker is read, and wants to know what the others have. */
  | { readonly metrics: 'ask'; readonly id: number }
  | { readonly metrics: 'tell'; readonly id: number }
  | { readonly metrics: 'told'; readonly id: number; readonly families: readonly MetricFamily[] }
  | { readonly metrics: 'all'; readonly id: number; readonly processes: readonly (readonly MetricFamily[])[] };

/** Whoever doesn't answer in time is left out: the others' numbers are worth more than a wait. */
const PATIENCE_MS = 2_000;

/** The supervisor's part: passes the question on to the other workers, and what they say back. */
export class MetricsExchange {
  readonly #workers: () => Iterable<Worker>;
  readonly #asked = new Map<number, { waiting: number; told: (readonly MetricFamily[])[]; done: () => void }>();
  #count = 0;

  constructor(workers: () => Iterable<Worker>) {
    this.#workers = workers;
  }

  /** Hears one worker from now on. */
  hear(worker: Worker): void {
    worker.on('message', (message: Message) => {
      if (message?.metrics === 'ask') this.#ask(worker, message.id);
      if (message?.metrics === 'told') this.#told(message.id, message.families);
    });
  }

  #ask(asker: Worker, askedAs: number): void {
    this.#count += 1;
    const id = this.#count;
    const others = [...this.#workers()].filter((worker) => worker !== asker && worker.isConnected());
    const told: (readonly MetricFamily[])[] = [];
    const done = () => {
      clearTimeout(late);
      this.#asked.delete(id);
      if (asker.isConnected()) asker.send({ metrics: 'all', id: askedAs, processes: told } satisfies Message);
    };
    const late = setTimeout(done, PATIENCE_MS);
    this.#asked.set(id, { waiting: others.length, told, done });
    if (others.length === 0) done();
    for (const worker of others) worker.send({ metrics: 'tell', id } satisfies Message);
  }

  #told(id: number, families: readonly MetricFamily[]): void {
    const asked = this.#asked.get(id);
    if (!asked) return;
    asked.told.push(families);
    asked.waiting -= 1;
    if (asked.waiting === 0) asked.done();
  }
}

/** A worker's part. Until `join` it speaks for itself alone: its supervisor waits for another word first. */
export class CrewMember implements CrewMetrics {
  readonly #waiting = new Map<number, (processes: readonly (readonly MetricFamily[])[]) => void>();
  #own: (() => Promise<readonly MetricFamily[]>) | undefined;
  #joined = false;
  #count = 0;

  join(): void {
    this.#joined = true;
    process.on('message', (message: Message) => {
      if (message?.metrics === 'tell') void this.#answer(message.id);
      if (message?.metrics === 'all') this.#waiting.get(message.id)?.(message.processes);
    });
  }

  tell(own: () => Promise<readonly MetricFamily[]>): void {
    this.#own = own;
  }

  async gather(own: readonly MetricFamily[]): Promise<readonly (readonly MetricFamily[])[]> {
    if (!this.#joined || !process.connected) return [own];
    this.#count += 1;
    const id = this.#count;
    const others = await new Promise<readonly (readonly MetricFamily[])[]>((resolve) => {
      const late = setTimeout(() => resolve([]), 2 * PATIENCE_MS);
      this.#waiting.set(id, (processes) => {
        clearTimeout(late);
        resolve(processes);
      });
      process.send?.({ metrics: 'ask', id } satisfies Message);
    });
    this.#waiting.delete(id);
    return [own, ...others];
  }

  async #answer(id: number): Promise<void> {
    // Whoever can't say anything is waited for in vain, which has its limit.
    const families = await this.#own?.().catch(() => []);
    if (process.connected) process.send?.({ metrics: 'told', id, families: families ?? [] } satisfies Message);
  }
}
