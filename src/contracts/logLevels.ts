/** The contract about what the log keeps, and for how long it keeps more. Types only. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** One level for everything but what is said of these destinations. */
export interface LogRule {
  readonly level: LogLevel;
  readonly destinations: Readonly<Record<string, LogLevel>>;
}

/** A rule in the place of the configured one. Epoch milliseconds; absent: until it is taken back, or the process ends. */
export interface LogWish extends LogRule {
  readonly until?: number;
}

/** What is logged, changed while the process runs. */
export interface LogLevels {
  /** What holds now, and what the configuration says. */
  read(): { readonly now: LogWish; readonly configured: LogRule };
  set(wish: LogWish): void;
  /** Back to what is configured. */
  reset(): void;
}
