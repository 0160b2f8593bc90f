import * as z from 'zod';
import type { CredentialDeps, CredentialSource, Kind } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import { httpUrl, origin, secret } from '../core/schema.js';
import { AuthorizationServer, checkServer, issuer } from './authorizationServer.js';
import { checkProof, clientFields, clientOf, proofWords } from './clientProof.js';
import { GrantCalls } from './grantCalls.js';
import { type Grants, KeptTokens } from './keptTokens.js';

const fields = z.strictObject({
  /** Its metadata names the token endpoint (RFC 8414, OpenID Connect Discovery). */
  issuer: issuer().optional(),
  tokenUrl: httpUrl().optional(),
  ...clientFields,
  /** The one that a provider gave to the operator. */
  refreshToken: secret(),
  scope: z.string().min(1).optional(),
  audience: z.string().min(1).optional(),
  /** RFC 8707. */
  resource: z.string().min(1).optional(),
  /** Further parameters of token requests. */
  parameters: z.record(z.string(), z.string()).default({}),
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
  const server = new AuthorizationServer(given, deps);
  const { clientId, scope, audience, resource, parameters } = given;
  const words = { url: given.tokenUrl ? 'tokenUrl' : 'issuer', client: proofWords(given) };
  const calls = new GrantCalls(
    { server, client: (url) => clientOf(given, url), words, parameters, resource },
    { clock: deps.clock },
  );
  const bond = { place: server.place, words: [clientId, scope, resource, audience] };
  return {
    // Where it is revealed anew, no dump of this shows it.
    get bond() {
      return { ...bond, root: given.refreshToken.reveal() };
    },
    refresh: (refreshToken) => calls.refresh(refreshToken, { scope, audience }),
    begin: (_person, refusal) => Promise.reject(refusal && usedUp(refusal)),
    revoke: (tokens) => calls.revoke(tokens),
  };
}

function usedUp({ message }: CredentialError): CredentialError {
  return new CredentialError(message, 'Have the provider give a new refresh token, and write that down.');
}
