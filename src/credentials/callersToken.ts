import type { Asking, Principal, Proof } from '../contracts.js';
import { CredentialError, GatewayError } from '../core/errors.js';

/** The basis of what is made from the caller's own token. Throws CALLER_TOKEN_NEEDED for a caller who showed none. */
export function proofFor(credential: string): (caller: Principal) => Proof {
  return ({ proof }) => {
    if (proof) return proof;
    throw new GatewayError(
      'CALLER_TOKEN_NEEDED',
      `the credential ${credential} is made from the caller's own token, and this caller proved itself without one`,
    );
  };
}

/** The caller's own token, to be sent to whoever exchanges it. */
export function tokenOf({ caller }: Asking): string {
  return callerOf(caller).proof?.reveal() ?? nobody();
}

/** Who calls: always there where the broker asks. */
export function callerOf(caller: Principal | undefined): Principal {
  return caller ?? nobody();
}

function nobody(): never {
  throw new CredentialError('there is no caller whose token could be used', 'Have it called by somebody with a token.');
}
