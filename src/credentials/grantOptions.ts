import type { CredentialDeps } from '../contracts.js';
import { httpUrl } from '../core/schema.js';
import { AuthorizationServer, issuer } from './authorizationServer.js';
import { type ClientProof, clientFields, clientOf, proofWords } from './clientProof.js';
import { GrantCalls } from './grantCalls.js';
import type { Grants } from './keptTokens.js';
import { askedFields } from './tokenClient.js';

/** Which authorization server, which client, and what is asked for: the options of every grant that a refresh token carries on. */
export const grantFields = {
  /** Its metadata names the endpoints (RFC 8414, OpenID Connect Discovery). */
  issuer: issuer().optional(),
  tokenUrl: httpUrl().optional(),
  ...clientFields,
  ...askedFields,
};

type Given = ConstructorParameters<typeof AuthorizationServer>[0] &
  ClientProof & {
    readonly scope?: string | undefined;
    readonly audience?: string | undefined;
    readonly resource?: string | undefined;
    readonly parameters: Readonly<Record<string, string>>;
  };

/** What such grants have in common: all but how they begin. `urls`: where the operator wrote the endpoints, for messages. */
export interface Carried extends Pick<Grants, 'bond' | 'refresh' | 'revoke'> {
  readonly calls: GrantCalls;
}

export function carriedOn(given: Given, urls: string, deps: CredentialDeps): Carried {
  const server = new AuthorizationServer(given, deps);
  const { clientId, scope, audience, resource, parameters } = given;
  const words = { url: given.tokenUrl ? urls : 'issuer', client: proofWords(given) };
  const asker = { server, client: (url: URL) => clientOf(given, url), words, parameters, resource };
  const calls = new GrantCalls(asker, { clock: deps.clock });
  return {
    calls,
    bond: { place: server.place, words: [clientId, scope, resource, audience] },
    refresh: (refreshToken) => calls.refresh(refreshToken),
    revoke: (tokens) => calls.revoke(tokens),
  };
}
