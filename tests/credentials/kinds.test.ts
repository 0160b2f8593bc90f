import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { jwtVerify } from 'jose';
import clientCredentials from '../../src/credentials/clientCredentials.js';
import signedJwt from '../../src/credentials/signedJwt.js';
import staticKey from '../../src/credentials/staticKey.js';
import { SteppedClock } from './steppedClock.js';
import { ASKING, createSource, depsWith, everyPrintOf, FakeRest, issuesOf } from './world.js';

const origins = ['https://mcp.example.com'];
const { signal } = new AbortController();
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });

describe('the static credential', () => {
  it.each<[string, object, string[]]>([
    ['a token', { token: 'abc' }, ['Authorization', 'Bearer abc']],
    ['a header', { header: 'X-Api-Key', value: 'k 1' }, ['X-Api-Key', 'k 1']],
    [
      'user and password',
      { username: 'ü', password: 'a:b' },
      ['Authorization', `Basic ${Buffer.from('ü:a:b').toString('base64')}`],
    ],
  ])('shows %s', async (_name, options, headers) => {
    const source = await createSource(staticKey, { origins, ...options }, depsWith({}));
    const token = await source.acquire(signal, ASKING);
    expect(source.present(token).headers).toEqual(headers);
    expect([token.expiresAt, source.renewable]).toEqual([Number.POSITIVE_INFINITY, false]);
  });

  it.each<[string, object]>([
    ['nothing', {}],
    ['two forms', { token: 'a', username: 'b', password: 'c' }],
    ['half a form', { header: 'x-key' }],
    ['halves of two forms', { header: 'x-key', password: 'c' }],
    ['a form and a half', { token: 'a', header: 'b' }],
    ['a line break', { token: 'a\r\nHost: b' }],
    ['a header that frames', { header: 'Content-Length', value: '1' }],
    ['a header with a space', { header: 'x key', value: '1' }],
    ['a user with a colon', { username: 'a:b', password: 'c' }],
    ['no origin', { token: 'a', origins: [] }],
    ['an origin with a path', { token: 'a', origins: ['https://mcp.example.com/mcp'] }],
    ['an unknown key', { token: 'a', tokn: 'b' }],
  ])('refuses %s', (_name, options) => {
    expect(issuesOf(staticKey, { origins, ...options })).toHaveLength(1);
  });
});

describe('the signed-jwt credential', () => {
  const given = { issuer: 'us', subject: 'me', audience: 'them', origins };

  it('signs what was configured and what is its own', async () => {
    const { privateKey, publicKey } = ec('P-384');
    const clock = new SteppedClock();
    const options = {
      ...given,
      privateKey: pem(privateKey),
      keyId: 'k1',
      claims: { groups: ['a'] },
      lifetimeSeconds: '60',
    };
    const source = await createSource(signedJwt, options, depsWith({ clock }));
    const token = await source.acquire(signal, ASKING);
    const { payload, protectedHeader } = await jwtVerify(token.value, publicKey, {
      currentDate: new Date(clock.now()),
    });
    const iat = clock.now() / 1000;
    expect(protectedHeader).toEqual({ alg: 'ES384', kid: 'k1', typ: 'JWT' });
    expect(payload).toEqual({
      iss: 'us',
      sub: 'me',
      aud: 'them',
      groups: ['a'],
      iat,
      exp: iat + 60,
      jti: expect.any(String),
    });
    expect(token.expiresAt - token.obtainedAt).toBe(60_000);
    expect((await source.acquire(signal, ASKING)).value).not.toBe(token.value);
  });

  it.each([
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 }), 'RS256'],
    ['P-256', ec('P-256'), 'ES256'],
    ['P-521', ec('P-521'), 'ES512'],
    ['Ed25519', generateKeyPairSync('ed25519'), 'EdDSA'],
  ])('takes the usual algorithm of an %s key', async (_name, { privateKey, publicKey }, alg) => {
    const clock = new SteppedClock();
    const source = await createSource(signedJwt, { ...given, privateKey: pem(privateKey) }, depsWith({ clock }));
    const { value } = await source.acquire(signal, ASKING);
    const { protectedHeader } = await jwtVerify(value, publicKey, { currentDate: new Date(clock.now()) });
    expect(protectedHeader).toEqual({ alg, typ: 'JWT' });
  });

  it('refuses keys and claims that cannot be meant', () => {
    const privateKey = pem(ec('P-256').privateKey);
    const weak = pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey);
    expect(issuesOf(signedJwt, { ...given, privateKey, algorithm: 'RS256' })).toEqual([
      'algorithm: does not fit the private key',
    ]);
    expect(issuesOf(signedJwt, { ...given, privateKey, claims: { exp: 1 } })[0]).toMatch(
      /^claims.exp: is written by Drawbridge/,
    );
    for (const bad of [
      weak,
      'canary',
      pem(ec('secp256k1').privateKey),
      pem(generateKeyPairSync('x25519').privateKey),
    ]) {
      const issues = issuesOf(signedJwt, { ...given, privateKey: bad });
      expect(issues).toEqual([expect.stringMatching(/^privateKey: must be an unencrypted private key in PEM/)]);
    }
  });

  it('prints nothing of its key', () => {
    const privateKey = pem(ec('P-256').privateKey);
    const options = signedJwt.options.parse({ ...given, privateKey });
    expect(everyPrintOf(options)).not.toContain(privateKey.split('\n')[1]);
  });
});

