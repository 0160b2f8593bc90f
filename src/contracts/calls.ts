import type { TraceContext } from './tracing.js';

/** `legacy`: revisions up to 2025-11-25, with sessions. `modern`: from 2026-07-28 on, without. */
export type Era = 'legacy' | 'modern';

/** `auto`: found out by talking to the server. `both`: each call passes in its own era. */
export type EraOption = 'auto' | Era | 'both';

/** One JSON-RPC message as policy and telemetry see it. The bytes that are forwarded are `body`, untouched. */
export interface McpCall {
  /** `stream` and `end` are a GET and a DELETE, which carry no message. */
  readonly kind: 'request' | 'notification' | 'response' | 'batch' | 'stream' | 'end';
  /** `modern` from 2026-07-28 on: the message says its own revision in `_meta`. */
  readonly era: Era;
  /** The revision that a modern message claims in `_meta`. */
  readonly revision?: string;
  readonly id?: string | number;
  readonly method?: string;
  /** `params.name`, or `params.uri` for a resource. */
  readonly name?: string;
  /** The trace that the message says it belongs to (SEP-414), unread. */
  readonly trace?: TraceContext;
  /** True where whoever read it saw that no object in it has a key twice; absent where nobody has looked. */
  readonly unambiguous?: boolean;
  readonly body: Buffer | null;
}
