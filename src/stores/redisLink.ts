import { createHash } from 'node:crypto';
import type { Redis, RedisOptions } from 'ioredis';
import type { KindDeps } from '../contracts.js';

/** A script as Redis knows it: by its hash, once it has seen its text. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

export function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** No call waits for Redis any longer than this. */
const DEADLINE_MS = 100;
/** The start waits so long for a first connection, and then goes on without. */
const START_MS = 1000;
const MOST_BETWEEN_TRIES_MS = 2000;

/** `ioredis` for a place where it may be missing for a while: no queue, no repetition, a deadline on every command. */
export function linkOptions(
  more: Pick<RedisOptions, 'username' | 'password'>,
  deadlineMs = DEADLINE_MS,
): Omit<RedisOptions, 'replyMapping'> {
  return {
    ...more,
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: deadlineMs,
    connectTimeout: START_MS,
    retryStrategy: (times) => Math.min(250 * 2 ** Math.min(times, 10), MOST_BETWEEN_TRIES_MS),
  };
}

/** Told when the server is lost, and when it is back. */
export interface LinkEvents {
  lost(cause: string): void;
  back(): void;
}

/**
 * A connection that says whether it is there. One late or failed command is enough to count it as lost: from then on
 * nobody waits, until a connection made anew has run a script in time.
 */
export class RedisLink {
  readonly #client: Redis;
  readonly #deps: Pick<KindDeps, 'name' | 'clock' | 'signals'>;
  readonly #events: LinkEvents;
  readonly #proof: () => Promise<unknown>;
  #state: 'new' | 'up' | 'lost' | 'closed' = 'new';
  #cause = 'no connection in time';

  /** @param proof what a server must be able to do to count as there; it knows the scripts by then */
  constructor(
    client: Redis,
    deps: Pick<KindDeps, 'name' | 'clock' | 'signals'>,
    scripts: readonly Script[],
    proof: (run: RedisLink['run']) => Promise<unknown>,
    events: LinkEvents = eventsOf(deps),
  ) {
    this.#client = client;
    this.#deps = deps;
    this.#events = events;
    // A script that had to be sent twice would come in behind those that were asked for later.
    this.#proof = async () => {
      await Promise.all(scripts.map(({ text }) => client.script('LOAD', text)));
      await proof((wanted, key, args) => this.#evaluate(wanted, key, args));
    };
    client.on('error', (error: Error) => {
      this.#cause = error.message;
    });
    client.on('close', () => this.#lose());
    client.on('ready', () => void this.#prove());
  }

  get up(): boolean {
    return this.#state === 'up';
  }

  /** Connects, or gives up waiting; never rejects. */
  async open(): Promise<void> {
    const patience = new AbortController();
    const tried = this.#client.connect().then(
      () => this.#prove(),
      () => {},
    );
    const waited = this.#deps.clock.sleep(START_MS, patience.signal).catch(() => {});
    await Promise.race([tried, waited]);
    patience.abort();
    if (this.#state === 'new') this.#lose();
  }

  /** What the script returned; undefined where no answer came in time. Never rejects. */
  async run(wanted: Script, key: string, args: readonly (string | number)[]): Promise<unknown> {
    if (!this.up) return undefined;
    try {
      return await this.#evaluate(wanted, key, args);
    } catch (error) {
      this.#cause = error instanceof Error ? error.message : String(error);
      this.#lose();
      return undefined;
    }
  }

  close(): void {
    this.#state = 'closed';
    this.#client.disconnect();
  }

  async #evaluate({ text, sha }: Script, key: string, args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#client.evalsha(sha, 1, key, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return this.#client.eval(text, 1, key, ...args);
    }
  }

  /** A server that answers and can't serve (read-only, full, another's key) isn't back yet. */
  async #prove(): Promise<void> {
    try {
      await this.#proof();
    } catch (error) {
      this.#cause = error instanceof Error ? error.message : String(error);
      if (this.#state !== 'closed') this.#client.disconnect(true);
      return;
    }
    if (this.#state === 'closed') return;
    const wasLost = this.#state === 'lost';
    this.#state = 'up';
    if (wasLost) this.#events.back();
  }

  #lose(): void {
    if (this.#state === 'lost' || this.#state === 'closed') return;
    const first = this.#state === 'new';
    this.#state = 'lost';
    this.#events.lost(this.#cause);
    // What is on its way there fails now; a first connection is still being tried.
    if (!first) this.#client.disconnect(true);
  }
}

function eventsOf({ name: store, signals }: Pick<KindDeps, 'name' | 'signals'>): LinkEvents {
  return {
    lost: (cause) => signals.emit('store.lost', { store, cause }),
    back: () => signals.emit('store.back', { store }),
  };
}
