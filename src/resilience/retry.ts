import type { Clock, McpCall } from '../contracts.js';
import { Window } from './window.js';

/** The `resilience.retry` options. `attempts` counts the first one. */
export interface RetryOptions {
  readonly attempts: number;
  readonly baseMs: number;
  readonly maxMs: number;
  readonly unsafe: boolean;
}

/**
 * The safe-to-repeat table: methods that only read, or whose repetition changes nothing more. `tools/call` is safe
 * only for tools that are known to be so; `initialize` isn't, since each one may leave a session behind.
 */
const SAFE_METHODS = new Set([
  'ping',
  'server/discover',
  'tools/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'logging/setLevel',
  'subscriptions/listen',
  'tasks/get',
  'tasks/list',
  'tasks/result',
]);

/** Whether a call may be sent again though the upstream may have done it already. */
export function safeToRepeat(call: McpCall, isSafeTool: (name: string) => boolean): boolean {
  switch (call.kind) {
    case 'stream':
    case 'end':
      return true;
    case 'request':
      if (call.method === 'tools/call') return call.name !== undefined && isSafeTool(call.name);
      return SAFE_METHODS.has(call.method ?? '');
    default:
      return false;
  }
}

/** Milliseconds before the next try: exponential, with full jitter. `retry` counts from 0. */
export function backOffMs(
  retry: number,
  options: Pick<RetryOptions, 'baseMs' | 'maxMs'>,
  random: () => number,
): number {
  return random() * Math.min(options.maxMs, options.baseMs * 2 ** retry);
}

const WINDOW_MS = 10_000;
/** So that a quiet proxy may repeat at all: this many retries per window are always allowed. */
const RESERVE = 5;

/** Keeps retries of one destination at or under a fifth of its calls, so that repeating can't double an outage. */
export class RetryBudget {
  readonly #window: Window;
  #calls = 0;
  #retries = 0;

  constructor(clock: Clock) {
    this.#window = new Window(clock, WINDOW_MS);
  }

  /** Counts a call. */
  deposit(): void {
    if (this.#window.turned()) {
      this.#calls = 0;
      this.#retries = 0;
    }
    this.#calls += 1;
  }

  /** True, and counted, where one more retry is within the budget. */
  withdraw(): boolean {
    if (this.#retries + 1 > Math.max(RESERVE, this.#calls / 5)) return false;
    this.#retries += 1;
    return true;
  }
}
