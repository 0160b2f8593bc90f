import type { Owner } from './principal.js';

/** Keys and values with a life; `ttlMs` counts from the call. */
export interface Store {
  get<Value>(key: string): Value | undefined;
  set<Value>(key: string, value: Value, ttlMs: number): void;
  delete(key: string): void;
  close(): void;
}

/** Time and chance, handed in so that no test needs to sleep. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Milliseconds with a fraction, for durations; never goes back. */
  monotonic(): number;
  /** In [0, 1). */
  random(): number;
  /** Rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A process that an upstream has started. */
export interface ChildProcess {
  readonly pid: number;
  /** Epoch milliseconds. */
  readonly since: number;
  /** The only caller that it serves; absent: it serves all. */
  readonly owner?: Owner;
}

/** One call writes everything that a happening leaves behind: today a log line. Names are those of `telemetry/signals`. */
export interface Signals {
  emit(name: string, fields?: Readonly<Record<string, unknown>>): void;
  /**
   * False: building the fields would be wasted. `destination`: that one's only, which may have a level of its own; what has
   * none goes by an empty name.
   */
  enabled(name: string, destination?: string): boolean;
}

/** Milliseconds. None of them cuts a living stream. */
export interface Deadlines {
  readonly connectMs: number;
  readonly firstByteMs: number;
  /** Between two chunks of an answer; event streams may be silent for longer. */
  readonly idleMs: number;
}

/** Documents that hold secrets, by name. What can't be read is as good as absent: it costs a new login, and nothing else. */
export interface Vault {
  /** Undefined where there is none, or none that can be read. */
  read(name: string): Promise<object | undefined>;
  /** Never rejects for want of a disk: what can't be written is kept by this process alone, and it says so. */
  write(name: string, document: object): Promise<void>;
  /** Never rejects for want of a disk. */
  remove(name: string): Promise<void>;
  list(): Promise<readonly { readonly name: string; readonly document: object }[]>;
  /** Lets one do its job under that name at a time, other processes included. Rejects with the signal's reason when it aborts first. */
  alone<Value>(name: string, signal: AbortSignal, job: () => Promise<Value>): Promise<Value>;
  /** What would lose a token if it were cut off: `close` waits for it, a few seconds at most. */
  hold<Value>(work: Promise<Value>): Promise<Value>;
  /** Writes what it could not write so far, if it can by then. */
  close(): Promise<void>;
}
