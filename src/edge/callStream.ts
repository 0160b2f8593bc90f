import type { Clock } from '../contracts.js';
import type { CallFeed, CallRow, CallWatcher } from '../gateway/callFeed.js';

export interface CallStreamOptions {
  readonly owner: string;
  readonly feed: CallFeed;
  readonly clock: Clock;
  /** Whether the watcher may see the row at all. */
  sees(row: CallRow): boolean;
  /** The row as the watcher may see it. */
  shown(row: CallRow): object;
}

/** How often a watcher is told. Milliseconds. */
const EVERY_MS = 250;
/** And how much at a time, or while it takes nothing: the rest is counted. */
const MOST_ROWS = 100;
/** So long a watcher hears nothing at most: what stands between would take the connection for dead. */
const BEAT_MS = 15_000;
/** Then it has to come anew, and to show again who it is. */
const MOST_MS = 5 * 60_000;

/**
 * What one watcher is told, as server-sent events (WHATWG HTML section 9.2): `call` with a row, `missed` with how many were
 * left out. A call only leaves its row here; it is written when the watcher takes it, so that a slow one holds back nobody.
 */
export class CallStream implements AsyncIterableIterator<string>, CallWatcher {
  readonly owner: string;
  readonly #options: CallStreamOptions;
  readonly #leave: () => void;
  readonly #until: number;
  readonly #over = new AbortController();
  #rows: CallRow[] = [];
  #missed = 0;
  #spokeAt: number | undefined;

  /** @throws GatewayError where too many look on */
  constructor(options: CallStreamOptions) {
    this.owner = options.owner;
    this.#options = options;
    this.#until = options.clock.monotonic() + MOST_MS;
    this.#leave = options.feed.watch(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  take(row: CallRow): void {
    if (!this.#options.sees(row)) return;
    if (this.#rows.length < MOST_ROWS) this.#rows.push(row);
    else this.#missed += 1;
  }

  release(): void {
    this.#over.abort();
  }

  /** The first piece comes at once, each further one after a moment; empty where there is nothing to tell. */
  async next(): Promise<IteratorResult<string>> {
    const { clock } = this.#options;
    if (this.#spokeAt === undefined) return this.#say('retry: 1000\n\n');
    if (!this.#over.signal.aborted) await clock.sleep(EVERY_MS, this.#over.signal).catch(() => {});
    if (this.#over.signal.aborted || clock.monotonic() >= this.#until) return this.return();
    return this.#say(this.#told());
  }

  async return(): Promise<IteratorResult<string>> {
    this.release();
    this.#leave();
    return { done: true, value: undefined };
  }

  #say(text: string): IteratorResult<string> {
    const now = this.#options.clock.monotonic();
    const beat = text === '' && now - (this.#spokeAt ?? now) >= BEAT_MS;
    if (text !== '' || beat) this.#spokeAt = now;
    return { done: false, value: beat ? ':\n\n' : text };
  }

  #told(): string {
    const events = this.#rows.map((row) => event('call', this.#options.shown(row)));
    if (this.#missed > 0) events.push(event('missed', { count: this.#missed }));
    this.#rows = [];
    this.#missed = 0;
    return events.join('');
  }
}

/** JSON has no line ends of its own, so that one line of data holds it. */
function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
