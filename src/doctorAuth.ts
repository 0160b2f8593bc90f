import type { OAuthServerInfo } from '@modelcontextprotocol/client';
import type { Entry } from './config/settings.js';
import type { AuthToken, Clock, CredentialSource, Vault } from './contracts.js';
import { unlessAborted } from './core/async.js';
import { claimsIn } from './core/claims.js';
import { GatewayError } from './core/errors.js';
import { clientWords, type OAuthDocument, OAuthMemory } from './credentials/oauthDocument.js';
import { type DoctorWalk, Failed, Skipped } from './doctorWalk.js';
import { clientOptions } from './oauthMemory.js';
import type { Dispatchers } from './wire/dispatchers.js';
import { safeFetch } from './wire/safeFetch.js';

/** A machine's patience with a machine. Milliseconds. */
const ACQUIRE_MS = 20_000;

/** A destination's credential, and the server that it is for. */
export interface Showing {
  readonly destination: string;
  readonly server: URL;
  /** Undefined where the destination has none. */
  readonly name: string | undefined;
  readonly source: CredentialSource | undefined;
  /** Undefined for one that a shorthand brought along. */
  readonly entry: Entry | undefined;
}

export interface AuthDeps {
  readonly walk: DoctorWalk;
  readonly clock: Clock;
  readonly vault: Vault;
  readonly dispatchers: Dispatchers;
}

/** From the server's refusal to a token that serves. Undefined where there is none; nothing here tells its value. */
export async function walkToToken(showing: Showing, deps: AuthDeps): Promise<AuthToken | undefined> {
  const { walk } = deps;
  const login = showing.entry?.kind === 'mcp-oauth' ? { ...showing, entry: showing.entry } : undefined;
  const why = showing.name === undefined ? 'no credential is configured' : `the credential ${showing.name} needs none`;
  const found = await walk.step(
    'discovery',
    async () => (login ? discovered(login, deps) : new Skipped(why)),
    ({ info, scope }) => [issuerOf(info), scope && `scope ${scope}`].filter(Boolean).join(', '),
  );
  const document = login && (await memoryOf(login, deps).read());
  await walk.step(
    'client',
    async () => (login && found ? clientOf(login.entry, document, found.info) : new Skipped(login ? FREE : why)),
    (client) => client,
  );
  return walk.step(
    'token',
    async () => {
      if (login && !document?.tokens) return found ? Promise.reject(nobody(showing)) : new Skipped(FREE);
      return tokenOf(showing, why);
    },
    (token) => tokenWords(token, document?.tokens?.scope, deps.clock),
  );
}

const FREE = 'the server asks nobody to log in';

interface Discovered {
  readonly info: OAuthServerInfo;
  /** What the server asks for. */
  readonly scope: string | undefined;
}

async function discovered(
  { server, entry }: Showing & { entry: Entry },
  deps: AuthDeps,
): Promise<Discovered | Skipped> {
  const fetchFn = safeFetch(server, deps.dispatchers);
  const { discoverOAuthServerInfo, extractWWWAuthenticateParams } = await import('@modelcontextprotocol/client');
  const refusal = await fetchFn(server, { method: 'POST', headers: HEADERS, body: PING });
  if (refusal.status !== 401 && refusal.status !== 403) return new Skipped(FREE);
  const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(refusal);
  const info = await discoverOAuthServerInfo(server, {
    fetchFn,
    ...(resourceMetadataUrl ? { resourceMetadataUrl } : {}),
  }).catch((error: unknown) => Promise.reject(noMetadata(server, error)));
  assertUsable(info, server, entry);
  return { info, scope: scope ?? info.resourceMetadata?.scopes_supported?.join(' ') };
}

const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const PING = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });

/** The SDK's words are about addresses: no secret has been said to anybody so far. */
function noMetadata({ origin }: URL, error: unknown): Error {
  if (error instanceof GatewayError) return error;
  const words = error instanceof Error ? error.message : 'for a reason that is not known';
  return new Failed(`the metadata that ${origin} names can't be used: ${words}`, RFCS);
}

const RFCS =
  'Have the server publish its protected resource metadata (RFC 9728), and its authorization server its own (RFC 8414), each under the very URL that names it.';

