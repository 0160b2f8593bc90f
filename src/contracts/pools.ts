/** The contract of a destination that has several URLs. Types only. */

/** What a call's end says about whoever served it; `neither` where it says nothing, as when the caller left. */
export type Health = 'good' | 'bad' | 'neither';

/** One of the servers that stand for the same destination. */
export interface PoolMember {
  readonly url: URL;
  /** Calls under way there, streams included. */
  readonly inFlight: number;
  /** `slow-start`: back, and given less than its share. `ejected`: its calls failed. `unhealthy`: it failed its checks. */
  readonly state: PoolState;
}

export type PoolState = 'serving' | 'slow-start' | 'ejected' | 'unhealthy';

/** Several servers of which any may answer a call, but for those of a session. */
export interface Pool {
  readonly members: readonly PoolMember[];
  /** True where calls of 2026-07-28 stay with one member per caller: the bridge keeps sessions there for them. */
  readonly sticky: boolean;
  /** Who gets the next call; `tried`: had it already. `key`: the same one gets the same member, while that serves. */
  choose(tried: ReadonlySet<PoolMember>, key?: string): PoolMember;
  /** True while another one serves that hasn't been tried. */
  hasOther(tried: ReadonlySet<PoolMember>): boolean;
  /** True for one that is out since nothing could be sent to it any more: its sessions are lost with it. */
  isGone(member: PoolMember): boolean;
  /** A call begins; what is returned hears of its end. */
  begin(member: PoolMember): PoolTurn;
}

/** One call at one member. */
export interface PoolTurn {
  /** At the head of the answer, or where none came. `ms`: how long that took; absent where it says nothing of the member's speed. */
  settle(health: Health, ms: number | undefined, neverSent?: boolean): void;
  /** The stream that was its answer broke off. */
  broke(): void;
  /** Nothing of it is under way any more; a second time does nothing. */
  end(): void;
}

/** An attempt at a member of a pool. */
export interface RouteTurn<Answer> {
  /** How it went, told once, and what that says of the destination as a whole. Milliseconds to the head of the answer. */
  judge(health: Health, ms: number, neverSent: boolean): Health;
  /** The answer as the caller gets it. */
  take(reply: Answer): Answer;
  /** No answer came. */
  fail(): void;
}
