import * as z from 'zod';
import type { CredentialDeps, KindDeps, RestResponse } from '../contracts.js';
import { CredentialError, GatewayError } from '../core/errors.js';
import { RestError } from '../core/restError.js';
import { httpUrl } from '../core/schema.js';
import { isLoopbackHost } from '../wire/loopback.js';

/** Where an authorization server is found: by its metadata, or by its endpoints as the operator wrote them. */
export const issuer = () =>
  z
    .string()
    .refine(
      isIssuer,
      'must be an https URL without user, password, query or fragment, letter by letter as it names itself',
    );

/** RFC 8414 section 2: it is kept as it was written, since it is compared so. */
function isIssuer(text: string): boolean {
  if (!URL.canParse(text) || /[?#]/.test(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

export interface Written {
  /** Without endpoints beside it, its metadata is asked for them. */
  readonly issuer?: string | undefined;
  readonly tokenUrl?: URL | undefined;
  readonly authorizeUrl?: URL | undefined;
  readonly deviceUrl?: URL | undefined;
}

/** To be run after a kind's schema: an issuer, or every endpoint that the grant needs. */
export function checkServer(given: Written, needed: readonly (keyof Written)[], context: z.RefinementCtx): void {
  const missing = needed.filter((name) => given[name] === undefined);
  if (missing.length === 0 || (given.issuer !== undefined && missing.length === needed.length)) return;
  const message = 'is needed, or an issuer alone, whose metadata names its endpoints';
  for (const name of missing) context.addIssue({ code: 'custom', path: [name], message });
}

/** What of an authorization server is used, and the way to it. */
export interface Endpoints extends Written {
  readonly tokenUrl: URL;
  readonly revocationUrl?: URL | undefined;
  /** It said that it names itself in every answer that a browser brings (RFC 9207 section 3). */
  readonly namesItself: boolean;
  /** False where it says that it doesn't (RFC 7636). */
  readonly takesS256: boolean;
  /** For addresses of the metadata this is guarded: they may lead to itself, or to what is public. */
  rest: KindDeps['rest'];
}

const UNSAID = { namesItself: false, takesS256: true };

type Deps = Pick<CredentialDeps, 'rest' | 'clock' | 'fetchFor'>;

/** So long metadata is believed. Milliseconds. */
const METADATA_MS = 5 * 60_000;

/** One authorization server. */
export class AuthorizationServer {
  /** What tokens are bound to, and where they are from, for people: never anything that could be secret. */
  readonly place: string;
  readonly #written: Written;
  readonly #deps: Deps;
  #found: { readonly endpoints: Promise<Endpoints>; readonly until: number } | undefined;

  constructor(written: Written, deps: Deps) {
    const { issuer: name, tokenUrl } = written;
    this.place = tokenUrl ? tokenUrl.origin + tokenUrl.pathname : (name ?? '');
    this.#written = written;
    this.#deps = deps;
  }

  /** Rejects with a CredentialError where the metadata can't be had, or isn't the issuer's. */
  endpoints(): Promise<Endpoints> {
    const { tokenUrl, issuer: name = '' } = this.#written;
    if (tokenUrl) return Promise.resolve({ ...this.#written, tokenUrl, ...UNSAID, rest: this.#deps.rest });
    const now = this.#deps.clock.now();
    if (this.#found && now < this.#found.until) return this.#found.endpoints;
    const endpoints = discover(name, this.#deps);
    this.#found = { endpoints, until: now + METADATA_MS };
    endpoints.catch(() => {
      this.#found = undefined;
    });
    return endpoints;
  }
}

const metadata = z.object({
  issuer: z.string(),
  token_endpoint: httpUrl(),
  authorization_endpoint: httpUrl().optional().catch(undefined),
  device_authorization_endpoint: httpUrl().optional().catch(undefined),
  revocation_endpoint: httpUrl().optional().catch(undefined),
  code_challenge_methods_supported: z.array(z.string()).optional().catch(undefined),
  authorization_response_iss_parameter_supported: z.boolean().optional().catch(undefined),
});

type Metadata = z.infer<typeof metadata>;

/** RFC 8414 section 3.1, OpenID Connect Discovery section 4, and the form that RFC 8414 section 5 gives that. */
async function discover(name: string, deps: Deps): Promise<Endpoints> {
  const base = new URL(name);
  const fetchFn = deps.fetchFor(base);
  const path = base.pathname.replace(/\/+$/, '');
  const places = ['oauth-authorization-server', 'openid-configuration'].map((known) => `/.well-known/${known}${path}`);
  if (path !== '') places.splice(1, 0, `${path}/.well-known/openid-configuration`);
  for (const place of places) {
    const found = await metadataAt(new URL(place, base), fetchFn);
    if (found?.issuer === name) return endpointsOf(found, base, deps);
  }
  throw new CredentialError(
    `${name} has no metadata that names it, letter by letter, as its issuer`,
    'Check issuer against what its /.well-known/ documents say, or write its endpoints down instead.',
  );
}

async function metadataAt(url: URL, fetchFn: typeof fetch): Promise<Metadata | undefined> {
  try {
    const answer = await fetchFn(url, { headers: { accept: 'application/json' } });
    return answer.status === 200 ? metadata.safeParse(await answer.json()).data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw new CredentialError(
      `the metadata of ${url.origin} can't be had`,
      'Check issuer, and that this machine reaches it.',
      { cause: error },
    );
  }
}

function endpointsOf(found: Metadata, base: URL, deps: Deps): Endpoints {
  const known = [found.token_endpoint, found.authorization_endpoint, found.device_authorization_endpoint];
  for (const url of [...known, found.revocation_endpoint]) if (url) assertSafe(url, base);
  return {
    issuer: found.issuer,
    tokenUrl: found.token_endpoint,
    authorizeUrl: found.authorization_endpoint,
    deviceUrl: found.device_authorization_endpoint,
    revocationUrl: found.revocation_endpoint,
    namesItself: found.authorization_response_iss_parameter_supported ?? false,
    takesS256: found.code_challenge_methods_supported?.includes('S256') ?? true,
    rest: guarded(base, deps),
  };
}

/** A secret travels there. */
function assertSafe(url: URL, base: URL): void {
  if (url.protocol === 'https:' || url.origin === base.origin) return;
  if (isLoopbackHost(url.hostname) && isLoopbackHost(base.hostname)) return;
  throw new CredentialError(
    `the metadata of ${base.origin} names ${url.origin}, which is not https`,
    'Have the provider mend its metadata, or write its endpoints down instead.',
  );
}

/** A client's certificate goes to the issuer's own origin only. */
function guarded(base: URL, deps: Deps): KindDeps['rest'] {
  const fetchFn = deps.fetchFor(base);
  return (request) => {
    const own = new URL(request.url).origin === base.origin;
    if (own) return deps.rest(request);
    if (request.tls) return Promise.reject(new RestError('tls', 'a certificate is shown to the issuer itself only'));
    return byFetch(fetchFn, request);
  };
}

async function byFetch(fetchFn: typeof fetch, request: Parameters<KindDeps['rest']>[0]): Promise<RestResponse> {
  const { method, url, headers = {}, body, signal } = request;
  try {
    const sent = { accept: 'application/json', 'user-agent': 'mcp-drawbridge', ...headers };
    const answer = await fetchFn(url, { method, headers: sent, signal, ...(body === undefined ? {} : { body }) });
    return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
  } catch (error) {
    if (error instanceof GatewayError) throw new RestError('unreachable', error.message);
    throw new RestError(signal.aborted ? 'aborted' : 'unreachable', `no answer from ${new URL(url).origin}`);
  }
}
