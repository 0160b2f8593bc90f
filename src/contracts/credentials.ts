import type { Exchange, HeaderLines } from '../contracts.js';

/** A token and how long it serves. Epoch milliseconds. */
export interface AuthToken {
  readonly value: string;
  readonly obtainedAt: number;
  readonly expiresAt: number;
}

/** What is shown to an upstream. */
export type Credential = { readonly headers: HeaderLines; readonly token: AuthToken };

/** One way to obtain a credential. Knows nothing of caches, locks or origins' checks: those are the broker's. */
export interface CredentialSource {
  readonly scope: 'gateway' | 'caller';
  /** The only origins that may see it. */
  readonly origins: readonly string[];
  /** True when a refused token is worth asking anew: false for what an operator wrote down. */
  readonly renewable: boolean;
  /** Rejects with a CredentialError that says what mends it. */
  acquire(signal: AbortSignal): Promise<AuthToken>;
  present(token: AuthToken): Credential;
}

/** Obtains, caches and renews credentials; one token request at a time per credential and subject. */
export interface AuthBroker {
  /** Rejects with CREDENTIAL_ORIGIN_NOT_ALLOWED before anything is fetched for an origin that isn't listed. */
  credential(name: string, exchange: Exchange, origin: string): Credential | Promise<Credential>;
  /** Drops that very token, not a newer one. True when a fresh one may be had. */
  reject(name: string, credential: Credential): boolean;
  /** The gateway's own tokens that are held, by credential; never their values. */
  list(): readonly (Omit<AuthToken, 'value'> & { readonly name: string })[];
  /** Forgets the gateway's own token of that credential. True when there was one. */
  drop(name: string): boolean;
  close(): Promise<void>;
}
