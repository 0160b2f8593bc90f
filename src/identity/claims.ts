import * as z from 'zod';
import type { Principal } from '../contracts.js';
import { type Claims, claimAt, oneText, textsAt } from '../core/claims.js';
import { unknownCaller } from './provider.js';

export type { Claims } from '../core/claims.js';

const path = z.string().min(1).max(256);

/** Whom tokens must be meant for, as an option: one, or any of several. */
export function audiences() {
  const one = z.string().min(1);
  return z.union([one.transform((only) => [only]), z.array(one).min(1)]);
}

/** Which claims say what: the options that every kind of token shares. A path such as `realm_access.roles` goes into objects. */
export const claimOptions = {
  /** Who calls, within the issuer. */
  subject: path.default('sub'),
  /** The caller's tenant; a token without this claim is refused. */
  tenant: path.optional(),
  /** Where roles stand: lists of texts, or text with spaces. */
  roles: z.union([path.transform((one) => [one]), z.array(path)]).default(['roles']),
  /** Where scopes stand, likewise. */
  scopes: z.union([path.transform((one) => [one]), z.array(path)]).default(['scope', 'scp']),
  /** Scopes that every token must have. */
  requiredScopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be a scope (RFC 6749 section 3.3)'))
    .default([]),
};

export interface ClaimNames {
  readonly subject: string;
  readonly tenant?: string | undefined;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
}

/**
 * Whom verified claims mean. `entry` begins the subject, so that two issuers' subjects never meet.
 * @throws GatewayError CALLER_UNKNOWN where they name nobody, or no tenant though one is asked for
 */
export function principalOf(entry: string, claims: Claims, names: ClaimNames): Principal {
  const subject = oneText(claimAt(claims, names.subject));
  if (subject === undefined) throw unknownCaller('the token does not say whom it is about');
  const tenant = names.tenant === undefined ? undefined : oneText(claimAt(claims, names.tenant));
  if (names.tenant !== undefined && tenant === undefined) throw unknownCaller('the token does not name a tenant');
  return Object.freeze({
    subject: `${entry}:${subject}`,
    roles: textsAt(claims, names.roles),
    scopes: textsAt(claims, names.scopes),
    claims,
    ...(tenant === undefined ? {} : { tenant }),
  });
}

/** What `aud` says: text or a list of texts (RFC 7519 section 4.1.3). */
export function audiencesOf(claims: Claims): readonly string[] {
  const { aud } = claims;
  if (typeof aud === 'string') return [aud];
  return Array.isArray(aud) ? aud.filter((one): one is string => typeof one === 'string') : [];
}

/** True for a token that only the holder of a key may use (RFC 9449 section 6.1): as a mere bearer token it was stolen. */
export function isKeyBound(claims: Claims): boolean {
  const { cnf } = claims;
  return typeof cnf === 'object' && cnf !== null && Object.hasOwn(cnf, 'jkt');
}