describe('the client-credentials credential', () => {
  const given = { tokenUrl: 'https://idp.example.com/token', clientId: 'me', origins };

  it('asks with everything that was configured, and nothing overrides the grant', async () => {
    const provider = new FakeRest();
    const options = {
      ...given,
      clientSecret: 's',
      scope: 'a b',
      audience: 'api',
      resource: 'https://r',
      parameters: { tenant: 't', grant_type: 'password' },
    };
    const source = await createSource(clientCredentials, options, depsWith({ rest: provider.rest }));
    await source.acquire(signal, ASKING);
    expect(Object.fromEntries(new URLSearchParams(provider.requests[0]?.body))).toEqual({
      tenant: 't',
      grant_type: 'client_credentials',
      scope: 'a b',
      audience: 'api',
      resource: 'https://r',
      client_id: 'me',
      client_secret: 's',
    });
  });

  it('addresses its assertion to the token endpoint unless told otherwise', async () => {
    const privateKey = pem(ec('P-256').privateKey);
    const audiences = [];
    for (const more of [{}, { assertionAudience: 'https://idp.example.com' }]) {
      const provider = new FakeRest();
      const options = { ...given, authentication: 'private_key_jwt', privateKey, ...more };
      await (await createSource(clientCredentials, options, depsWith({ rest: provider.rest }))).acquire(signal, ASKING);
      const assertion = new URLSearchParams(provider.requests[0]?.body).get('client_assertion') ?? '';
      audiences.push(JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString()).aud);
    }
    expect(audiences).toEqual(['https://idp.example.com/token', 'https://idp.example.com']);
  });

  it.each<[string, object, string[]]>([
    ['form', {}, ['clientSecret']],
    ['basic', { authentication: 'basic' }, ['clientSecret']],
    ['private_key_jwt', { authentication: 'private_key_jwt', clientSecret: 's' }, ['privateKey']],
    ['tls', { authentication: 'tls' }, ['certificate', 'certificateKey']],
  ])('says what %s lacks', (authentication, options, names) => {
    const issues = names.map((name) => `${name}: is needed where authentication is ${authentication}`);
    expect(issuesOf(clientCredentials, { ...given, ...options })).toEqual(issues);
  });

  it('prints no secret', () => {
    const options = clientCredentials.options.parse({ ...given, clientSecret: 'canary', certificateKey: 'canary' });
    expect(everyPrintOf(options)).not.toContain('canary');
  });
});
