import type { ToolContext } from '../../contracts/tools.js';
import type { Credential } from '../../contracts.js';
import { claimsIn } from '../../core/claims.js';
import { scopeKey } from '../../core/scopeKey.js';
import { fingerprint } from './fingerprint.js';

/**
 * Who a session belongs to: our caller, and the vendor's user that they are shown as. Two that look alike to us may be two
 * users there, and one tomorrow another than today: none of them is ever served on a socket of the other's.
 */
export function principalOf({ owner, credential }: ToolContext): string {
  if (!credential) return scopeKey(owner);
  return scopeKey(owner, ...(credential.callers ? shownBy(credential) : userOf(credential)));
}

/** Of what a caller sends along itself nothing else is known. */
function shownBy({ headers }: Credential): readonly string[] {
  return ['sent', fingerprint(headers)];
}

/** Unverified: it only ever tells sessions apart. An API key and a cookie name nobody; they stand for one user each. */
function userOf({ token }: Credential): readonly string[] {
  const claims = claimsIn(token.value);
  return claims ? ['user', JSON.stringify([claims.iss, claims.sub, claims.userId])] : [];
}
