import type { Principal } from '../contracts.js';
import { claimAt, oneText, textsAt } from '../core/claims.js';
import { CredentialError } from '../core/errors.js';
import { given, type QlikOptions } from './qlikOptions.js';

/** What a user is looked up by, as `/oauth/token` takes it. */
export type UserLookup = { readonly field: 'subject' | 'userId'; readonly value: string };

/** Whom a JWT for `/login/jwt-session` speaks of. */
export interface JwtUser {
  readonly sub: string;
  readonly name: string;
  readonly email: string;
  readonly email_verified: boolean;
  readonly groups?: readonly string[];
}

/**
 * The user that a caller, or the operator, means.
 * @throws CredentialError where the caller has none: another identity entry vouches for it, or it lacks the claim
 */
export function userLookup(options: QlikOptions, owner: Principal | null): UserLookup {
  const field = options.lookup ?? 'subject';
  return { field, value: owner ? callerOf(options, owner) : given(options.user) };
}

/** @throws CredentialError as `userLookup` does */
export function jwtUser(options: QlikOptions, owner: Principal | null): JwtUser {
  if (!owner) {
    const { user, userName, userEmail, userGroups } = options;
    const groups = userGroups ? { groups: userGroups } : {};
    return { sub: given(user), name: given(userName), email: given(userEmail), email_verified: true, ...groups };
  }
  const { groupsClaim, nameClaim = 'name', emailClaim = 'email' } = options;
  const groups = groupsClaim === undefined ? {} : { groups: textsAt(owner.claims, [groupsClaim]) };
  return {
    sub: callerOf(options, owner),
    name: claimOf(owner, nameClaim, 'nameClaim'),
    email: claimOf(owner, emailClaim, 'emailClaim'),
    // Nobody but the caller's own provider can know.
    email_verified: owner.claims.email_verified === true,
    ...groups,
  };
}

/** Two providers may each have an `alice`: only those that the operator named speak of the tenant's users. */
function callerOf(options: QlikOptions, owner: Principal): string {
  const colon = owner.subject.indexOf(':');
  const entry = owner.subject.slice(0, colon);
  if (colon === -1 || !given(options.identity).includes(entry)) {
    throw new CredentialError(
      `the caller is known by ${colon === -1 ? 'no identity entry' : `the identity entry ${entry}`}, which speaks of no users of this tenant`,
      "Add the entry to the credential's identity, if its subjects are the tenant's users.",
    );
  }
  if (options.userClaim !== undefined) return claimOf(owner, options.userClaim, 'userClaim');
  return owner.subject.slice(colon + 1);
}

function claimOf({ claims }: Principal, name: string, option: string): string {
  const value = oneText(claimAt(claims, name));
  if (value !== undefined) return value;
  throw new CredentialError(
    `the caller's token has no text in the claim ${name}`,
    `Have the provider write it, or set ${option} to a claim that its tokens have.`,
  );
}
