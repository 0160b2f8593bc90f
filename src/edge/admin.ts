import type { AuditLog, KeyRing } from '../contracts/callers.js';
import type { Operations } from '../contracts/operations.js';
import type { PoolState } from '../contracts/pools.js';
import type { Principal } from '../contracts/principal.js';
import type { ToolState, ToolTurn } from '../contracts/toolSwitches.js';
import type { Clock, Exchange, Handler, Signals } from '../contracts.js';
import type { CallFeed } from '../gateway/callFeed.js';
import type { CacheStats } from '../gateway/resultCache.js';
import type { BoundSession } from '../gateway/sessions.js';
import type { QuotaLine } from '../policy/quotaLines.js';
import type { CircuitState } from '../resilience/circuitBreaker.js';

export type { CacheStats } from '../gateway/resultCache.js';

/** A destination and how it fares. */
export interface DestinationRow {
  readonly name: string;
  readonly kind: string;
  readonly strategy: 'PROXY' | 'PASSTHROUGH';
  /** Where it goes, without query; absent where the operator gave no URL. */
  readonly url?: string;
  /** The credential's name. */
  readonly credential?: string;
  /** Absent: shared by all tenants. */
  readonly tenant?: string;
  readonly breaker: BreakerState;
  /** Those of its tools and tenants that have failed, and what they are of. */
  readonly breakers?: { state: BreakerState; tool?: string; tenant?: string }[];
  /** Of a pool. */
  readonly members?: MemberRow[];
}

export interface MemberRow {
  readonly url: string;
  readonly state: PoolState;
  readonly inFlight: number;
}

export type BreakerState = CircuitState;

/** A session of an upstream, bound to its owner. */
export type SessionRow = BoundSession;

/** A token that is held, without its value. Epoch milliseconds. */
export interface TokenRow {
  /** Of the credential. */
  readonly name: string;
  /** Whose it is, where it isn't the gateway's own. */
  readonly subject?: string;
  readonly tenant?: string;
  readonly obtainedAt: number;
  /** Infinity where it doesn't end. */
  readonly expiresAt: number;
}

/** A process that a destination has started. */
export interface ChildRow {
  readonly destination: string;
  readonly pid: number;
  /** Epoch milliseconds. */
  readonly since: number;
  /** Whose it is; absent: everybody's. */
  readonly subject?: string;
  readonly tenant?: string;
}

/** A limit as a whole, or what somebody has drawn of it. */
export type QuotaRow = QuotaLine;

/** What the management API reaches of the running process. What is absent isn't configured, and its routes say so. */
export interface AdminDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** Of this program, for the documents. */
  readonly version: string;
  /**
   * Who calls; undefined for nobody who is known. Absent: callers can't be known at all, and the API isn't there.
   * @throws GatewayError CALLER_UNKNOWN for proof that is bad, IDENTITY_UNAVAILABLE where it couldn't be checked
   */
  identify?(exchange: Exchange): Principal | undefined | Promise<Principal | undefined>;
  /**
   * Where callers can't be known: who is at this machine, or undefined for everybody else. The API then has what they may
   * use, and nothing besides.
   */
  local?(exchange: Exchange): Principal | undefined;
  /** Whether a principal has a permission such as `admin/keys/read`, or all of them: `admin/*`. Nothing is allowed by default. */
  permits(principal: Principal, permission: string): boolean;
  /** Header lines of a 401, such as `WWW-Authenticate` with where a token is to be had. */
  challenge(exchange: Exchange): readonly string[];
  /** Puts the stages of the `admin` door (observe, guard, limits by address) before the API. */
  through?(terminal: Handler): Handler;
  /** The caller's address, behind trusted proxies; by default the socket's. */
  address?(exchange: Exchange): string;

  readonly keys: KeyRing;
  readonly audit?: AuditLog;
  destinations(): readonly DestinationRow[];
  /** Closes it, and those of its tools and tenants. */
  resetBreaker(destination: string): void;
  /** Refuses every call for so long, or until it is closed. Milliseconds. */
  openBreaker(destination: string, forMs: number | undefined): void;
  /** Undefined for a destination whose tools don't live in this house. */
  tools(destination: string): readonly ToolState[] | undefined;
  /** The tools that were chosen, as they are now; undefined where there is none. */
  turnTools(turn: ToolTurn): readonly ToolState[] | undefined;
  sessions(): readonly SessionRow[];
  endSession(id: string): boolean;
  tokens(): readonly TokenRow[];
  /** Drops what is held under that credential's name; with a tenant, that tenant's only. How many went. */
  dropToken(name: string, tenant: string | undefined): number | Promise<number>;
  children(): readonly ChildRow[];
  readonly calls: CallFeed;
  /** Whether there is a page to look at. */
  readonly ui: boolean;
  /** Of one tenant only, where that is given. */
  quotas?(tenant: string | undefined): readonly QuotaRow[] | Promise<readonly QuotaRow[]>;
  resetQuota?(id: string): void | Promise<void>;
  readonly operations?: Operations;
  readonly cache?: {
    stats(): CacheStats;
    /** How many entries went. */
    clear(): number;
  };
}

/** The first part of every route's path. */
export const ADMIN_BASE = '/admin/v1';

/** Whoever is at this machine, where callers can't be known. */
export const LOCAL: Principal = { subject: 'local', roles: [], claims: {} };

/** The page to look at. */
export const UI_PATH = '/ui';

/** What Prometheus reads. */
export const METRICS_PATH = '/metrics';

/** True for the paths that the management API answers; `path` as it stands on the wire, without query. */
export function isAdminPath(path: string): boolean {
  return path === ADMIN_BASE || path.startsWith(`${ADMIN_BASE}/`) || path === '/openapi.json' || path === '/docs';
}
