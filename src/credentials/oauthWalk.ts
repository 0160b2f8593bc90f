import {
  auth,
  computeScopeUnion,
  extractWWWAuthenticateParams,
  isStrictScopeSuperset,
} from '@modelcontextprotocol/client';
import type { Callback, CredentialDeps, Login, LoginPurpose } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import { type ClientOptions, OAuthClient } from './oauthClient.js';
import type { KeptTokens, OAuthDocument, OAuthMemory } from './oauthDocument.js';
import { quietFetch } from './quietFetch.js';
import type { SharedClient } from './sharedClient.js';

export interface Walk {
  readonly server: URL;
  readonly options: ClientOptions;
  /** The `WWW-Authenticate` that set it off, where there was one. */
  readonly challenge: string | undefined;
  readonly memory: OAuthMemory;
  readonly document: OAuthDocument;
  /** Of callers: the client that we registered for all of them. */
  readonly shared: SharedClient | undefined;
  readonly deps: CredentialDeps;
  /** Whose the tokens will be. */
  readonly purpose: LoginPurpose;
}

/** A person is asked; `finish` makes tokens of what they brought. */
export interface Sent {
  readonly login: Login;
  finish(brought: Callback): Promise<KeptTokens>;
}

/** Ports that others may listen on already. */
const MOST_PORTS = 8;

/**
 * From a refusal to tokens: discovery (RFC 9728, RFC 8414), registration, refresh, and where that isn't enough a login
 * (PKCE, RFC 9207, RFC 8707), which it begins. Rejects with a CredentialError, or as the SDK does.
 */
export async function walk(wanted: Walk): Promise<{ readonly tokens: KeptTokens } | Sent> {
  const { server, options, deps } = wanted;
  const said = challengeIn(wanted.challenge);
  const had = wanted.document.tokens?.scope;
  const scope = computeScopeUnion(options.scope, said.error === 'insufficient_scope' ? had : undefined, said.scope);
  const resourceMetadataUrl = said.resourceMetadataUrl ?? knownMetadata(wanted.document);
  const { renewing } = wanted.document;
  let document = await begun(wanted, resourceMetadataUrl);
  const asked = {
    serverUrl: server,
    fetchFn: quietFetch(deps.fetchFor(server)),
    ...(scope === undefined ? {} : { scope }),
    ...(resourceMetadataUrl ? { resourceMetadataUrl } : {}),
    // A refresh can't widen what was granted (RFC 6749 section 6).
    forceReauthorization: had !== undefined && isStrictScopeSuperset(scope, had),
  };
  if (!asked.forceReauthorization) await noteRenewal(document, wanted);
  const { memory, shared } = wanted;
  const parts = { memory, shared, clock: deps.clock, lost: tellLost(renewing, wanted) };
  for (let ports = 0; ports < MOST_PORTS; ports++) {
    // The client that was registered for the first one renews what it was given, whoever listens there now.
    const redirectUri = deps.logins.redirectUri(server.href, ports === 0 ? document.client?.redirectUri : undefined);
    const client = new OAuthClient(options, { ...parts, document, redirectUri });
    if ((await deps.vault.hold(auth(client, asked))) === 'AUTHORIZED') return { tokens: tokensOf(client) };
    const authorization = client.authorization as URL;
    const login = await deps.logins.begin(authorization, redirectUri, client.expectedState, wanted.purpose);
    document = client.document;
    if (!login) continue;
    const finish = async ({ code, iss }: Callback) => {
      const back = { ...asked, authorizationCode: code, ...(iss === undefined ? {} : { iss }) };
      await deps.vault.hold(auth(client, back));
      return tokensOf(client);
    };
    return { login, finish };
  }
  throw new CredentialError(
    'no port is free that a browser could come back to',
    'Name a free one: --browser-auth-port.',
  );
}

async function begun(wanted: Walk, resourceMetadataUrl: URL | undefined): Promise<OAuthDocument> {
  const { renewing: _, ...kept } = wanted.document;
  const own = resourceMetadataUrl ? { ...kept, resourceMetadataUrl: resourceMetadataUrl.href } : kept;
  return (await wanted.shared?.fill(own)) ?? own;
}

/** Should this process end before the answer is kept, the next one knows why the refresh token is used up. */
async function noteRenewal(document: OAuthDocument, { memory, deps }: Walk): Promise<void> {
  if (document.tokens?.refresh_token === undefined) return;
  await memory.write({ ...document, renewing: deps.clock.now() });
}

function tellLost(renewing: number | undefined, { server, deps }: Walk): () => void {
  return () => {
    if (renewing !== undefined) deps.signals.emit('login.lost', { credential: deps.name, server: server.origin });
  };
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
