import type { ToolContext } from '../../contracts/tools.js';
import type { Signals } from '../../contracts.js';
import { describeApp } from './appDescription.js';
import type { QlikRest } from './rest.js';

/** For all apps of one user; milliseconds. */
const LONGEST = 60_000;
const MOST_USERS = 1_000;

interface Deps {
  readonly rest: QlikRest;
  readonly name: string;
  readonly signals: Signals;
}

/**
 * Reads what the configured apps are before a user asks for it. What is kept is kept for one user alone, so that it
 * happens when the first call of one comes, behind it: before that nobody's credential is there to read with.
 */
export class WarmUp {
  readonly #apps: readonly string[];
  readonly #deps: Deps;
  readonly #closing = new AbortController();
  readonly #met = new Set<string>();
  #running: Promise<unknown> = Promise.resolve();

  constructor(apps: readonly string[], deps: Deps) {
    this.#apps = apps;
    this.#deps = deps;
  }

  /** Returns at once. */
  greet(context: ToolContext): void {
    const { rest } = this.#deps;
    const user = rest.userOf(context);
    if (this.#apps.length === 0 || this.#met.has(user) || this.#closing.signal.aborted) return;
    if (this.#met.size >= MOST_USERS) this.#met.clear();
    this.#met.add(user);
    this.#running = Promise.allSettled([this.#running, this.#warm(context)]);
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the toolset closes'));
    await this.#running;
  }

  async #warm({ owner, credential }: ToolContext): Promise<void> {
    const { rest, signals, name } = this.#deps;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(LONGEST)]);
    const calls = rest.for({ owner, credential, signal });
    for (const app of this.#apps) {
      try {
        await describeApp(calls, app);
      } catch (error) {
        if (signal.aborted) return;
        signals.emit('qlik.cold', { destination: name, app, reason: (error as Error).message });
      }
    }
  }
}
