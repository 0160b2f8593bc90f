import * as z from 'zod';
import type { CredentialDeps, CredentialSource, Kind } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import { origin, secret } from '../core/schema.js';
import { checkServer } from './authorizationServer.js';
import { checkProof } from './clientProof.js';
import { carriedOn, grantFields } from './grantOptions.js';
import { type Grants, KeptTokens } from './keptTokens.js';

const fields = z.strictObject({
  ...grantFields,
  /** The one that a provider gave to the operator. */
  refreshToken: secret(),
  /** The only origins that may see the token. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof fields>;

const options = fields.superRefine((given, context) => {
  checkServer(given, ['tokenUrl'], context);
  checkProof(given, context);
});

/** A refresh token that an operator wrote down (RFC 6749 section 6), and whatever the provider gave in its place since. */
const kind: Kind<CredentialSource, Options, CredentialDeps> = {
  options,
  create(given, deps) {
    const grants = grantsOf(given, deps);
    const { origins } = given;
    return new KeptTokens({ kind: 'refresh-token', for: 'gateway', origins, grants: () => grants }, deps);
  },
};

export default kind;

function grantsOf(given: Options, deps: CredentialDeps): Grants {
  const { calls, bond, revoke } = carriedOn(given, 'tokenUrl', deps);
  const { scope, audience } = given;
  return {
    // Where it is revealed anew, no dump of this shows it.
    get bond() {
      return { ...bond, root: given.refreshToken.reveal() };
    },
    refresh: (refreshToken) => calls.refresh(refreshToken, { scope, audience }),
    begin: (_person, refusal) => Promise.reject(refusal && usedUp(refusal)),
    revoke,
  };
}

function usedUp({ message }: CredentialError): CredentialError {
  return new CredentialError(message, 'Have the provider give a new refresh token, and write that down.');
}
