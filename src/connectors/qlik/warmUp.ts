import type { ToolContext } from '../../contracts/tools.js';
import type { Credential, Signals } from '../../contracts.js';
import { eachOf } from '../../core/async.js';
import { describeApp } from './appDescription.js';
import type { QlikRest } from './rest.js';

interface Deps {
  readonly rest: QlikRest;
  readonly name: string;
  readonly signals: Signals;
}

/** For all apps of one user. */
interface Limits {
  /** Apps that are read at the same time. */
  readonly atOnce: number;
  /** Milliseconds. */
  readonly longestMs: number;
}

const LIMITS: Limits = { atOnce: 4, longestMs: 60_000 };
const MOST_USERS = 1_000;
/** Of what is told of a failure: apps, and characters of each reason. */
const MOST_TOLD = 5;
const MOST_WORDS = 200;

interface Unread {
  readonly app: string;
  readonly reason: string;
}

/**
 * Reads what the configured apps are before a user asks for it. Where all callers are one user to the tenant, that is when the
 * process starts, and once for all of them. Else it is kept for one user alone, and happens when the first call of one comes,
 * behind it: before that nobody's credential is there to read with.
 */
export class WarmUp {
  readonly #apps: readonly string[];
  readonly #deps: Deps;
  readonly #limits: Limits;
  readonly #closing = new AbortController();
  readonly #met = new Set<string>();
  #running: Promise<unknown> = Promise.resolve();

  constructor(apps: readonly string[], deps: Deps, limits: Limits = LIMITS) {
    this.#apps = apps;
    this.#deps = deps;
    this.#limits = limits;
  }

  /** For all callers: rejects with the apps that could not be read, which is done then behind the first call. */
  async ahead(credential: Credential | undefined): Promise<void> {
    const context = { owner: null, credential, signal: this.#closing.signal };
    const user = this.#meet(context);
    if (user === undefined) return;
    const unread = await this.#read(context);
    if (unread.length === 0 || this.#closing.signal.aborted) return;
    this.#met.delete(user);
    throw new Error(`${unread.length} of ${this.#apps.length} apps were not read ahead: ${told(unread)}`);
  }

  /** Returns at once. */
  greet(context: ToolContext): void {
    if (this.#meet(context) !== undefined) void this.#behind(context);
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the toolset closes'));
    await this.#running;
  }

  /** Undefined for one who was met before, and where there is nothing to do. */
  #meet(context: Pick<ToolContext, 'owner' | 'credential' | 'signal'>): string | undefined {
    const [first] = this.#apps;
    if (first === undefined || this.#closing.signal.aborted) return undefined;
    const user = this.#deps.rest.keeperOf(context, first);
    if (this.#met.has(user)) return undefined;
    if (this.#met.size >= MOST_USERS) this.#met.clear();
    this.#met.add(user);
    return user;
  }

  async #behind(context: ToolContext): Promise<void> {
    const unread = await this.#read(context);
    if (this.#closing.signal.aborted) return;
    const { signals, name } = this.#deps;
    for (const each of unread) signals.emit('qlik.cold', { destination: name, ...each });
  }

  /** Never rejects. */
  #read({ owner, credential }: Pick<ToolContext, 'owner' | 'credential'>): Promise<readonly Unread[]> {
    const { longestMs, atOnce } = this.#limits;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(longestMs)]);
    const calls = this.#deps.rest.for({ owner, credential, signal });
    const unread: Unread[] = [];
    const one = async (app: string) => {
      try {
        signal.throwIfAborted();
        await describeApp(calls, app);
      } catch (error) {
        unread.push({ app, reason: signal.aborted ? `not within ${longestMs / 1000} s` : (error as Error).message });
      }
    };
    const reading = eachOf(this.#apps, atOnce, one).then(() => unread);
    this.#running = Promise.all([this.#running, reading]).then(() => undefined);
    return reading;
  }
}

function told(unread: readonly Unread[]): string {
  const some = unread.slice(0, MOST_TOLD).map(({ app, reason }) => `${app}: ${reason.slice(0, MOST_WORDS)}`);
  return unread.length > some.length ? `${some.join('; ')}; and others` : some.join('; ');
}
