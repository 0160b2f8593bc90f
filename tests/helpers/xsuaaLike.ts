import { createRemoteJWKSet, exportJWK, generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { Tls } from './certificates.js';
import { type Provider, type Seen, sendJson, startTokenServer } from './tokenServer.js';

export interface XsuaaSettings {
  readonly clientId?: string;
  readonly clientSecret?: string;
  /** Turns the certificate face on: https, client id in the body, no secret. */
  readonly tls?: Tls;
  /** Of a client that may prove itself by certificate. */
  readonly certificateName?: string;
  readonly expiresIn?: number;
  /** Whose users may come by their token: the identity provider that its administrator set up as a trusted one. */
  readonly trusts?: Trusted;
}

export interface Trusted {
  readonly issuer: string;
  readonly jwksUri: string;
  /** What it knows itself, or its client, by at that provider. */
  readonly audience: string;
}

export interface XsuaaLike extends Provider {
  /** Whose each token is that was issued so far: a user, or the client. */
  readonly issued: ReadonlyMap<string, string>;
}

/** Shaped as real ones are: the characters matter where something encodes them. */
export const XSUAA_CLIENT = {
  clientId: 'sb-0a1b2c3d-4e5f!b22931|abap-trial-service-broker!b18767',
  clientSecret: '5f0e6c1a-77aa$Zm9vYmFyLWJhel9xdXg=',
};

/**
 * A stand-in for SAP BTP's XSUAA as it was measured: it takes client id and secret from the form body, doesn't decode
 * Basic, answers every wrong client with 401 `unauthorized`, and issues RS256 tokens for 43199 seconds; keys at `/token_keys`.
 * A user's token of a trusted provider is exchanged by `jwt-bearer`; one that won't do is answered as a wrong client is.
 */
export async function startXsuaaLike(settings: XsuaaSettings = {}): Promise<XsuaaLike> {
  const issued = new Map<string, string>();
  const given = { ...XSUAA_CLIENT, expiresIn: 43_199, ...settings };
  const keys = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'default-jwt-key', alg: 'RS256', use: 'sig' };

  /** Only a user's token will do, of a provider that is trusted, for this client, signed by a key of that provider's. */
  async function userOf(form: URLSearchParams): Promise<JWTPayload | undefined> {
    const { trusts } = given;
    const assertion = form.get('assertion');
    if (!trusts || !assertion) return undefined;
    const keys = createRemoteJWKSet(new URL(trusts.jwksUri));
    const expected = { issuer: trusts.issuer, audience: trusts.audience, requiredClaims: ['sub', 'exp', 'iat'] };
    const verified = await jwtVerify(assertion, keys, expected).catch(() => undefined);
    const { payload } = verified ?? {};
    return payload?.sub === payload?.client_id ? undefined : payload;
  }

  async function issue(url: string, form: URLSearchParams, user: JWTPayload | undefined) {
    const iat = Math.floor(Date.now() / 1000);
    const claims = {
      jti: crypto.randomUUID(),
      cid: given.clientId,
      client_id: given.clientId,
      grant_type: form.get('grant_type'),
      scope: ['uaa.resource'],
      zid: 'test',
      ...(user ? { user_id: user.sub, user_name: user.sub, origin: 'corp' } : {}),
    };
    const sub = user?.sub ?? given.clientId;
    const token = await new SignJWT({
      ...claims,
      iss: `${url}/oauth/token`,
      sub,
      aud: [given.clientId],
      iat,
      exp: iat + given.expiresIn,
    })
      .setProtectedHeader({ alg: 'RS256', kid: jwk.kid, jku: `${url}/token_keys` })
      .sign(keys.privateKey);
    issued.set(token, sub);
    return {
      access_token: token,
      token_type: 'bearer',
      expires_in: given.expiresIn,
      scope: 'uaa.resource',
      jti: claims.jti,
    };
  }

  function knows(form: URLSearchParams, seen: Seen): boolean {
    if (form.get('client_id') !== given.clientId) return false;
    if (given.tls) return seen.certificate === (given.certificateName ?? 'xsuaa client');
    return form.get('client_secret') === given.clientSecret;
  }

  async function answerTo(url: string, form: URLSearchParams): Promise<{ status: number; body: object }> {
    const grant = form.get('grant_type');
    if (grant === 'client_credentials') return { status: 200, body: await issue(url, form, undefined) };
    if (grant !== JWT_BEARER)
      return { status: 400, body: { error: 'unsupported_grant_type', error_description: 'Unsupported grant type' } };
    const user = await userOf(form);
    if (user) return { status: 200, body: await issue(url, form, user) };
    return { status: 401, body: { error: 'unauthorized', error_description: 'Bad credentials' } };
  }

  const provider = await startTokenServer({
    tls: given.tls,
    tokenPath: '/oauth/token',
    handler: (url) => async (request, response, seen) => {
      if (request.url === '/token_keys') return sendJson(response, 200, { keys: [jwk] });
      if (request.url !== '/oauth/token' || request.method !== 'POST')
        return sendJson(response, 404, { error: 'not_found' });
      const form = formOf(seen);
      if (!knows(form, seen))
        return sendJson(response, 401, { error: 'unauthorized', error_description: 'Bad credentials' });
      const { status, body } = await answerTo(url, form);
      sendJson(response, status, body);
    },
  });
  return Object.assign(provider, { issued });
}

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** Raw Basic would do at a real one; what RFC 6749 makes of such a client id never does, so it stands for both here. */
function formOf({ headers, body }: Seen): URLSearchParams {
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  return new URLSearchParams(isForm && !headers.authorization ? body : '');
}
