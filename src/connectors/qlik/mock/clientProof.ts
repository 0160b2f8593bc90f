import { jwtVerify } from 'jose';
import type { Ask } from './ask.js';
import { Refusal } from './refusal.js';
import type { ClientState, Tenant } from './tenant.js';

/** What a token request carries: a form's fields, or JSON with its nested `user_lookup`. */
export type TokenRequest = Readonly<Record<string, unknown>>;

const ALGORITHMS = ['RS256', 'RS512', 'ES384'];
const MAX_ASSERTION_SECONDS = 300;
const BEARER_ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** Which client asks, once it has proved itself: by its secret in the body or by Basic, or by a signed assertion. */
export class ClientProof {
  readonly #tenant: Tenant;
  readonly #usedIds = new Set<string>();

  constructor(tenant: Tenant) {
    this.#tenant = tenant;
  }

  async prove(ask: Ask, request: TokenRequest): Promise<ClientState> {
    const basic = basicOf(ask.headers.authorization);
    const id = String(request.client_id ?? basic?.id ?? '');
    const client = this.#tenant.client(id);
    if (!client) throw new Refusal(401, 'OAUTH-1', 'Invalid client', 'The client is unknown.');
    if (request.client_assertion !== undefined) await this.#byAssertion(client, request);
    else if (client.secret !== undefined) bySecret(client, request.client_secret ?? basic?.secret);
    else if (client.publicKey) throw new Refusal(401, 'OAUTH-22', 'Invalid client_assertion');
    return client;
  }

  async #byAssertion(client: ClientState, request: TokenRequest): Promise<void> {
    const refusal = new Refusal(401, 'OAUTH-22', 'Invalid client_assertion');
    if (!client.publicKey || request.client_assertion_type !== BEARER_ASSERTION) throw refusal;
    const audience = `${this.#tenant.origin}/oauth/token`;
    const expected = { issuer: client.id, subject: client.id, audience, algorithms: ALGORITHMS };
    const verified = await jwtVerify(String(request.client_assertion), client.publicKey, {
      ...expected,
      currentDate: new Date(this.#tenant.clock.now()),
    }).catch(() => undefined);
    if (!verified || verified.protectedHeader.kid !== client.keyId) throw refusal;
    const { exp = 0, iat = 0, jti } = verified.payload;
    if (exp - iat <= 0 || exp - iat > MAX_ASSERTION_SECONDS || !jti || this.#usedIds.has(jti)) throw refusal;
    this.#usedIds.add(jti);
  }
}

function bySecret(client: ClientState, shown: unknown): void {
  if (shown !== client.secret) throw new Refusal(401, 'OAUTH-22', 'Invalid client_secret');
}

function basicOf(authorization: string | undefined): { readonly id: string; readonly secret: string } | undefined {
  const encoded = /^Basic (.+)$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [id = '', ...secret] = Buffer.from(encoded, 'base64').toString().split(':');
  return { id: decode(id), secret: decode(secret.join(':')) };
}

/** RFC 6749 section 2.3.1 encodes both; a client that doesn't is understood as well. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
