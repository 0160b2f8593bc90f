import type { AnswerCache } from '../../contracts/answers.js';
import type { KindDeps } from '../../contracts.js';
import type { Budgets } from './restBudgets.js';
import type { Span } from './spans.js';

/** How long answers serve. Milliseconds; zero: not at all. */
export type Lives = Readonly<Record<Keep, number>>;

/** What kind of answer it is: how things are described, or what is going on. */
export type Keep = 'metadata' | 'data';

export interface RestSettings {
  /** The tenant; its origin is the only one that is ever asked. */
  readonly url: URL;
  /** Shown to namespaced endpoints as `qlik-api-version`. */
  readonly apiVersion: string;
  readonly cache: AnswerCache;
  /** Apps of which answers are kept once for all callers: only where those are one user to the tenant. Absent: none. */
  readonly common?: ReadonlySet<string>;
  readonly lives: Lives;
  /** The longest that one call waits for its turn, all waits together. Milliseconds. */
  readonly maxWaitMs: number;
  /** What one call may bring and take: bytes of an answer, milliseconds. */
  readonly maxBytes: number;
  readonly deadlineMs: number;
}

/** What the parts of the client share: one of each tenant. */
export interface QlikTenant extends Omit<RestSettings, 'url'> {
  readonly origin: string;
  readonly deps: Pick<KindDeps, 'name' | 'rest' | 'clock' | 'signals'>;
  readonly budgets: Budgets;
  /** Endpoints that have said that they end. */
  readonly ending: Set<string>;
  /** Counts what was forgotten, so that an answer which was under way meanwhile isn't kept. */
  forgotten: number;
}

/** Who calls, as far as calls differ by it. */
export interface QlikUser {
  readonly headers: Readonly<Record<string, string>>;
  /** Whose budget is drawn on: who shows the same credential is the same user to Qlik Cloud. */
  readonly budget: string;
  /** Whose answers are kept: those of one caller, and of what was shown for it. */
  readonly cache: string;
  /** Whose those are that are kept for all who show the same. */
  readonly commonCache: string;
  readonly signal: AbortSignal;
  readonly span: Span;
}
