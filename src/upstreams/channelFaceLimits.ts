import type { Clock, Signals } from '../contracts.js';
import type { OpenChannel } from './channel.js';

/** How much a face holds at most. */
export interface FaceLimits {
  /** Channels at a time; past that, one that idles is closed, or the newcomer is refused. */
  readonly channels: number;
  /** Sessions at a time: more than channels only where one channel serves them all. */
  readonly sessions: number;
  /** Requests that run in one session. */
  readonly calls: number;
  /** Milliseconds that a session may lie unused; a GET stream that is open is a use. */
  readonly idleMs: number;
  /** Milliseconds until a request's first message must have come. */
  readonly firstByteMs: number;
  /** Milliseconds until `server/discover` must be answered: older servers say nothing at all. */
  readonly discoverMs: number;
  /** Milliseconds between two comments on a stream that is silent. */
  readonly keepAliveMs: number;
}

export const FACE_LIMITS: FaceLimits = {
  channels: 1_000,
  sessions: 10_000,
  calls: 1_000,
  idleMs: 1_800_000,
  firstByteMs: 300_000,
  discoverMs: 20_000,
  keepAliveMs: 25_000,
};

export interface ChannelFaceOptions {
  /** The destination's name. */
  readonly name: string;
  readonly open: OpenChannel;
  /** One channel serves all sessions of all callers; otherwise each session, and each caller of 2026-07-28, has its own. */
  readonly shared?: boolean;
  readonly clock: Clock;
  readonly signals: Signals;
  readonly limits?: Partial<FaceLimits>;
}
