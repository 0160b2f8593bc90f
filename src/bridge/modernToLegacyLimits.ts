/** What the bridge holds for its callers at most, and for how long. Milliseconds. */
export interface Limits {
  /** Sessions with the server; `PerOwner` counts those of one caller. */
  readonly sessions: number;
  readonly sessionsPerOwner: number;
  /** A session that nobody uses for so long is ended. */
  readonly idleMs: number;
  /** Calls that wait for their caller's answer to a question. */
  readonly parked: number;
  readonly parkedPerOwner: number;
  readonly parkMs: number;
  /** So long further questions are waited for, that they may be asked in one go. */
  readonly settleMs: number;
  /** An answer that has nothing to say yet begins, and shows that it lives, after so long. */
  readonly keepAliveMs: number;
  readonly listensPerSession: number;
  readonly urisPerListen: number;
}

export const LIMITS: Limits = {
  sessions: 1_000,
  sessionsPerOwner: 32,
  idleMs: 300_000,
  parked: 1_000,
  parkedPerOwner: 64,
  parkMs: 600_000,
  settleMs: 10,
  keepAliveMs: 15_000,
  listensPerSession: 64,
  urisPerListen: 256,
};