function assertUsable(
  { authorizationServerMetadata: metadata, ...info }: OAuthServerInfo,
  server: URL,
  entry: Entry,
): void {
  if (!metadata) throw new Failed(`${info.authorizationServerUrl} has no metadata of an authorization server`, RFCS);
  if (!metadata.code_challenge_methods_supported?.includes('S256'))
    throw new Failed(`${metadata.issuer} does not support PKCE with S256`, 'Have the authorization server allow it.');
  const resource = info.resourceMetadata?.resource;
  if (resource === undefined || entry.options.resource !== undefined || covers(resource, server)) return;
  const mend = `Write ${resource} as the destination's url, or as resource in its credential.`;
  throw new Failed(`the metadata is about ${resource}, and not about ${server.href}`, mend);
}

/** The resource is the server, or a path above it (RFC 9728 section 3.3, as the SDKs read it). */
function covers(resource: string, server: URL): boolean {
  if (!URL.canParse(resource)) return false;
  const { origin, pathname } = new URL(resource);
  return (
    origin === server.origin && `${server.pathname}/`.startsWith(pathname.endsWith('/') ? pathname : `${pathname}/`)
  );
}

function issuerOf({ authorizationServerMetadata: metadata, authorizationServerUrl }: OAuthServerInfo): string {
  return `logins at ${metadata?.issuer ?? authorizationServerUrl}`;
}

function memoryOf({ server, name = '', entry }: Showing & { entry: Entry }, { vault }: AuthDeps): OAuthMemory {
  return new OAuthMemory(vault, null, name, server, clientWords(clientOptions(entry)));
}

/** Who would log in; nothing is registered for a walk. */
async function clientOf(
  entry: Entry,
  document: OAuthDocument | undefined,
  { authorizationServerMetadata }: OAuthServerInfo,
) {
  const { clientId, clientMetadataUrl } = clientOptions(entry);
  if (clientId !== undefined) return `${clientId}, as configured`;
  const { client_id_metadata_document_supported: takesDocuments } = (authorizationServerMetadata ?? {}) as {
    client_id_metadata_document_supported?: boolean;
  };
  if (clientMetadataUrl !== undefined && takesDocuments) return `${clientMetadataUrl}, a metadata document`;
  const kept = document?.client?.information.client_id;
  if (kept !== undefined) return `${kept}, registered at an earlier login`;
  if (authorizationServerMetadata?.registration_endpoint !== undefined) return 'registers itself at the first login';
  throw new Failed(
    `${authorizationServerMetadata?.issuer} lets no client register itself`,
    'Register one there by hand, and write its clientId (and clientSecret) in the credential.',
  );
}

function nobody({ destination, server }: Showing): Failed {
  return new Failed(`nobody is logged in at ${server.origin}`, `Run mcp-drawbridge login ${destination}.`);
}

async function tokenOf({ name, source, server }: Showing, why: string): Promise<AuthToken | Skipped> {
  if (!source) return new Skipped(why);
  if (source.scope === 'caller') return new Skipped(`the credential ${name} belongs to its callers, and nobody calls`);
  if (!source.origins.includes(server.origin))
    throw new Failed(
      `the credential ${name} must not be shown to ${server.origin}`,
      "Add the origin to the credential's origins, if it may see it.",
    );
  const late = AbortSignal.timeout(ACQUIRE_MS);
  return unlessAborted(source.acquire(late, { owner: null, url: server }), late).catch((error: unknown) =>
    Promise.reject(late.aborted ? tooLate() : error),
  );
}

function tooLate(): Failed {
  const mend = 'Another process may be waiting for a person to log in there: end it, or log in.';
  return new Failed(`no token came within ${ACQUIRE_MS / 1000} s`, mend);
}

/** What a token says of itself, where it is a JWT; never the token. */
function tokenWords({ value, expiresAt }: AuthToken, granted: string | undefined, clock: Clock): string {
  const claims = claimsIn(value) ?? {};
  const scope = granted ?? text(claims.scope) ?? text(claims.scp);
  const audience = text(claims.aud);
  const minutes = Math.round((expiresAt - clock.now()) / 60_000);
  return [
    Number.isFinite(expiresAt) ? `serves for ${minutes} min` : 'has no end that is known',
    scope && `scope ${scope}`,
    audience && `audience ${audience}`,
  ]
    .filter(Boolean)
    .join(', ');
}

function text(claim: unknown): string | undefined {
  const words = [claim].flat().filter((each): each is string => typeof each === 'string');
  return words.length === 0 ? undefined : words.join(' ');
}
