import * as z from 'zod';
import type { CredentialDeps, CredentialSource, Kind } from '../contracts.js';
import { httpUrl, origin } from '../core/schema.js';
import { AuthorizationServer, checkServer, issuer } from './authorizationServer.js';
import { checkProof, clientFields, clientOf, proofWords } from './clientProof.js';
import { logInByCode } from './codeLogin.js';
import { GrantCalls } from './grantCalls.js';
import { type Grants, KeptTokens } from './keptTokens.js';

const fields = z.strictObject({
  /** Its metadata names the endpoints (RFC 8414, OpenID Connect Discovery). */
  issuer: issuer().optional(),
  authorizeUrl: httpUrl().optional(),
  tokenUrl: httpUrl().optional(),
  ...clientFields,
  scope: z.string().min(1).optional(),
  audience: z.string().min(1).optional(),
  /** RFC 8707. */
  resource: z.string().min(1).optional(),
  /** Further parameters of the authorization request. */
  authorizeParameters: z.record(z.string(), z.string()).default({}),
  /** Further parameters of token requests. */
  parameters: z.record(z.string(), z.string()).default({}),
  /** Whose the token is: one for everybody, or one for each caller. */
  for: z.enum(['gateway', 'caller']).default('gateway'),
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
  const server = new AuthorizationServer(given, deps);
  const { clientId, scope, audience, resource, parameters, authorizeParameters } = given;
  const words = { url: given.tokenUrl ? 'tokenUrl' : 'issuer', client: proofWords(given) };
  const calls = new GrantCalls(
    { server, client: (url) => clientOf(given, url), words, parameters, resource },
    { clock: deps.clock },
  );
  const wanted = { ...authorizeParameters, audience, resource };
  return {
    bond: { place: server.place, words: [clientId, scope, resource, audience] },
    refresh: (refreshToken) => calls.refresh(refreshToken),
    begin: (person) => logInByCode({ calls, logins: deps.logins, clientId, scope, parameters: wanted }, person),
    revoke: (tokens) => calls.revoke(tokens),
  };
}
