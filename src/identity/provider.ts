import type { IdentityProvider } from '../contracts/callers.js';
import type { Inbound, Principal } from '../contracts.js';
import { GatewayError } from '../core/errors.js';

/** What the kinds of this room say of themselves besides. */
export interface Provider extends IdentityProvider {
  /** Scopes that every token of theirs must have: told to whoever has none. */
  readonly requiredScopes?: readonly string[];
  /** True where it is asked behind all others, wherever the configuration has it. */
  readonly last?: boolean;
  /** True where its proof is no token: what the request has in `Authorization` or `x-api-key` is for somebody else. */
  readonly leavesTokens?: boolean;
}

/** A token is good but not good enough (RFC 6750 section 3.1, insufficient_scope). */
export class MissingScopes extends GatewayError {
  /** All that is needed, what the token has included. */
  readonly scopes: readonly string[];

  constructor(scopes: readonly string[]) {
    super('SCOPE_REQUIRED', 'the token lacks scopes that are needed here');
    this.scopes = scopes;
  }
}

/** Proof that is bad. The message goes to the caller: never anything of the proof in it. */
export function unknownCaller(message: string): GatewayError {
  return new GatewayError('CALLER_UNKNOWN', message);
}

/** Proof that couldn't be checked; the cause is for the log. */
export function unchecked(message: string, retryAfter: number, cause?: unknown): GatewayError {
  return new GatewayError('IDENTITY_UNAVAILABLE', message, { retryAfter, cause });
}

/** @throws MissingScopes where one is missing */
export function assertScopes(principal: Principal, required: readonly string[]): void {
  for (const scope of required) if (!principal.scopes?.includes(scope)) throw new MissingScopes(required);
}

/** One Bearer token (RFC 6750 section 2.1): the scheme in any case, then one token68. ASCII only, so no look-alike passes. */
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** The token of the request's Authorization line; undefined where there is none, or not exactly one. */
export function bearerToken(request: Inbound): string | undefined {
  const value = request.header('authorization');
  return value === undefined ? undefined : BEARER.exec(value)?.[1];
}

/** Three parts of base64url: a signed JWT (RFC 7515 section 3.1), or what claims to be one. */
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

export function looksLikeJwt(token: string): boolean {
  return JWT.test(token);
}
