import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { LogLevels, LogWish } from './contracts/logLevels.js';
import type { ToolTurn } from './contracts/toolSwitches.js';
import type { Clock, Signals } from './contracts.js';
import { MetricsExchange } from './crewMetrics.js';

/** What the supervisor tells a worker, since signals may reach all processes of a group at once. */
export type Order = 'stop' | 'reload';
/** What one worker was told by the management API: its supervisor tells the others. */
type Shared =
  | { readonly share: 'reload' }
  | { readonly share: 'log'; readonly wish?: LogWish }
  | { readonly share: 'tools'; readonly turn: ToolTurn };

const SHARED: ReadonlySet<unknown> = new Set(['reload', 'log', 'tools'] satisfies Shared['share'][]);
/** Switches that a worker's successor is told of; the oldest are forgotten first. */
const MOST_TURNS = 1_000;
/** What a worker tells its supervisor, once. */
interface Listening {
  readonly url: string;
}
/** What it tells after each order to reload. */
interface Reloaded {
  readonly reloaded: true;
}

/** A worker that takes longer to reload isn't waited for. */
const RELOAD_MS = 60_000;

/** The variables that a worker is given besides its supervisor's own. */
type Environment = (slot: string) => Readonly<Record<string, string>>;

/** A worker that ends sooner than this would end again at once: the next one waits. */
const SHORT_LIFE_MS = 1_000;

/** Whether this process was started by a supervisor. */
export function isWorker(): boolean {
  return cluster.isWorker;
}

/** Lets go of the supervisor: a worker that can't serve ends by itself, and with the code that says why. */
export function resign(error: unknown): never {
  cluster.worker?.disconnect();
  throw error;
}

/** What a worker does when it is told to. */
interface Orders {
  stop(): void;
  reload(): Promise<unknown>;
  turnTools(turn: ToolTurn): void;
}

/** Tells the supervisor that this worker serves, and obeys it from then on, whatever signals come. */
export function obey(url: string, orders: Orders, log: LogLevels): void {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});
  process.on('message', (order: Order | Shared) => {
    if (order === 'stop') orders.stop();
    else if (order === 'reload') void orders.reload().then(() => process.send?.({ reloaded: true } satisfies Reloaded));
    else if (order?.share === 'reload') void orders.reload();
    else if (order?.share === 'log') followLog(log, order.wish);
    else if (order?.share === 'tools') orders.turnTools(order.turn);
  });
  process.send?.({ url } satisfies Listening);
}

function followLog(log: LogLevels, wish: LogWish | undefined): void {
  if (wish) log.set(wish);
  else log.reset();
}

/** Passes on what this worker alone was told. */
export function tellOthers(what: Shared): void {
  if (process.connected) process.send?.(what);
}

/**
 * Runs several processes on one port, each a whole proxy: they share nothing but the listening socket. One that ends is
 * replaced, until the crew is told to stop.
 */
export class Crew {
  readonly #size: number;
  readonly #clock: Clock;
  readonly #signals: Signals;
  readonly #environment: Environment;
  readonly #workers = new Map<Worker, Promise<number>>();
  readonly #metrics = new MetricsExchange(() => this.#workers.keys());
  /** The last word on each choice of tools, in the order in which they fell. */
  readonly #turns = new Map<string, Shared>();
  #stopping = false;

  /** Each worker is given the environment of its number, from 1 on; a successor inherits it. */
  constructor(size: number, environment: Environment, deps: { readonly clock: Clock; readonly signals: Signals }) {
    this.#size = size;
    this.#environment = environment;
    this.#clock = deps.clock;
    this.#signals = deps.signals;
  }

  /** Resolves with the URL when all serve. Rejects, with none left running, where one couldn't: it has said why. */
  async start(): Promise<string> {
    try {
      // The first one alone, so that a port that can't be had is told once.
      const url = await this.#fork(1);
      await Promise.all(Array.from({ length: this.#size - 1 }, (_, index) => this.#fork(index + 2)));
      return url;
    } catch (error) {
      this.#stopping = true;
      this.kill();
      throw error;
    }
  }

  /** Resolves when all have drained and ended: with true where none had to cut anything. */
  async stop(): Promise<boolean> {
    this.#stopping = true;
    this.#order('stop');
    const codes = await Promise.all(this.#workers.values());
    return codes.every((code) => code === 0);
  }

  /** Resolves when all have taken the new configuration, or refused it. */
  async reload(): Promise<void> {
    const told = [...this.#workers].filter(([worker]) => worker.isConnected()).map(reloaded);
    this.#order('reload');
    await Promise.all(told);
  }

  /** Ends all at once. */
  kill(): void {
    for (const worker of this.#workers.keys()) worker.process.kill('SIGKILL');
  }

  #order(order: Order): void {
    for (const worker of this.#workers.keys()) if (worker.isConnected()) worker.send(order);
  }

  async #fork(slot: number): Promise<string> {
    const worker = cluster.fork(this.#environment(String(slot)));
    const born = this.#clock.monotonic();
    const ended = once(worker, 'exit').then(([code]) => (typeof code === 'number' ? code : 1));
    this.#workers.set(worker, ended);
    const first = await Promise.race([once(worker, 'message'), ended]);
    if (typeof first === 'number') {
      this.#workers.delete(worker);
      throw new Error('a worker ended before it served');
    }
    // An order that came before it listened was lost on it.
    if (this.#stopping) worker.send('stop' satisfies Order);
    for (const turn of this.#turns.values()) worker.send(turn);
    this.#metrics.hear(worker);
    worker.on('message', (message: Shared) => this.#share(worker, message));
    void ended.then((code) => this.#replace(worker, slot, code, this.#clock.monotonic() - born));
    return (first[0] as Listening).url;
  }

  #share(from: Worker, message: Shared): void {
    if (!SHARED.has(message?.share)) return;
    if (message.share === 'tools') this.#remember(message);
    for (const worker of this.#workers.keys()) if (worker !== from && worker.isConnected()) worker.send(message);
  }

  #remember(message: Shared & { readonly share: 'tools' }): void {
    const { destination, choice } = message.turn;
    const key = JSON.stringify([destination, choice]);
    this.#turns.delete(key);
    this.#turns.set(key, message);
    const [oldest] = this.#turns.keys();
    if (this.#turns.size > MOST_TURNS && oldest !== undefined) this.#turns.delete(oldest);
  }

  async #replace(worker: Worker, slot: number, code: number, livedMs: number): Promise<void> {
    if (this.#stopping) return;
    this.#workers.delete(worker);
    this.#signals.emit('worker.lost', { worker: worker.process.pid, code });
    if (livedMs < SHORT_LIFE_MS) await this.#clock.sleep(SHORT_LIFE_MS);
    if (this.#stopping) return;
    // One that can't start has said why; the next is tried in its place.
    await this.#fork(slot).catch(() => this.#replace(worker, slot, code, 0));
  }
}

/** Resolves when a worker says that it is through with a reload, has ended, or takes too long. */
function reloaded([worker, ended]: readonly [Worker, Promise<number>]): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(late);
      worker.removeListener('message', hear);
      resolve();
    };
    const hear = (message: Partial<Reloaded> | undefined) => {
      if (message?.reloaded) done();
    };
    const late = setTimeout(done, RELOAD_MS);
    worker.on('message', hear);
    void ended.then(done);
  });
}
