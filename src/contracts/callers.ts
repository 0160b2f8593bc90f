/** The contracts about callers: who they are, what they may, how much, and what is kept of it. Types only. */
import type { Exchange, Inbound, KindDeps, McpCall, Principal } from '../contracts.js';

/** One way to know a caller by what a request carries. */
export interface IdentityProvider {
  /** Issuers of the authorization servers whose tokens it takes (RFC 9728 `authorization_servers`); empty where nobody logs in for it. */
  readonly authorizationServers: readonly string[];
  /** True where the request carries this kind's sort of proof, good or bad: it then decides alone, nothing falls through to another. */
  recognises(request: Inbound): boolean;
  /**
   * Who calls. Without a promise where nothing has to be waited for.
   * @throws GatewayError CALLER_UNKNOWN for proof that is bad, IDENTITY_UNAVAILABLE where it couldn't be checked
   */
  verify(request: Inbound): Principal | Promise<Principal>;
  close?(): void | Promise<void>;
}

/** What an identity kind is handed besides. */
export interface IdentityDeps extends KindDeps {
  /** What callers know this process by (`server.publicUrl`); tokens are meant for it. */
  readonly publicUrl: URL | undefined;
  /** True for the address of a proxy that may vouch for callers' certificates. */
  trustedProxy(address: string): boolean;
  /** The API keys of this gateway. */
  readonly keys: KeyRing;
}

/** An API key as it is kept: its hash, never itself. Epoch milliseconds. */
export interface ApiKey {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the whole key, hex. */
  readonly hash: string;
  readonly tenant?: string;
  readonly roles: readonly string[];
  /** Globs; absent: any. */
  readonly destinations?: readonly string[];
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly revokedAt?: number;
}

export interface NewKey {
  readonly name: string;
  readonly tenant?: string;
  readonly roles?: readonly string[];
  readonly destinations?: readonly string[];
  readonly expiresInMs?: number;
}

/** Creates, finds and ends API keys. The text of a key exists once: in the answer to `create` and `rotate`. */
export interface KeyRing {
  list(): readonly ApiKey[];
  /** By the hash of the whole key; undefined for one that is unknown, ended or revoked. */
  find(hash: string): ApiKey | undefined;
  create(wanted: NewKey): Promise<{ readonly key: string; readonly record: ApiKey }>;
  /** A new key with the same rights; the old one serves on for `overlapMs`. */
  rotate(id: string, overlapMs: number): Promise<{ readonly key: string; readonly record: ApiKey }>;
  revoke(id: string): Promise<boolean>;
}

/** What a rule says about a call. */
export type Verdict =
  | { readonly allowed: true }
  | { readonly allowed: false }
  /** Allowed once the token has these scopes: all that the call needs, in one challenge. */
  | { readonly allowed: false; readonly scopes: readonly string[] };

/** Who may call what. The same rule filters lists and refuses calls. */
export interface Permissions {
  /** True where every rule and scope is absent: nothing has to be filtered. */
  readonly open: boolean;
  decide(principal: Principal | undefined, destination: string, call: McpCall): Verdict;
  /** Whether a listed tool, prompt or resource may be used, by the method that uses it (`tools/call`, `prompts/get`, `resources/read`). */
  mayUse(principal: Principal | undefined, destination: string, method: string, name: string): boolean;
}

/** What is refused for a while. */
export interface Excess {
  /** Which limit, such as `perCaller`. */
  readonly limit: string;
  readonly retryAfterMs: number;
}

/** How much a caller may. Both are asked before anything costly happens. */
export interface Quotas {
  /** By the caller's address, before its proof is looked at. */
  admitAddress(address: string): Excess | undefined | Promise<Excess | undefined>;
  /** A proof was bad: the next ones from that address cost more. */
  blame(address: string): void;
  /** Takes one from every bucket that the call meets; what was taken of a concurrency limit is given back by `release`. */
  admitCall(exchange: Exchange): Excess | Admission | Promise<Excess | Admission>;
}

export interface Admission {
  readonly headers: readonly string[];
  release(): void;
}

/** One line of the audit log, before it is chained. No argument's value, unless a destination says otherwise. */
export interface AuditEntry {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly requestId: string;
  readonly action: string;
  readonly subject: string | undefined;
  readonly tenant: string | undefined;
  readonly address: string;
  readonly destination: string | undefined;
  readonly method: string | undefined;
  readonly name: string | undefined;
  readonly argumentNames: readonly string[];
  readonly outcome: 'allowed' | 'refused' | 'failed';
  readonly status: number;
  readonly code: string | undefined;
}

export interface AuditQuery {
  readonly from?: number;
  readonly to?: number;
  readonly subject?: string;
  readonly tenant?: string;
  readonly destination?: string;
  readonly action?: string;
  readonly limit: number;
  /** Sequence number to start behind. */
  readonly after?: number;
}

/** Append-only, hash-chained: each line holds the hash of the one before. */
export interface AuditLog {
  /** Never throws and never waits: what can't be kept is counted and told. */
  append(entry: AuditEntry): void;
  query(query: AuditQuery): Promise<readonly (AuditEntry & { readonly sequence: number; readonly hash: string })[]>;
  /** The first line that doesn't fit the one before; undefined where the chain is whole. */
  verify(): Promise<{ readonly lines: number; readonly brokenAt?: number }>;
  close(): Promise<void>;
}
