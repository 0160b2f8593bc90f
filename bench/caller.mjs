import { generateKeyPairSync, sign } from 'node:crypto';

/** Ends after any run. Seconds. */
const LIFE = 24 * 3600;

/** A caller of the gateway, as an identity provider would vouch for it: a signed access token (RFC 9068), and the keys to check it by. */
export function createCaller(issuer, audience) {
  const { jwks, tokenOf } = createIssuer(issuer, audience);
  return { token: tokenOf('caller'), jwks };
}

/** An identity provider: its keys, and tokens of whoever it is asked for. */
export function createIssuer(issuer, audience) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'ES256', use: 'sig' };
  const now = Math.floor(Date.now() / 1000);
  const common = { iss: issuer, aud: audience, iat: now, exp: now + LIFE, roles: ['caller'], tenant: 'bench' };
  const tokenOf = (sub) => {
    const signed = [
      { alg: 'ES256', typ: 'at+jwt', kid: 'bench' },
      { ...common, sub },
    ]
      .map(encode)
      .join('.');
    const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  };
  return { jwks: { keys: [jwk] }, tokenOf };
}

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
