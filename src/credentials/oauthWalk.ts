import {
  auth,
  computeScopeUnion,
  extractWWWAuthenticateParams,
  isStrictScopeSuperset,
} from '@modelcontextprotocol/client';
import type { CredentialDeps, Login, LoginPurpose } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import { type ClientOptions, OAuthClient } from './oauthClient.js';
import type { KeptTokens, OAuthDocument, OAuthMemory } from './oauthDocument.js';

export interface Walk {
  readonly server: URL;
  readonly options: ClientOptions;
  /** The `WWW-Authenticate` that set it off, where there was one. */
  readonly challenge: string | undefined;
  readonly memory: OAuthMemory;
  readonly document: OAuthDocument;
  readonly deps: CredentialDeps;
  /** Whose the tokens will be. */
  readonly purpose: LoginPurpose;
  /** A person is asked; `done` of it settles when they have answered. */
  asks(login: Login): void;
}

/** Ports that others may listen on already. */
const MOST_PORTS = 8;

/**
 * From a refusal to tokens: discovery (RFC 9728, RFC 8414), registration, refresh, and where that isn't enough a login
 * (PKCE, RFC 9207, RFC 8707). Rejects with a CredentialError, or as the SDK does.
 */
export async function walk(wanted: Walk): Promise<KeptTokens> {
  const { server, options, deps } = wanted;
  const said = challengeIn(wanted.challenge);
  const had = wanted.document.tokens?.scope;
  const scope = computeScopeUnion(options.scope, said.error === 'insufficient_scope' ? had : undefined, said.scope);
  const resourceMetadataUrl = said.resourceMetadataUrl ?? knownMetadata(wanted.document);
  let document = resourceMetadataUrl
    ? { ...wanted.document, resourceMetadataUrl: resourceMetadataUrl.href }
    : wanted.document;
  const asked = {
    serverUrl: server,
    fetchFn: deps.fetchFor(server),
    ...(scope === undefined ? {} : { scope }),
    ...(resourceMetadataUrl ? { resourceMetadataUrl } : {}),
    // A refresh can't widen what was granted (RFC 6749 section 6).
    forceReauthorization: had !== undefined && isStrictScopeSuperset(scope, had),
  };
  for (let ports = 0; ports < MOST_PORTS; ports++) {
    // The client that was registered for the first one renews what it was given, whoever listens there now.
    const redirectUri = deps.logins.redirectUri(server.href, ports === 0 ? document.client?.redirectUri : undefined);
    const client = new OAuthClient(options, { memory: wanted.memory, document, redirectUri, clock: deps.clock });
    if ((await auth(client, asked)) === 'AUTHORIZED') return tokensOf(client);
    const authorization = client.authorization as URL;
    const login = await deps.logins.begin(authorization, redirectUri, client.expectedState, wanted.purpose);
    if (!login) {
      document = client.document;
      continue;
    }
    wanted.asks(login);
    const { code, iss } = await login.done;
    await auth(client, { ...asked, authorizationCode: code, ...(iss === undefined ? {} : { iss }) });
    return tokensOf(client);
  }
  throw new CredentialError(
    'no port is free that a browser could come back to',
    'Name a free one: --browser-auth-port.',
  );
}

function challengeIn(challenge: string | undefined): ReturnType<typeof extractWWWAuthenticateParams> {
  const headers = challenge === undefined ? {} : { 'www-authenticate': challenge };
  return extractWWWAuthenticateParams(new Response(null, { status: 401, headers }));
}

function knownMetadata({ resourceMetadataUrl }: OAuthDocument): URL | undefined {
  return resourceMetadataUrl === undefined ? undefined : new URL(resourceMetadataUrl);
}

function tokensOf(client: OAuthClient): KeptTokens {
  const { tokens } = client.document;
  if (tokens) return tokens;
  throw new CredentialError('the authorization server gave no token', 'Report it; the log has the cause.');
}
