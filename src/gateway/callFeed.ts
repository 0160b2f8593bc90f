import type { Clock, Exchange, Outcome } from '../contracts.js';
import { GatewayError } from '../core/errors.js';

/** A call that is over. Names only: no arguments, no headers, no bodies. */
export interface CallRow {
  /** Of the request. */
  readonly id: string;
  /** When it was over; epoch milliseconds. */
  readonly at: number;
  /** From its first byte to the last one of its answer. */
  readonly ms: number;
  readonly subject?: string;
  readonly tenant?: string;
  /** As the caller named it, known or not. */
  readonly destination?: string;
  /** Of the message, such as `tools/call`; of HTTP where there is none. */
  readonly method: string;
  readonly tool?: string;
  readonly status: number;
  readonly outcome: Outcome;
  /** Of our own failures. */
  readonly code?: string;
}

/** Whoever looks on. */
export interface CallWatcher {
  /** Who it is: each has a few places, and no more. */
  readonly owner: string;
  /** Must be quick, and never fail: a call passes meanwhile. */
  take(row: CallRow): void;
  /** There is nothing more to come from here. */
  release(): void;
}

/** In all, and of one owner. */
const MOST_WATCHERS = 32;
const MOST_OF_ONE = 4;
/** What somebody sees who comes when others look on already. */
const MOST_RECENT = 100;
/** Callers choose names; this is enough for any honest one. */
const LONGEST = 200;

/** Shows calls as they end. While nobody looks on nothing is made, and nothing is kept. */
export class CallFeed {
  readonly #clock: Clock;
  readonly #watchers = new Set<CallWatcher>();
  #recent: CallRow[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many look on. */
  get watchers(): number {
    return this.#watchers.size;
  }

  ended(exchange: Exchange, outcome: Outcome, status: number): void {
    // Whoever looks on calls the management API all the while.
    if (this.#watchers.size === 0 || exchange.door === 'admin') return;
    const row = this.#rowOf(exchange, outcome, status);
    if (this.#recent.push(row) > MOST_RECENT) this.#recent.shift();
    for (const watcher of this.#watchers) watcher.take(row);
  }

  /**
   * From now on the watcher is told, beginning with what others have seen lately. Gives what ends that.
   * @throws GatewayError QUOTA_EXCEEDED, OVERLOADED
   */
  watch(watcher: CallWatcher): () => void {
    const own = [...this.#watchers].filter(({ owner }) => owner === watcher.owner).length;
    if (own >= MOST_OF_ONE) {
      throw new GatewayError('QUOTA_EXCEEDED', `you look on ${MOST_OF_ONE} times already`, {
        retryAfter: 5,
        hint: 'Close a page that you have open elsewhere.',
      });
    }
    if (this.#watchers.size >= MOST_WATCHERS) {
      throw new GatewayError('OVERLOADED', `${MOST_WATCHERS} look on already`, { retryAfter: 5 });
    }
    for (const row of this.#recent) watcher.take(row);
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) this.#recent = [];
    };
  }

  /** Lets everybody go who looks on: what they may see has to be judged anew, or the process stops. */
  release(): void {
    for (const watcher of [...this.#watchers]) watcher.release();
  }

  #rowOf(exchange: Exchange, outcome: Outcome, status: number): CallRow {
    const { call, decision, failure, principal, request } = exchange;
    const destination = decision?.destination;
    const tool = call?.method === 'tools/call' ? call.name : undefined;
    return {
      id: exchange.id,
      at: this.#clock.now(),
      ms: Math.round((this.#clock.monotonic() - exchange.startedAt) * 10) / 10,
      method: clip(call?.kind === 'batch' ? 'batch' : (call?.method ?? request.method)),
      status,
      outcome,
      ...(principal ? { subject: clip(principal.subject) } : {}),
      // Whole: rows are told apart by it.
      ...(principal?.tenant === undefined ? {} : { tenant: principal.tenant }),
      ...(destination === undefined ? {} : { destination: clip(destination) }),
      ...(tool === undefined ? {} : { tool: clip(tool) }),
      ...(failure ? { code: failure.code } : {}),
    };
  }
}

function clip(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
