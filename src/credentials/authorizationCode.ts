import * as z from 'zod';
import type { CredentialDeps, CredentialSource, Kind } from '../contracts.js';
import { httpUrl, origin } from '../core/schema.js';
import { checkServer } from './authorizationServer.js';
import { checkProof } from './clientProof.js';
import { logInByCode } from './codeLogin.js';
import { carriedOn, grantFields } from './grantOptions.js';
import { type Grants, KeptTokens } from './keptTokens.js';
import { whose } from './whose.js';

const fields = z.strictObject({
  ...grantFields,
  authorizeUrl: httpUrl().optional(),
  /** Further parameters of the authorization request. */
  authorizeParameters: z.record(z.string(), z.string()).default({}),
  /** Whose the token is: one for everybody, or one for each caller. */
  for: whose,
  /** The only origins that may see the token. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof fields>;

const options = fields.superRefine((given, context) => {
  checkServer(given, ['authorizeUrl', 'tokenUrl'], context);
  checkProof(given, context);
});

/** OAuth 2 authorization code (RFC 6749 section 4.1): a person logs in, once, in a browser. */
const kind: Kind<CredentialSource, Options, CredentialDeps> = {
  options,
  create(given, deps) {
    const grants = grantsOf(given, deps);
    const { for: whose, origins } = given;
    return new KeptTokens({ kind: 'authorization-code', for: whose, origins, grants: () => grants }, deps);
  },
};

export default kind;

function grantsOf(given: Options, deps: CredentialDeps): Grants {
  const { calls, ...carried } = carriedOn(given, 'tokenUrl', deps);
  const { clientId, scope, audience, resource, authorizeParameters } = given;
  const login = {
    calls,
    logins: deps.logins,
    clientId,
    scope,
    parameters: { ...authorizeParameters, audience, resource },
  };
  return { ...carried, begin: (person) => logInByCode(login, person) };
}
