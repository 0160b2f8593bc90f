import { asObject, parsedObject } from '../../../core/json.js';
import type { Answer, Ask } from './ask.js';
import type { AuthorizeEndpoint } from './authorizeEndpoint.js';
import { ClientProof, type TokenRequest } from './clientProof.js';
import { Refusal } from './refusal.js';
import { scopesOf } from './scopes.js';
import type { ClientState, Tenant } from './tenant.js';
import type { Grant } from './tokens.js';
import type { MockGrant } from './types.js';

const IMPERSONATION = 'urn:qlik:oauth:user-impersonation';
const GRANTS: Readonly<Record<string, MockGrant>> = {
  client_credentials: 'client_credentials',
  [IMPERSONATION]: 'impersonation',
  authorization_code: 'authorization_code',
  refresh_token: 'refresh_token',
};

const invalidRequest = (detail: string) => new Refusal(400, 'OAUTH-2', 'Invalid request', detail);

/** `POST /oauth/token` and `/oauth/revoke`: JSON or a form in, Qlik's errors out. */
export class TokenEndpoint {
  readonly #tenant: Tenant;
  readonly #proof: ClientProof;
  readonly #authorize: AuthorizeEndpoint;

  constructor(tenant: Tenant, authorize: AuthorizeEndpoint) {
    this.#tenant = tenant;
    this.#proof = new ClientProof(tenant);
    this.#authorize = authorize;
  }

  async token(ask: Ask): Promise<Answer> {
    const request = requestOf(ask);
    const client = await this.#proof.prove(ask, request);
    const grant = GRANTS[String(request.grant_type)];
    if (!grant) throw new Refusal(400, 'OAUTH-10', 'Unsupported grant_type');
    if (client.grants && !client.grants.includes(grant))
      throw new Refusal(403, 'OAUTH-15', 'Grant type not allowed', `The client may not use ${grant}.`);
    if (!client.approved)
      throw new Refusal(403, 'OAUTH-14', 'Client not approved', 'An administrator must make the first connection.');
    return this.#answer(await this.#grant(grant, client, request));
  }

  async revoke(ask: Ask): Promise<Answer> {
    const request = requestOf(ask);
    await this.#proof.prove(ask, request);
    if (typeof request.token !== 'string') throw invalidRequest('token is missing.');
    this.#tenant.tokens.revoke(request.token);
    return { status: 200, json: {} };
  }

  /** The token that somebody asked for by the library's own call. */
  async mint(grant: Grant): Promise<string> {
    const user = this.#tenant.row('users', grant.userId);
    if (!user) throw new Refusal(400, 'OAUTH-19', 'User not found');
    const { options, origin, clock, tokens } = this.#tenant;
    const seconds = options.tokenSeconds ?? 21_600;
    return tokens.mint(grant, { issuer: origin, subject: String(user.subject), now: clock.now(), seconds });
  }

  async #grant(grant: MockGrant, client: ClientState, request: TokenRequest): Promise<Grant> {
    if (grant === 'client_credentials') return this.#ofClient(client, request);
    if (grant === 'impersonation') return this.#impersonated(client, request);
    if (grant === 'authorization_code') return this.#authorize.redeem(client, request);
    const kept = this.#tenant.tokens.takeRefresh(String(request.refresh_token), client.id);
    if (!kept) throw new Refusal(400, 'OAUTH-9', 'Invalid refresh_token');
    return kept;
  }

  #ofClient(client: ClientState, request: TokenRequest): Grant {
    trusted(client);
    const bot = this.#tenant.botOf(client.id);
    const scopes = scopesOf(client, request.scope, ['user_default', 'admin_classic']);
    return { userId: bot.id, clientId: client.id, scopes: scopes.filter((scope) => scope !== 'offline_access') };
  }

  /** Only JSON can carry the nested `user_lookup`, and the user must have come before. */
  #impersonated(client: ClientState, request: TokenRequest): Grant {
    trusted(client);
    const { field, value } = asObject(request.user_lookup) ?? {};
    if ((field !== 'userId' && field !== 'subject') || typeof value !== 'string')
      throw invalidRequest('user_lookup must be an object with field (userId or subject) and value.');
    const user = this.#tenant.user(field === 'userId' ? 'id' : 'subject', value);
    if (!user) throw new Refusal(400, 'OAUTH-19', 'User not found');
    return { userId: user.id, clientId: client.id, scopes: scopesOf(client, request.scope, ['user_default']) };
  }

  async #answer(grant: Grant): Promise<Answer> {
    const user = this.#tenant.row('users', grant.userId);
    if (user?.status === 'disabled') throw new Refusal(403, 'OAUTH-7', 'User is disabled');
    const { options, clock, tokens } = this.#tenant;
    const seconds = options.tokenSeconds ?? 21_600;
    const json = {
      access_token: await this.mint(grant),
      token_type: 'bearer',
      expires_in: seconds,
      expires_at: new Date(clock.now() + seconds * 1000).toISOString(),
      scope: grant.scopes.join(' '),
      ...(grant.scopes.includes('offline_access') ? { refresh_token: tokens.mintRefresh(grant) } : {}),
    };
    return { status: 200, json, headers: { 'cache-control': 'no-store' } };
  }
}

function trusted(client: ClientState): void {
  if (client.secret === undefined && !client.publicKey)
    throw new Refusal(403, 'OAUTH-15', 'Grant type not allowed', 'A public client has no tokens of its own.');
  if (client.trusted === false)
    throw new Refusal(403, 'OAUTH-13', 'Client not trusted', 'The consent method of the client must be trusted.');
}

function requestOf(ask: Ask): TokenRequest {
  const type = ask.headers['content-type']?.split(';')[0]?.trim();
  if (type === 'application/x-www-form-urlencoded') return Object.fromEntries(new URLSearchParams(ask.body));
  if (type !== 'application/json') throw new Refusal(415, 'HTTP-415', 'Unsupported media type');
  const body = parsedObject(ask.body);
  if (!body) throw invalidRequest('The body is no JSON object.');
  return body;
}
