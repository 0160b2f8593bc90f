import type { Socket } from 'node:net';
import type { Clock, Signals } from '../../contracts.js';

/** What an engine may have and how long it waits. Times in milliseconds. */
export interface EngineLimits {
  /** Open sockets of one principal; the engine has a limit of its own, of about as many. */
  readonly sessionsPerPrincipal: number;
  /** Open sockets in all. */
  readonly sessions: number;
  /** Handles of one principal; one that needs no socket costs next to nothing. */
  readonly handlesPerPrincipal: number;
  /** Handles in all. */
  readonly handles: number;
  /** Calls that run on one session at a time. */
  readonly callsPerSession: number;
  /** A session that nobody used for so long is closed, and its handle is forgotten. */
  readonly idleMs: number;
  /** Something between drops sockets that are silent for longer. */
  readonly pingMs: number;
  /** Until the socket is open. */
  readonly handshakeMs: number;
  /** Until the app is open: a large one takes its time. */
  readonly openMs: number;
  /** One call of a tool. */
  readonly callMs: number;
  /** Of one message from the engine. */
  readonly maxMessageBytes: number;
}

export const ENGINE_LIMITS: EngineLimits = {
  sessionsPerPrincipal: 5,
  sessions: 200,
  handlesPerPrincipal: 20,
  handles: 2_000,
  callsPerSession: 16,
  idleMs: 600_000,
  pingMs: 20_000,
  handshakeMs: 10_000,
  openMs: 120_000,
  callMs: 180_000,
  maxMessageBytes: 16 * 1024 * 1024,
};

export interface EngineOptions {
  /** The tenant: credentials are shown to its origin only. https, or http on loopback. */
  readonly url: URL;
  readonly clock: Clock;
  readonly signals: Signals;
  /** The destination's name, for signals. */
  readonly destination: string;
  readonly limits?: Partial<EngineLimits>;
  /** An open connection to the tenant, TLS included; absent: a direct one. For networks with a proxy or a CA of their own. */
  readonly reach?: (url: URL) => Promise<Socket>;
}
