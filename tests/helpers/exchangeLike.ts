import { createRemoteJWKSet, exportJWK, generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { type Provider, type Seen, sendJson, startTokenServer } from './tokenServer.js';

const TYPE = 'urn:ietf:params:oauth:token-type:';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

export interface ExchangeSettings {
  /** Whose tokens are exchanged. */
  readonly issuer: string;
  readonly jwksUri: string;
  /** Whom those tokens must be for. */
  readonly audience: string;
  /** The one server that tokens are issued for. */
  readonly resource: string;
}

export const EXCHANGE_CLIENT = { clientId: 'gate+way', clientSecret: 's3cr3t%&=+' };

export interface ExchangeLike extends Provider {
  /** Whose each access token is that was issued so far, and its scope. */
  readonly issued: ReadonlyMap<string, string>;
}

interface Refusal {
  readonly error: string;
}

/**
 * A strict authorization server for what is made of callers' tokens: RFC 8693, with access tokens or ID-JAGs for it, and
 * RFC 7523 for the latter. Clients prove themselves by Basic, encoded as RFC 6749 section 2.3.1 says.
 */
export async function startExchangeLike(settings: ExchangeSettings): Promise<ExchangeLike> {
  const issued = new Map<string, string>();
  const redeemed = new Set<unknown>();
  const keys = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'jag', alg: 'ES256' };
  const trusted = createRemoteJWKSet(new URL(settings.jwksUri));
  const { clientId } = EXCHANGE_CLIENT;

  function accessToken({ sub, scope }: JWTPayload): object {
    const access_token = `opaque-${crypto.randomUUID()}`;
    issued.set(access_token, `${sub} ${scope}`);
    return { access_token, token_type: 'Bearer', expires_in: 3600, issued_token_type: `${TYPE}access_token` };
  }

  async function jag(url: string, form: URLSearchParams, subject: JWTPayload): Promise<object> {
    if (form.get('audience') !== url) return { error: 'invalid_target' };
    const claims = { resource: form.get('resource'), client_id: clientId, scope: subject.scope };
    const access_token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'oauth-id-jag+jwt' })
      .setIssuer(settings.issuer)
      .setSubject(String(subject.sub))
      .setAudience(url)
      .setIssuedAt()
      .setExpirationTime('5m')
      .setJti(crypto.randomUUID())
      .sign(keys.privateKey);
    return { access_token, token_type: 'N_A', issued_token_type: `${TYPE}id-jag`, expires_in: 300 };
  }

  async function exchange(url: string, form: URLSearchParams): Promise<object> {
    if (form.get('subject_token_type') !== `${TYPE}access_token`) return { error: 'invalid_request' };
    if (form.get('resource') !== settings.resource) return { error: 'invalid_target' };
    const { issuer, audience } = settings;
    const subject = await jwtVerify(form.get('subject_token') ?? '', trusted, { issuer, audience }).catch(() => null);
    if (!subject) return { error: 'invalid_grant' };
    const wanted = form.get('requested_token_type');
    return wanted === `${TYPE}id-jag` ? jag(url, form, subject.payload) : accessToken(subject.payload);
  }

  /** Once each: an assertion is no token. */
  async function redeem(url: string, form: URLSearchParams): Promise<object> {
    const expected = { issuer: settings.issuer, audience: url, typ: 'oauth-id-jag+jwt' };
    const assertion = await jwtVerify(form.get('assertion') ?? '', keys.publicKey, expected).catch(() => null);
    const { client_id, jti, resource } = assertion?.payload ?? {};
    if (!assertion || client_id !== clientId || resource !== settings.resource || redeemed.has(jti))
      return { error: 'invalid_grant' };
    redeemed.add(jti);
    return accessToken(assertion.payload);
  }

  const grants = new Map([
    [EXCHANGE, exchange],
    [JWT_BEARER, redeem],
  ]);

  const provider = await startTokenServer({
    tokenPath: '/token',
    handler: (url) => async (request, response, seen) => {
      if (request.url === '/jwks') return sendJson(response, 200, { keys: [jwk] });
      if (!isClient(seen)) return sendJson(response, 401, { error: 'invalid_client' });
      const form = new URLSearchParams(seen.body);
      const grant = grants.get(form.get('grant_type') ?? '');
      const answer: object | Refusal = grant ? await grant(url, form) : { error: 'unsupported_grant_type' };
      sendJson(response, 'error' in answer ? 400 : 200, answer);
    },
  });
  return Object.assign(provider, { issued });
}

function isClient({ headers }: Seen): boolean {
  const pair = Buffer.from(headers.authorization?.replace(/^Basic /, '') ?? '', 'base64').toString();
  const [id, secret] = pair.split(':').map((half) => new URLSearchParams(`v=${half}`).get('v'));
  return id === EXCHANGE_CLIENT.clientId && secret === EXCHANGE_CLIENT.clientSecret;
}
