import { generateKeyPairSync } from 'node:crypto';
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js';
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';
import OidcProvider from 'oidc-provider';
import { type Provider, startTokenServer } from './tokenServer.js';

export const SCOPES = 'mcp:read mcp:write';

/** Nobody listens there: the headless browser stops before it. */
const CALLBACK = 'http://127.0.0.1:9/callback';

export interface LoginProviderSettings {
  /** Of access tokens; may change while it runs. */
  readonly life?: { seconds: number };
  /** Known without a registration. */
  readonly clients?: readonly object[];
}

/** The provider, what it gave, and how it forgets. */
export interface LoginProvider extends Provider {
  /** How long access tokens serve from now on. Seconds. */
  accessSeconds: number;
  /** The grants it gave tokens for, in their order: `authorization_code`, `refresh_token`. */
  readonly granted: readonly string[];
  /** The `error` of every token request that it refused. */
  readonly refused: readonly string[];
  /** Every refresh token so far. */
  readonly refreshTokens: readonly string[];
  /** No refresh token that it gave so far serves any more. */
  revokeRefreshTokens(): Promise<void>;
}

/** The real oidc-provider, where people log in (code, PKCE), clients register themselves and tokens are JWTs for the `resource` asked for. */
export async function startLoginProvider({ life, clients = [] }: LoginProviderSettings = {}): Promise<LoginProvider> {
  const given = { accessSeconds: 600, granted: [] as string[], refused: [] as string[], refreshTokens: [] as string[] };
  const kept: RefreshToken[] = [];
  const provider = await startTokenServer({
    tokenPath: '/token',
    ownBody: true,
    handler: (url) => {
      const oidc = new OidcProvider(
        url,
        configuration(() => life?.seconds ?? given.accessSeconds, clients),
      );
      oidc.on('grant.success', (context) => given.granted.push(grantOf(context)));
      oidc.on('grant.error', (_context, error) => given.refused.push((error as { error: string }).error));
      oidc.on('refresh_token.saved', (token) => {
        kept.push(token as RefreshToken);
        given.refreshTokens.push((token as RefreshToken).jti);
      });
      return oidc.callback();
    },
  });
  const revokeRefreshTokens = async () => {
    await Promise.all(kept.splice(0).map((token) => token.destroy()));
  };
  return Object.assign(given, provider, { revokeRefreshTokens });
}

interface RefreshToken {
  /** The token itself is its own number. */
  readonly jti: string;
  destroy(): Promise<void>;
}

function grantOf(context: unknown): string {
  return (context as { oidc: { params: { grant_type: string } } }).oidc.params.grant_type;
}

function configuration(accessSeconds: () => number, clients: readonly object[]): Record<string, unknown> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    clients,
    scopes: SCOPES.split(' '),
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'login', alg: 'ES256', use: 'sig' }] },
    cookies: { keys: ['throw-away'] },
    pkce: { required: () => true },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    // What a client registers with is what it wanted at first; a step-up asks for more.
    extraClientMetadata: { properties: ['any_scope'], validator: allowAnyScope },
    ttl: { ...TTL, AccessToken: accessSeconds },
    issueRefreshToken: (_context: unknown, client: RefreshClient) => client.grantTypeAllowed('refresh_token'),
    features: {
      devInteractions: { enabled: true },
      registration: { enabled: true },
      revocation: { enabled: true },
      deviceFlow: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo,
      },
    },
  };
}

/** Seconds. */
const TTL = { AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600, RefreshToken: 600 };

interface RefreshClient {
  grantTypeAllowed(type: string): boolean;
}

function allowAnyScope(_context: unknown, _key: string, _value: unknown, metadata: Record<string, unknown>): void {
  metadata.scope = SCOPES;
}

function getResourceServerInfo(_context: unknown, resource: string): Record<string, unknown> {
  const jwt = { sign: { alg: 'ES256' } };
  return { scope: SCOPES, audience: resource, accessTokenFormat: 'jwt', jwt };
}

/** A browser without a screen, and the person before it, who logs in and consents to everything. */
export class Browser {
  readonly #user: string;
  readonly #cookies = new Map<string, string>();

  constructor(user: string) {
    this.#user = user;
  }

  /** Walks from an authorization URL to the client's callback, and gives what is said there. */
  async visit(start: URL, callback = CALLBACK): Promise<URLSearchParams> {
    let url = start;
    let form: URLSearchParams | undefined;
    for (let steps = 0; steps < 20; steps++) {
      const response = await this.#fetch(url, form);
      const text = await response.text();
      const location = response.headers.get('location');
      form = undefined;
      if (location?.startsWith(callback)) return new URL(location).searchParams;
      if (location !== null) url = new URL(location, url);
      else {
        if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text}`);
        form = this.#fill(text);
        url = new URL(/<form[^>]* action="([^"]+)"/.exec(text)?.[1] ?? '', url);
      }
    }
    throw new Error(`the login goes round in circles, last at ${url}`);
  }

  #fill(page: string): URLSearchParams {
    const form = new URLSearchParams({ login: this.#user, password: 'whatever' });
    for (const [, name = '', value = ''] of page.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g))
      form.set(name, value);
    return form;
  }

  async #fetch(url: URL, form: URLSearchParams | undefined): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie },
      ...(form ? { method: 'POST', body: form } : {}),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }
}

/** What a client keeps of its login, and the scopes that it was sent to log in for. */
export class ClientLogin implements OAuthClientProvider {
  readonly redirectUrl = CALLBACK;
  readonly clientMetadata = {
    client_name: 'a real client',
    redirect_uris: [CALLBACK],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
  /** Every authorization URL so far. */
  readonly sentTo: URL[] = [];
  readonly #browser: Browser;
  readonly #resource: URL | undefined;
  #client: OAuthClientInformationMixed | undefined;
  #tokens: OAuthTokens | undefined;
  #verifier = '';

  /** `resource`: what tokens are to be for, in place of what the resource says of itself. */
  constructor(user: string, resource?: URL) {
    this.#browser = new Browser(user);
    this.#resource = resource;
  }

  /** The person logs in where the client sent it last; gives what `finishAuth` takes, `code` among it. */
  async logIn(): Promise<URLSearchParams> {
    const said = await this.#browser.visit(this.sentTo.at(-1) as URL);
    if (!said.has('code')) throw new Error(`no code, but ${said}`);
    return said;
  }

  validateResourceURL = async (_server: string | URL, said?: string): Promise<URL | undefined> =>
    this.#resource ?? (said === undefined ? undefined : new URL(said));

  clientInformation = () => this.#client;
  saveClientInformation = (client: OAuthClientInformationMixed): void => {
    this.#client = client;
  };
  tokens = () => this.#tokens;
  saveTokens = (tokens: OAuthTokens): void => {
    this.#tokens = tokens;
  };
  redirectToAuthorization = (url: URL): void => void this.sentTo.push(url);
  codeVerifier = () => this.#verifier;
  saveCodeVerifier = (verifier: string): void => {
    this.#verifier = verifier;
  };
}
