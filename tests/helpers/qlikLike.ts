import { generateKeyPair, SignJWT } from 'jose';
import { type Provider, type Seen, sendJson, startTokenServer } from './tokenServer.js';

export const QLIK_CLIENT = { clientId: '2f1d7a9c4b', clientSecret: 'b7c0ffee-qlik-secret' };

/** A stand-in for Qlik Cloud's `/oauth/token`: JSON or form, `errors[]` instead of RFC 6749's errors, ES384 tokens for six hours. */
export async function startQlikLike(settings: Partial<typeof QLIK_CLIENT> = {}): Promise<Provider> {
  const given = { ...QLIK_CLIENT, ...settings };
  const { privateKey } = await generateKeyPair('ES384');

  return startTokenServer({
    tokenPath: '/oauth/token',
    handler: (url) => async (request, response, seen) => {
      if (request.url !== '/oauth/token' || request.method !== 'POST')
        return sendJson(response, 404, errors('HTTP-404', 'Not found', 404));
      const body = bodyOf(seen);
      if (body?.client_id !== given.clientId) return sendJson(response, 401, errors('OAUTH-1', 'Invalid client', 401));
      if (body.client_secret !== given.clientSecret)
        return sendJson(response, 401, errors('OAUTH-22', 'Invalid client_secret', 401));
      if (body.grant_type !== 'client_credentials')
        return sendJson(response, 400, errors('OAUTH-10', 'Unsupported grant_type', 400));
      const access_token = await new SignJWT({ sub: `qlikbot\\${given.clientId}`, subType: 'user' })
        .setProtectedHeader({ alg: 'ES384', kid: 'qlik' })
        .setIssuer(url)
        .setIssuedAt()
        .setExpirationTime('6h')
        .setJti(crypto.randomUUID())
        .sign(privateKey);
      const expires_at = new Date(Date.now() + 21_600_000).toISOString();
      sendJson(response, 200, {
        access_token,
        token_type: 'bearer',
        expires_in: 21_600,
        expires_at,
        scope: body.scope ?? 'user_default',
      });
    },
  });
}

function errors(code: string, title: string, status: number) {
  return { errors: [{ code, title, status: String(status), meta: {} }], traceId: 'f3a1' };
}

function bodyOf({ headers, body }: Seen): Record<string, string> | undefined {
  if (headers['content-type'] !== 'application/json') return Object.fromEntries(new URLSearchParams(body));
  try {
    return JSON.parse(body) as Record<string, string>;
  } catch {
    return undefined;
  }
}
