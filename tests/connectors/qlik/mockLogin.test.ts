import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify, SignJWT } from 'jose';
import { type MockClient, type MockQlik, type MockQlikOptions, startMockQlik } from '../../../src/testing.js';
import { FakeClock } from '../../helpers/fakes.js';
import { answered, restWith } from '../../helpers/mockRest.js';

const robot = { id: 'robot', secret: 'canary' };
const REDIRECT = 'http://127.0.0.1:3333/callback';
const IMPERSONATION = 'urn:qlik:oauth:user-impersonation';
const verifier = 'v'.repeat(43);
const challenge = createHash('sha256').update(verifier).digest('base64url');

describe('logins at the mock', () => {
  const open: MockQlik[] = [];

  const start = async (options: MockQlikOptions = {}) => {
    const mock = await startMockQlik({ clients: [robot], ...options });
    open.push(mock);
    return mock;
  };
  const post = async (mock: MockQlik, path: string, body: unknown) =>
    answered(
      await fetch(mock.origin + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    );
  const token = (mock: MockQlik, body: Record<string, unknown>) => post(mock, '/oauth/token', body);
  const asRobot = (more: Record<string, unknown>) => ({ client_id: 'robot', client_secret: 'canary', ...more });
  const authorize = (mock: MockQlik, query: Record<string, string>) =>
    fetch(`${mock.origin}/oauth/authorize?${new URLSearchParams(query)}`, { redirect: 'manual' });
  const me = async (mock: MockQlik, bearer: unknown) =>
    (await restWith(mock, { authorization: `Bearer ${bearer}` }).get('/api/v1/users/me')).body.subject;

  afterEach(async () => {
    await Promise.all(open.splice(0).map((mock) => mock.close()));
  });

  it('gives a client a token of its own, by JSON and by a form, for a robot that administers', async () => {
    const mock = await start();
    const { status, body } = await token(mock, asRobot({ grant_type: 'client_credentials' }));
    expect(status).toBe(200);
    expect(body).toMatchObject({ token_type: 'bearer', expires_in: 21_600, expires_at: expect.any(String) });
    expect(body).not.toHaveProperty('refresh_token');
    expect(await me(mock, body.access_token)).toBe('qlikbot\\robot');
    const form = new URLSearchParams(asRobot({ grant_type: 'client_credentials' }) as Record<string, string>);
    expect((await fetch(`${mock.origin}/oauth/token`, { method: 'POST', body: form })).status).toBe(200);
    const basic = { authorization: `Basic ${Buffer.from('robot:canary').toString('base64')}` };
    const bare = new URLSearchParams({ grant_type: 'client_credentials' });
    expect((await fetch(`${mock.origin}/oauth/token`, { method: 'POST', headers: basic, body: bare })).status).toBe(
      200,
    );
    expect(mock.count({ kind: 'login', path: '/oauth/token', who: 'robot', grant: 'client_credentials' })).toBe(2);
  });

  it('signs its tokens with ES384, by the key that it publishes', async () => {
    const mock = await start();
    const { body } = await token(mock, asRobot({ grant_type: 'client_credentials' }));
    const keys = (await (await fetch(`${mock.origin}/.well-known/jwks.json`)).json()) as JSONWebKeySet;
    const { protectedHeader } = await jwtVerify(String(body.access_token), createLocalJWKSet(keys), {
      issuer: mock.origin,
    });
    expect(protectedHeader.alg).toBe('ES384');
  });

  it.each([
    ['a wrong secret', { client_secret: 'wrong', grant_type: 'client_credentials' }, 401, 'OAUTH-22'],
    ['an unknown client', { client_id: 'nobody', grant_type: 'client_credentials' }, 401, 'OAUTH-1'],
    ['an unknown grant', { grant_type: 'password' }, 400, 'OAUTH-10'],
    [
      'a user who never came',
      { grant_type: IMPERSONATION, user_lookup: { field: 'subject', value: 'nobody' } },
      400,
      'OAUTH-19',
    ],
    ['a lookup that is no object', { grant_type: IMPERSONATION, user_lookup: 'auth0|ben' }, 400, 'OAUTH-2'],
    ['a lookup by email', { grant_type: IMPERSONATION, user_lookup: { field: 'email', value: 'x' } }, 400, 'OAUTH-2'],
    ['a scope that is none', { grant_type: 'client_credentials', scope: 'api-keys' }, 400, 'OAUTH-5'],
    ['a code that is none', { grant_type: 'authorization_code', code: 'x', redirect_uri: REDIRECT }, 400, 'OAUTH-8'],
    ['a refresh token that is none', { grant_type: 'refresh_token', refresh_token: 'x' }, 400, 'OAUTH-9'],
  ])('refuses %s with an error of its own', async (_, body, status, code) => {
    const refused = await token(await start(), asRobot(body));
    expect(refused.status).toBe(status);
    expect(refused.body).toEqual({
      errors: [expect.objectContaining({ code, status: String(status) })],
      traceId: expect.any(String),
    });
  });

  it('impersonates a user who is there, with the scopes that were asked for', async () => {
    const mock = await start();
    const lookup = {
      grant_type: IMPERSONATION,
      user_lookup: { field: 'subject', value: 'auth0|ben' },
      scope: 'apps:read',
    };
    const { body } = await token(mock, asRobot(lookup));
    expect(body.scope).toBe('apps:read');
    expect(decodeJwt(String(body.access_token)).sub).toBe('auth0|ben');
    const byId = await token(
      mock,
      asRobot({ ...lookup, user_lookup: { field: 'userId', value: 'user-cem' }, scope: 'user_default' }),
    );
    expect(await me(mock, byId.body.access_token)).toBe('auth0|cem');
  });

  it('has no impersonation in a form, nor for disabled users, nor for clients that are not trusted', async () => {
    const users = [{ id: 'off', subject: 'off', name: 'Off', status: 'disabled' as const }];
    const mock = await start({ users, clients: [robot, { id: 'asks', secret: 's', trusted: false }] });
    const form = new URLSearchParams({
      ...(asRobot({ grant_type: IMPERSONATION }) as object),
      user_lookup: '{"field":"subject","value":"off"}',
    });
    expect((await fetch(`${mock.origin}/oauth/token`, { method: 'POST', body: form })).status).toBe(400);
    const lookup = { grant_type: IMPERSONATION, user_lookup: { field: 'subject', value: 'off' } };
    expect((await token(mock, asRobot(lookup))).status).toBe(403);
    expect(
      (await token(mock, { client_id: 'asks', client_secret: 's', grant_type: 'client_credentials' })).status,
    ).toBe(403);
  });

  it('shares a published client between tenants, and no token', async () => {
    const [one, other] = [await start({ tenantId: 'one' }), await start({ tenantId: 'other' })];
    const { body } = await token(one, asRobot({ grant_type: 'client_credentials' }));
    expect(await me(one, body.access_token)).toBe('qlikbot\\robot');
    expect(
      (await restWith(other, { authorization: `Bearer ${body.access_token}` }).get('/api/v1/users/me')).status,
    ).toBe(401);
  });

  it('takes a client assertion once, and not for longer than five minutes', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const mock = await start({ clients: [{ id: 'signs', publicKey, keyId: 'k1' }] });
    const assertion = (seconds: number, jti = randomUUID(), kid = 'k1') =>
      new SignJWT({})
        .setProtectedHeader({ alg: 'RS256', kid })
        .setIssuer('signs')
        .setSubject('signs')
        .setJti(jti)
        .setAudience(`${mock.origin}/oauth/token`)
        .setIssuedAt()
        .setExpirationTime(`${seconds}s`)
        .sign(privateKey);
    const ask = async (client_assertion: string) =>
      (
        await token(mock, {
          client_id: 'signs',
          grant_type: 'client_credentials',
          client_assertion,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        })
      ).status;
    const good = await assertion(300);
    expect([await ask(good), await ask(good)]).toEqual([200, 401]);
    expect(await ask(await assertion(301))).toBe(401);
    expect(await ask(await assertion(60, randomUUID(), 'other'))).toBe(401);
    expect((await token(mock, { client_id: 'signs', grant_type: 'client_credentials' })).status).toBe(401);
  });

  it('forgets tokens when their life is over, when they are revoked, and when all are dropped', async () => {
    const clock = new FakeClock();
    const mock = await start({ clock, tokenSeconds: 10 });
    const mint = async () => (await token(mock, asRobot({ grant_type: 'client_credentials' }))).body.access_token;
    const first = await mint();
    clock.time += 10_000;
    expect(await me(mock, first)).toBeUndefined();
    const second = await mint();
    await post(mock, '/oauth/revoke', asRobot({ token: second }));
    expect(await me(mock, second)).toBeUndefined();
    const third = await mint();
    expect(await me(mock, third)).toBe('qlikbot\\robot');
    mock.faults.dropTokens();
    expect(await me(mock, third)).toBeUndefined();
  });

  describe('in a browser', () => {
    const page: MockClient = { id: 'page', redirectUris: [REDIRECT] };
    const query = {
      client_id: 'page',
      redirect_uri: REDIRECT,
      response_type: 'code',
      state: 'abc',
      scope: 'user_default offline_access',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    };
    const codeOf = async (mock: MockQlik, more: Record<string, string> = {}) =>
      new URL((await authorize(mock, { ...query, ...more })).headers.get('location') ?? '').searchParams;
    const redeem = (mock: MockQlik, code: unknown, more: Record<string, unknown> = {}) =>
      token(mock, {
        client_id: 'page',
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT,
        code_verifier: verifier,
        ...more,
      });

    it('comes back with a code, which serves once and for its verifier', async () => {
      const mock = await start({ clients: [page], browserUser: 'user-cem' });
      const back = await codeOf(mock);
      expect(back.get('state')).toBe('abc');
      const { body } = await redeem(mock, back.get('code'));
      expect(await me(mock, body.access_token)).toBe('auth0|cem');
      expect((await redeem(mock, back.get('code'))).status).toBe(400);
      const other = (await codeOf(mock)).get('code');
      expect((await redeem(mock, other, { code_verifier: 'w'.repeat(43) })).body.errors?.[0]?.code).toBe('OAUTH-11');
    });

    it('refreshes only what has offline_access, and each refresh token once', async () => {
      const mock = await start({ clients: [page], browserUser: 'user-cem' });
      const { body } = await redeem(mock, (await codeOf(mock)).get('code'));
      const refresh = () =>
        token(mock, { client_id: 'page', grant_type: 'refresh_token', refresh_token: body.refresh_token });
      expect((await refresh()).body.refresh_token).not.toBe(body.refresh_token);
      expect((await refresh()).status).toBe(400);
      const online = await redeem(mock, (await codeOf(mock, { scope: 'user_default' })).get('code'));
      expect(online.body).not.toHaveProperty('refresh_token');
    });

    it('sends nobody to an address that the client has not named', async () => {
      const mock = await start({ clients: [page], browserUser: 'user-cem' });
      for (const redirect_uri of [`${REDIRECT}/`, 'http://127.0.0.1:3334/callback', 'http://evil.example.test/']) {
        const response = await authorize(mock, { ...query, redirect_uri });
        expect(response.status).toBe(400);
        expect(response.headers.get('location')).toBeNull();
      }
    });

    it('wants S256 of a public client, and somebody who is logged in', async () => {
      const mock = await start({ clients: [page], browserUser: 'user-cem' });
      expect((await codeOf(mock, { code_challenge_method: 'plain' })).get('error')).toBe('OAUTH-6');
      const empty = await start({ clients: [page] });
      expect((await codeOf(empty)).get('error')).toBe('access_denied');
    });

    const registration = { client_name: 'x', client_uri: 'https://x.example.test', redirect_uris: [REDIRECT] };

    it('registers a client, which serves nobody until an administrator has connected', async () => {
      const mock = await start({ browserUser: 'user-cem' });
      const made = await post(mock, '/oauth/register', { ...registration, token_endpoint_auth_method: 'none' });
      expect(made.status).toBe(201);
      expect(made.body).toMatchObject({ scope: 'user_default mcp:execute' });
      const client_id = String(made.body.client_id);
      const login = () => codeOf(mock, { client_id, scope: 'user_default' });
      expect((await login()).get('error')).toBe('access_denied');
      mock.approve(client_id);
      const code = (await login()).get('code');
      expect((await redeem(mock, code, { client_id })).status).toBe(200);
    });

    it('approves a registered client by the login of an administrator, and forgets others after an hour', async () => {
      const clock = new FakeClock();
      const mock = await start({ browserUser: 'user-ada', clock });
      const register = async () => String((await post(mock, '/oauth/register', registration)).body.client_id);
      const [kept, lost] = [await register(), await register()];
      expect((await codeOf(mock, { client_id: kept })).get('code')).not.toBeNull();
      clock.time += 60 * 60_000;
      expect((await authorize(mock, { ...query, client_id: kept })).status).toBe(302);
      expect((await authorize(mock, { ...query, client_id: lost })).status).toBe(400);
    });

    it.each([
      ['without a name', { client_name: undefined }],
      ['without an address of its own', { client_uri: undefined }],
      [
        'with six addresses',
        { redirect_uris: Array.from({ length: 6 }, (_, port) => `http://127.0.0.1:${3000 + port}/`) },
      ],
      ['without any', { redirect_uris: [] }],
    ])('registers no client %s', async (_, more) => {
      expect((await post(await start(), '/oauth/register', { ...registration, ...more })).status).toBe(400);
    });

    it('says where all of it is, and nothing of registration where it is off', async () => {
      const [on, off] = [await start(), await start({ registration: false })];
      const metadata = async (mock: MockQlik) =>
        (await answered(await fetch(`${mock.origin}/.well-known/oauth-authorization-server`))).body;
      expect(await metadata(on)).toMatchObject({
        issuer: on.origin,
        registration_endpoint: `${on.origin}/oauth/register`,
      });
      expect(await metadata(off)).not.toHaveProperty('registration_endpoint');
      expect((await post(off, '/oauth/register', registration)).status).toBe(403);
    });
  });

  it('makes a JWT of its identity provider a session, whose changes want the token against forged requests', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const mock = await start({ trustedIssuer: { issuer: 'https://idp.example.test', publicKey, keyId: 'k' } });
    const jwt = (seconds = 60, more: object = {}) =>
      new SignJWT({ subType: 'user', name: 'Eve', email: 'eve@example.test', email_verified: true, ...more })
        .setProtectedHeader({ alg: 'RS256', kid: 'k' })
        .setIssuer('https://idp.example.test')
        .setSubject('eve')
        .setJti(randomUUID())
        .setAudience('qlik.api/login/jwt-session')
        .setIssuedAt()
        .setNotBefore('0s')
        .setExpirationTime(`${seconds}s`)
        .sign(privateKey);
    const login = async (bearer: string) =>
      fetch(`${mock.origin}/login/jwt-session`, { method: 'POST', headers: { authorization: `Bearer ${bearer}` } });
    const opened = await login(await jwt());
    expect(opened.status).toBe(200);
    const cookie = opened.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const rest = restWith(mock, { cookie });
    expect((await rest.get('/api/v1/users/me')).body.subject).toBe('eve');
    const csrf = (await rest.get('/api/v1/csrf-token')).headers.get('qlik-csrf-token') ?? '';
    const create = (headers: Record<string, string>) =>
      rest.send('POST', '/api/v1/collections', { name: 'Mine', type: 'private' }, headers);
    expect((await create({})).body.errors?.[0]?.code).toBe('CSRF-TOKEN-1');
    expect((await create({ 'qlik-csrf-token': csrf })).status).toBe(201);
    expect((await login(await jwt(3601))).status).toBe(401);
    expect((await login(await jwt(60, { subType: 'group' }))).status).toBe(401);
  });
});
