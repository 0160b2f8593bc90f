/** The contract about who records exchanges. Types only. */
import type { Exchange, Outcome } from '../contracts.js';
import type { Trace } from './tracing.js';

export interface Tracer {
  /** Undefined where the caller asked that nothing be recorded: its headers pass as they are. */
  open(exchange: Exchange): Trace | undefined;
  /** The exchange is over, and what was recorded of it leaves. */
  ended(exchange: Exchange, outcome: Outcome, status: number): void;
}
