import type { Socket } from 'node:net';
import type { ZodObject } from 'zod';
import type { Credential, Exchange, HeaderLines, Kind, KindDeps, TraceStep, UpstreamDeps } from '../contracts.js';
import type { SharedAnswers } from './answers.js';
import type { Owner } from './principal.js';
import type { ToolEffect } from './toolSwitches.js';

export type { ToolEffect } from './toolSwitches.js';

/** A call of the vendor, as a trace has it. */
export interface VendorSpan extends TraceStep {
  /** Header lines by which the vendor joins the trace. */
  readonly lines: HeaderLines;
}

/** Who calls a tool, with what, and how long somebody waits. */
export interface ToolContext {
  /** Aborts when the caller leaves or cancels. */
  readonly signal: AbortSignal;
  /** Whose call it is; null where callers have no names, such as on a laptop. What is kept is kept for them alone. */
  readonly owner: Owner | null;
  /** What the destination's credential shows to the origin of its `url`, and to no other. */
  readonly credential: Credential | undefined;
  /** Begins a call of the vendor; its name is one of few, and holds nothing of a caller's. Absent where nothing is traced. */
  readonly span?: (name: string) => VendorSpan;
  /** Tells a caller that asked for it how far long work is. Never rejects, never throws. */
  progress(done: number, total?: number, message?: string): void;
}

/** One tool that lives in this house. Shapes are zod schemas; JSON Schema is made of them. */
export interface Tool<Args = never> {
  readonly name: string;
  /** SemVer of its shape. */
  readonly version: string;
  /** What to call instead: the tool still works, and says so. */
  readonly deprecated?: string;
  /** Short lower-case word such as `analytics`; `include` and `exclude` match `<category>.<name>` and `<name>`. */
  readonly category: string;
  readonly effect: ToolEffect;
  /** True where a repeated call changes nothing more. Reads are. */
  readonly idempotent?: boolean;
  readonly title?: string;
  /** For a model: what it is for, in as few words as serve. */
  readonly description: string;
  readonly input: ZodObject;
  /** Of the `structuredContent` that `run` resolves with. */
  readonly output?: ZodObject;
  /**
   * Resolves with the `structuredContent`. Rejects with a ToolError for what the model should hear (a result with
   * `isError`), with a CredentialRefused where the vendor refused the credential, with a GatewayError where the vendor is down.
   */
  run(args: Args, context: ToolContext): Promise<object>;
}

/** Tools of one vendor, for one destination. */
export interface Toolset {
  readonly tools: readonly Tool[];
  /** For a model: how the tools work together. */
  readonly instructions?: string;
  /**
   * Reads ahead what calls will ask for, as the gateway itself: once the process listens, where all callers are shown as one.
   * Ends with `close`. Rejects with what could not be read: calls do that themselves then. Absent: there is nothing to read.
   */
  warmUp?(credential: Credential | undefined): Promise<void>;
  close(): Promise<void>;
}

/** What a toolset is handed besides. */
export interface ToolsetDeps extends KindDeps {
  /** Where the vendor is: the destination's `url`. */
  readonly url: URL;
  /** An open connection there, TLS included, by the destination's network; absent: a direct one, as `rest` makes it. */
  readonly reach?: (url: URL) => Promise<Socket>;
  /** Opens the store that the option `cache.store` names, which the toolset closes; absent where it names none. */
  readonly answers?: () => Promise<SharedAnswers>;
  /** True where the vendor is shown the same for every caller: to it they are one user, who may see the same. */
  readonly shared?: boolean;
}

/** A toolset that a configuration can name. */
export interface ToolsetKind<Options = unknown> extends Kind<Toolset, Options, ToolsetDeps> {
  /** True where no vendor is called: a destination of it has neither `url` nor `credential`. */
  readonly placeless?: true;
}

/** What upstreams of kind `toolset` are handed besides. */
export interface ToolsetUpstreamDeps extends UpstreamDeps {
  /** Makes the toolset of that name, of options that have been checked; `url` is absent where it calls no vendor. */
  openToolset(name: string, options: unknown, url: URL | undefined): Promise<Toolset>;
  /** Told of a call that fails behind a part of its answer, for the breakers: its attempt has been judged by that part. */
  failedLate(exchange: Exchange, failure: NonNullable<Exchange['failure']>): void;
}
