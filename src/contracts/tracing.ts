/** The contracts about traces (W3C Trace Context). Types only. */
import type { HeaderLines } from './streams.js';

/** Where a caller's trace stands, as the caller wrote it: the keys of `params._meta` (SEP-414), or the headers of those names. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
  readonly baggage?: string;
}

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Something that takes time within an exchange. */
export interface Step {
  /** Once: later calls do nothing. `error`: one word of few, such as a code of the table. */
  end(attributes?: Attributes, error?: string): void;
}

/** What is recorded of one exchange. */
export interface Trace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /**
   * Undefined where nothing is recorded: then only what goes on to others is ours. `under`: another step, or the lines that
   * `onwards` made of one.
   */
  step(
    name: string,
    of?: { readonly client?: true; readonly under?: Step | HeaderLines | undefined },
  ): Step | undefined;
  /** Header lines by which an upstream joins the trace behind `step`; they replace the caller's. */
  onwards(step?: Step): HeaderLines;
  /** The message itself says whose trace it belongs to. A header that did so stands. */
  join(told: TraceContext): void;
}
