import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import type { JWTVerifyGetKey } from 'jose';
import type { Clock } from '../../contracts.js';
import { type Answer, type Asked, listen } from './jsonServer.js';

/** Tokens are for this audience only (RFC 7519 section 4.1.3). */
export const AUDIENCE = 'urn:drawbridge:demo';
export const ALGORITHM = 'ES256';

/** A running authorization server with one client. */
export interface TokenService {
  /** `iss` of its tokens. */
  readonly issuer: string;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The keys that its tokens are verified with. */
  readonly keys: JWTVerifyGetKey;
  close(): Promise<void>;
}

interface Client {
  readonly id: string;
  readonly secret: string;
}

/** Starts `POST /oauth/token` (RFC 6749 section 4.4, client credentials only) and `GET /jwks`. Keys and secret are new each time. */
export async function startTokenEndpoint(clock: Clock, lifetimeSeconds: number): Promise<TokenService> {
  const { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT } = await import('jose');
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM);
  const kid = randomUUID();
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid, alg: ALGORITHM, use: 'sig' }] };
  const client: Client = { id: 'drawbridge-demo', secret: randomBytes(32).toString('base64url') };
  const issue = (issuer: string) => {
    const now = Math.floor(clock.now() / 1000);
    return new SignJWT()
      .setProtectedHeader({ alg: ALGORITHM, kid, typ: 'at+jwt' })
      .setIssuer(issuer)
      .setAudience(AUDIENCE)
      .setSubject(client.id)
      .setIssuedAt(now)
      .setExpirationTime(now + lifetimeSeconds)
      .setJti(randomUUID())
      .sign(privateKey);
  };
  const server = await listen(async (asked) => {
    if (asked.path === '/jwks') return asked.method === 'GET' ? { status: 200, json: jwks } : notAllowed('GET');
    if (asked.path !== '/oauth/token') return { status: 404, json: { error: 'not_found' } };
    if (asked.method !== 'POST') return notAllowed('POST');
    const refusal = await judge(asked, client);
    if (refusal) return refusal;
    return token(await issue(server.origin), lifetimeSeconds);
  });
  return {
    issuer: server.origin,
    tokenUrl: `${server.origin}/oauth/token`,
    clientId: client.id,
    clientSecret: client.secret,
    keys: createLocalJWKSet(jwks),
    close: () => server.close(),
  };
}

/** RFC 6749 section 5.1. */
function token(value: string, lifetimeSeconds: number): Answer {
  const json = { access_token: value, token_type: 'Bearer', expires_in: lifetimeSeconds };
  return { status: 200, headers: { 'Cache-Control': 'no-store' }, json };
}

/** What is wrong with a token request; undefined where nothing is. */
async function judge(asked: Asked, client: Client): Promise<Answer | undefined> {
  const form = await readForm(asked);
  if (typeof form === 'string') return refusal(400, 'invalid_request', form);
  const basic = readBasic(asked.header('authorization'));
  if (basic && form.has('client_secret')) {
    return refusal(400, 'invalid_request', 'the client authenticates in two ways at once');
  }
  const shown = basic ?? { id: form.get('client_id') ?? '', secret: form.get('client_secret') ?? '' };
  if (!sameText(shown.id, client.id) || !sameText(shown.secret, client.secret)) {
    return refusal(401, 'invalid_client', 'client id or secret is wrong');
  }
  const grant = form.get('grant_type');
  if (grant === null) return refusal(400, 'invalid_request', 'grant_type is missing');
  if (grant !== 'client_credentials') {
    return refusal(400, 'unsupported_grant_type', 'only client_credentials is served');
  }
  return undefined;
}

/** The parameters, or what is wrong with them: none may stand twice (RFC 6749 section 3.2). */
async function readForm(asked: Asked): Promise<URLSearchParams | string> {
  const type = asked.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') return 'the body must be application/x-www-form-urlencoded';
  const body = await asked.body();
  if (!body) return 'the body is too large';
  const form = new URLSearchParams(body.toString());
  const names = [...form.keys()];
  return new Set(names).size === names.length ? form : 'a parameter stands twice';
}

/** RFC 6749 section 2.3.1; our id and secret have nothing that its encoding would change. */
function readBasic(authorization: string | undefined): Client | undefined {
  const encoded = /^basic +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [id = '', secret = ''] = Buffer.from(encoded, 'base64').toString().split(':', 2);
  return { id, secret };
}

/** Compares in a time that tells nothing of either text. */
function sameText(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

/** RFC 6749 section 5.2. */
function refusal(status: 400 | 401, error: string, description: string): Answer {
  const challenge: Record<string, string> = status === 401 ? { 'WWW-Authenticate': 'Basic realm="demo"' } : {};
  return {
    status,
    headers: { 'Cache-Control': 'no-store', ...challenge },
    json: { error, error_description: description },
  };
}

function notAllowed(allow: string): Answer {
  return { status: 405, headers: { Allow: allow }, json: { error: 'method_not_allowed' } };
}
