/** The contract by which replicas tell each other what their breakers found out. Types only. */

/** What a breaker is of. */
export interface HintName {
  readonly destination: string;
  readonly tool?: string;
  readonly tenant?: string;
}

/** Nothing here is waited for by a call, and nothing rejects. */
export interface BreakerHints {
  /** This process has opened one, and will try it again then. Milliseconds. */
  opened(name: HintName, forMs: number): void;
  closed(name: HintName): void;
  /** Those that others have open just now, by as many as have them; told anew when that changes, once a second at most. */
  listen(told: (names: readonly HintName[]) => void): void;
  close(): void;
}
