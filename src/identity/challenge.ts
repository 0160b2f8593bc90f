import type { Inbound } from '../contracts.js';
import { isMcpPath, STREAM_ALIAS, splitTarget } from '../wire/paths.js';
import type { Provider } from './provider.js';

/** What callers are told about where tokens are to be had. */
export interface Challenge {
  readonly publicUrl: URL | undefined;
  /** Issuers; where there are none, no document is served and none is named. */
  readonly authorizationServers: readonly string[];
  /** Scopes that any call needs. */
  readonly scopes: readonly string[];
}

/** RFC 9728 section 2. */
export interface ProtectedResource {
  readonly resource: string;
  readonly authorization_servers: readonly string[];
  readonly bearer_methods_supported: readonly ['header'];
  readonly scopes_supported?: readonly string[];
}

export const WELL_KNOWN = '/.well-known/oauth-protected-resource';

/** The names that destinations may have; others have no document. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** What a Host line may hold (RFC 9110 section 7.2): nothing that could end a quoted string or a header. */
const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** From what the providers say of themselves. */
export function challengeOf(providers: Iterable<Provider>, publicUrl: URL | undefined): Challenge {
  const all = [...providers];
  return {
    publicUrl,
    authorizationServers: [...new Set(all.flatMap((provider) => provider.authorizationServers))],
    scopes: advertised([...new Set(all.flatMap((provider) => provider.requiredScopes ?? []))]),
  };
}

/** For a 401: header lines. `shown` is true where there was proof, and it was bad (RFC 6750 section 3.1). */
export function unknownLines(challenge: Challenge, request: Inbound, shown: boolean): string[] {
  const parameters = [
    ...(shown ? ['error="invalid_token"'] : []),
    ...scopeParameter(challenge.scopes),
    ...metadataParameter(challenge, request),
  ];
  return ['www-authenticate', `Bearer ${parameters.length > 0 ? parameters.join(', ') : 'realm="mcp"'}`];
}

/** For a 403 that a token with more scopes mends: header lines. All that the call needs goes into one challenge. */
export function stepUpLines(challenge: Challenge, request: Inbound, scopes: readonly string[]): string[] {
  const parameters = [
    'error="insufficient_scope"',
    ...scopeParameter(advertised(scopes)),
    ...metadataParameter(challenge, request),
  ];
  return ['www-authenticate', `Bearer ${parameters.join(', ')}`];
}

/**
 * The document that a request for `/.well-known/oauth-protected-resource[/mcp[/<destination>]]` asks for; undefined where there
 * is none. Whether a destination exists is not told: it is the same for every name that one could have.
 */
export function protectedResource(challenge: Challenge, request: Inbound): ProtectedResource | undefined {
  const base = baseOf(challenge, request);
  const [path] = splitTarget(request.target);
  const route = documentRoute(path, challenge.publicUrl);
  if (base === undefined || route === undefined || challenge.authorizationServers.length === 0) return undefined;
  return {
    resource: base + route,
    authorization_servers: challenge.authorizationServers,
    bearer_methods_supported: ['header'],
    ...(challenge.scopes.length > 0 ? { scopes_supported: challenge.scopes } : {}),
  };
}

/** Where the document of the request's route is; undefined where tokens are to be had nowhere. */
export function metadataUrl(challenge: Challenge, request: Inbound): string | undefined {
  const base = challenge.authorizationServers.length === 0 ? undefined : baseOf(challenge, request);
  return base === undefined ? undefined : base + WELL_KNOWN + routeOf(splitTarget(request.target)[0]);
}

/** What callers know this process by, without a final slash: `publicUrl`, else the Host that the guard let pass. */
function baseOf({ publicUrl }: Challenge, request: Inbound): string | undefined {
  if (publicUrl) return canonical(publicUrl);
  const host = request.header('host');
  return host !== undefined && HOST.test(host) ? `http://${host.toLowerCase()}` : undefined;
}

/** The canonical URI of a resource (RFC 8707 section 2): no query, no fragment, no final slash. */
export function canonical(url: URL): string {
  return url.origin + trimmed(url.pathname);
}

function trimmed(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}

/** `/mcp`, `/mcp/<destination>`, or nothing for whatever else is served. */
function routeOf(path: string): string {
  const name = routeName(path);
  if (name !== undefined) return `/mcp/${name}`;
  return isMcpPath(path) ? '/mcp' : '';
}

/** The destination that a path names, whether there is one or not. */
export function routeName(path: string): string | undefined {
  if (path === STREAM_ALIAS || !isMcpPath(path)) return undefined;
  const name = trimmed(path.slice('/mcp'.length)).slice(1);
  return NAME.test(name) ? name : undefined;
}

/** The route behind the well-known part, whether the public path stands before it or, as RFC 9728 section 3.1 has it, behind it. */
function documentRoute(path: string, publicUrl: URL | undefined): string | undefined {
  const prefix = publicUrl ? trimmed(publicUrl.pathname) : '';
  const asked = prefix !== '' && path.startsWith(prefix + WELL_KNOWN) ? path.slice(prefix.length) : path;
  if (!asked.startsWith(WELL_KNOWN)) return undefined;
  const rest = asked.slice(WELL_KNOWN.length);
  const route = prefix !== '' && `${rest}/`.startsWith(`${prefix}/`) ? rest.slice(prefix.length) : rest;
  if (route === '' || route === '/') return '';
  return route === routeOf(route) ? route : undefined;
}

/** A scope that asks for a refresh token is the client's own affair (SEP-2207). */
function advertised(scopes: readonly string[]): readonly string[] {
  return scopes.filter((scope) => scope !== 'offline_access');
}

function scopeParameter(scopes: readonly string[]): string[] {
  return scopes.length > 0 ? [`scope="${scopes.join(' ')}"`] : [];
}

function metadataParameter(challenge: Challenge, request: Inbound): string[] {
  const url = metadataUrl(challenge, request);
  return url === undefined ? [] : [`resource_metadata="${url}"`];
}
