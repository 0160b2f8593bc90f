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

/** One call writes everything that a happening leaves behind: today a log line. Names are those of `telemetry/signals`. */
export interface Signals {
  emit(name: string, fields?: Readonly<Record<string, unknown>>): void;
  /** False: building the fields would be wasted. */
  enabled(name: string): boolean;
}

/** Milliseconds. None of them cuts a living stream. */
export interface Deadlines {
  readonly connectMs: number;
  readonly firstByteMs: number;
  /** Between two chunks of an answer; event streams may be silent for longer. */
  readonly idleMs: number;
}
