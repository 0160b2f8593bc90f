import type { Clock, Signals } from '../contracts.js';
import type { Seal } from '../core/seal.js';

/** What both directions of the bridge are handed. */
export interface BridgeDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** For state that a caller keeps for us. */
  readonly seal: Seal;
}

/** What the session ids of a bridge begin with: the servers behind it have none. */
export const SESSION_PREFIX = 'db.';

export function isBridgeSession(id: string | undefined): boolean {
  return id?.startsWith(SESSION_PREFIX) ?? false;
}
