import { createHash, randomBytes } from 'node:crypto';
import type { Answer, Ask } from './ask.js';
import type { TokenRequest } from './clientProof.js';
import { Refusal } from './refusal.js';
import { scopesOf } from './scopes.js';
import type { ClientState, Tenant } from './tenant.js';
import type { Grant } from './tokens.js';

const CODE_LIFE_MS = 60_000;
const MAX_REDIRECT_URIS = 5;
const VERIFIER = /^[A-Za-z0-9\-._~]{43,128}$/;

interface Code {
  readonly grant: Grant;
  readonly redirectUri: string;
  readonly challenge: string | undefined;
  readonly expiresAt: number;
}

/** `GET /oauth/authorize`: consents at once for the user who is logged in, and sends the browser back with a code. */
export class AuthorizeEndpoint {
  readonly #tenant: Tenant;
  readonly #codes = new Map<string, Code>();

  constructor(tenant: Tenant) {
    this.#tenant = tenant;
  }

  authorize(ask: Ask): Answer {
    const { client, redirectUri } = this.#whoseLogin(ask.query);
    const back = new URL(redirectUri);
    const state = ask.query.get('state');
    if (state !== null) back.searchParams.set('state', state);
    try {
      back.searchParams.set('code', this.#code(client, redirectUri, ask.query));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      back.searchParams.set('error', error.error.code);
      back.searchParams.set('error_description', error.error.title);
    }
    return { status: 302, headers: { location: back.href } };
  }

  /** The grant behind a code, which serves once, for its client, its redirect URI and its verifier. */
  redeem(client: ClientState, request: TokenRequest): Grant {
    const code = this.#codes.get(String(request.code));
    this.#codes.delete(String(request.code));
    if (!code || code.expiresAt <= this.#tenant.clock.now() || code.grant.clientId !== client.id)
      throw new Refusal(400, 'OAUTH-8', 'Invalid code');
    if (code.redirectUri !== request.redirect_uri) throw new Refusal(400, 'OAUTH-3', 'Invalid redirect_uri');
    if (code.challenge !== undefined) verify(code.challenge, request.code_verifier);
    return code.grant;
  }

  /** Whoever asks for a foreign redirect URI is told so here, and never sent there. */
  #whoseLogin(query: URLSearchParams): { readonly client: ClientState; readonly redirectUri: string } {
    const client = this.#tenant.client(query.get('client_id') ?? '');
    if (!client) throw new Refusal(400, 'OAUTH-1', 'Invalid client');
    const known = (client.redirectUris ?? []).slice(0, MAX_REDIRECT_URIS);
    const redirectUri = query.get('redirect_uri') ?? '';
    if (!known.includes(redirectUri)) throw new Refusal(400, 'OAUTH-3', 'Invalid redirect_uri');
    return { client, redirectUri };
  }

  #code(client: ClientState, redirectUri: string, query: URLSearchParams): string {
    if (query.get('response_type') !== 'code') throw new Refusal(400, 'OAUTH-4', 'Invalid response_type');
    const challenge = challengeOf(client, query);
    const user = this.#loggedIn();
    this.#admit(client, user.roles);
    const scopes = scopesOf(client, query.get('scope') ?? undefined, ['user_default']);
    const code = randomBytes(24).toString('base64url');
    const grant = { userId: user.id, clientId: client.id, scopes };
    const expiresAt = this.#tenant.clock.now() + CODE_LIFE_MS;
    this.#codes.set(code, { grant, redirectUri, challenge, expiresAt });
    return code;
  }

  #loggedIn(): { readonly id: string; readonly roles: readonly string[] } {
    const id = this.#tenant.options.browserUser;
    const user = id === undefined ? undefined : this.#tenant.row('users', id);
    if (user?.status !== 'active') throw new Refusal(403, 'access_denied', 'Nobody is logged in');
    return { id: user.id, roles: this.#tenant.rolesOf(user) };
  }

  /** A registered client works for nobody until an administrator has connected with it. */
  #admit(client: ClientState, roles: readonly string[]): void {
    if (!client.approved && !roles.includes('TenantAdmin'))
      throw new Refusal(403, 'access_denied', 'An administrator must make the first connection');
    client.approved = true;
  }
}

function challengeOf(client: ClientState, query: URLSearchParams): string | undefined {
  const challenge = query.get('code_challenge');
  const isPublic = client.secret === undefined && !client.publicKey;
  if (challenge === null && !isPublic) return undefined;
  if (challenge === null || query.get('code_challenge_method') !== 'S256')
    throw new Refusal(400, 'OAUTH-6', 'PKCE with S256 is required');
  return challenge;
}

function verify(challenge: string, verifier: unknown): void {
  const text = String(verifier ?? '');
  const hash = createHash('sha256').update(text).digest('base64url');
  if (!VERIFIER.test(text) || hash !== challenge) throw new Refusal(400, 'OAUTH-11', 'Invalid code_verifier');
}
