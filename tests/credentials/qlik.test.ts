import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import type { Asking, CredentialSource, Principal, RestRequest, RestResponse } from '../../src/contracts.js';
import type { CredentialError } from '../../src/core/errors.js';
import { createAuthBroker } from '../../src/credentials/authBroker.js';
import qlik from '../../src/credentials/qlik.js';
import { createMemoryStore } from '../../src/stores/memory.js';
import { FakeSignals } from '../helpers/fakes.js';
import { exchangeTo } from './brokerWorld.js';
import { SteppedClock } from './steppedClock.js';
import {
  createSource,
  depsWith,
  everyPrintOf,
  FakeRest,
  issuesOf,
  jsonAnswer,
  rejection,
  tokenAnswer,
} from './world.js';

const TENANT = 'https://acme.eu.qlikcloud.com';
const SECRET = 'canary-secret';
const { signal } = new AbortController();
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const p256 = pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);

const client = { tenant: TENANT, clientId: 'me', clientSecret: SECRET };
const m2m = { ...client, auth: 'm2m' };
const impersonation = { ...client, auth: 'impersonation', scope: 'user_default mcp:execute' };
const forCallers = { ...impersonation, for: 'caller', identity: ['sso'] };
const idp = { tenant: TENANT, auth: 'jwt-session', issuer: 'us', privateKey: pem(rsa.privateKey), keyId: 'k1' };
const session = { ...idp, user: 'auth0|ada', userName: 'Ada', userEmail: 'ada@example.com' };

function caller(subject: string, claims: object = {}, tenant?: string): Principal {
  return { subject, roles: [], claims: { ...claims }, ...(tenant === undefined ? {} : { tenant }) };
}

const askingOf = (caller: Principal | null): Asking => ({
  owner: caller,
  ...(caller ? { caller } : {}),
  url: new URL(`${TENANT}/api/ai/mcp`),
});

function errors(status: number, code: string, title: string, more: object = {}, headers = {}): RestResponse {
  return jsonAnswer(status, { errors: [{ code, title, status: String(status), ...more }], traceId: 'f3a1' }, headers);
}

interface World {
  readonly provider: FakeRest;
  readonly clock: SteppedClock;
  readonly source: CredentialSource;
}

async function world(options: object, answer: (request: RestRequest) => RestResponse = tenantAnswer): Promise<World> {
  const provider = new FakeRest();
  provider.answer = answer;
  const clock = new SteppedClock();
  return { provider, clock, source: await createSource(qlik, options, depsWith({ rest: provider.rest, clock })) };
}

function tenantAnswer({ url }: RestRequest): RestResponse {
  if (url.endsWith('/oauth/token')) return tokenAnswer('token', 21_600);
  if (url.endsWith('/login/jwt-session'))
    return { ...jsonAnswer(200, {}), cookies: ['eas.sid=s1; Path=/; HttpOnly', 'eas.sid.sig=x; Path=/'] };
  return { status: 204, headers: { 'qlik-csrf-token': 'csrf-1' }, body: '', cookies: ['_csrf=y; Path=/'] };
}

async function failure(options: object, answer: RestResponse, owner: Principal | null = null) {
  const { source } = await world(options, () => answer);
  const error = (await rejection(source.acquire(signal, askingOf(owner)))) as CredentialError;
  expect(error.name).toBe('CredentialError');
  expect(everyPrintOf(error)).not.toContain('canary');
  return error;
}

describe('qlik, machine to machine', () => {
  it('asks in JSON at the tenant, and is for the tenant alone', async () => {
    const { provider, source } = await world({ ...m2m, scope: 'user_default' });
    const token = await source.acquire(signal, askingOf(null));
    expect(provider.requests).toMatchObject([
      { method: 'POST', url: `${TENANT}/oauth/token`, headers: { 'content-type': 'application/json' } },
    ]);
    expect(JSON.parse(provider.requests[0]?.body ?? '')).toEqual({
      grant_type: 'client_credentials',
      scope: 'user_default',
      client_id: 'me',
      client_secret: SECRET,
    });
    expect(source.present(token).headers).toEqual(['Authorization', 'Bearer token']);
    expect([source.origins, source.scope, source.renewable]).toEqual([[TENANT], 'gateway', true]);
    expect(token.expiresAt - token.obtainedAt).toBe(21_600_000);
  });

  it('is for other origins where the operator lists them', async () => {
    const origins = ['https://mcp.example.com'];
    expect((await world({ ...m2m, origins })).source.origins).toEqual(origins);
  });

  it('proves itself by an assertion', async () => {
    const { clientSecret: _, ...rest } = m2m;
    const { provider, source, clock } = await world({ ...rest, privateKey: pem(rsa.privateKey), keyId: 'k1' });
    await source.acquire(signal, askingOf(null));
    const sent = JSON.parse(provider.requests[0]?.body ?? '') as Record<string, string>;
    const { payload } = await jwtVerify(sent.client_assertion ?? '', rsa.publicKey, {
      currentDate: new Date(clock.now()),
    });
    expect(payload).toMatchObject({ iss: 'me', sub: 'me', aud: `${TENANT}/oauth/token`, jti: expect.any(String) });
    expect(decodeProtectedHeader(sent.client_assertion ?? '')).toMatchObject({ alg: 'RS256', kid: 'k1' });
    expect(sent.client_secret).toBeUndefined();
  });
});

describe('qlik, impersonation', () => {
  it.each<[string, object, object]>([
    ['subject', { user: 'auth0|ada' }, { field: 'subject', value: 'auth0|ada' }],
    ['user id', { user: '5be59d', lookup: 'userId' }, { field: 'userId', value: '5be59d' }],
  ])('looks the one user up by %s', async (_name, options, lookup) => {
    const { provider, source } = await world({ ...impersonation, ...options });
    await source.acquire(signal, askingOf(null));
    expect(JSON.parse(provider.requests[0]?.body ?? '')).toEqual({
      grant_type: 'urn:qlik:oauth:user-impersonation',
      scope: 'user_default mcp:execute',
      client_id: 'me',
      client_secret: SECRET,
      user_lookup: lookup,
    });
  });

  it.each<[string, object, Principal, object]>([
    ['their subject', {}, caller('sso:auth0|ada:1'), { field: 'subject', value: 'auth0|ada:1' }],
    [
      'a claim',
      { userClaim: 'qlik.user', lookup: 'userId' },
      caller('sso:x', { qlik: { user: '5be' } }),
      { field: 'userId', value: '5be' },
    ],
  ])('looks callers up by %s', async (_name, options, owner, lookup) => {
    const { provider, source } = await world({ ...forCallers, ...options });
    await source.acquire(signal, askingOf(owner));
    expect(JSON.parse(provider.requests[0]?.body ?? '').user_lookup).toEqual(lookup);
    expect(source.scope).toBe('caller');
  });

  it.each<[string, object, Principal, RegExp, RegExp]>([
    ['another identity entry knows', {}, caller('keys:ada'), /known by the identity entry keys/, /identity/],
    ['no identity entry knows', {}, caller('sso'), /known by no identity entry/, /identity/],
    ['has no such claim', { userClaim: 'email' }, caller('sso:ada', { email: ['a'] }), /claim email/, /userClaim/],
  ])('asks nothing for a caller that %s', async (_name, options, owner, message, mend) => {
    const { provider, source } = await world({ ...forCallers, ...options });
    const error = (await rejection(source.acquire(signal, askingOf(owner)))) as CredentialError;
    expect(error.message).toMatch(message);
    expect(error.mend).toMatch(mend);
    expect(provider.requests).toEqual([]);
  });
});

describe('qlik, a session by JWT', () => {
  it('signs for the one user, logs in, and fetches the CSRF token with the cookies', async () => {
    const { provider, source, clock } = await world({ ...session, userGroups: ['a b', 'c'] });
    const token = await source.acquire(signal, askingOf(null));
    const [login, csrf] = provider.requests;
    expect(login).toMatchObject({ method: 'POST', url: `${TENANT}/login/jwt-session` });
    const jwt = login?.headers?.authorization?.slice('Bearer '.length) ?? '';
    const { payload, protectedHeader } = await jwtVerify(jwt, rsa.publicKey, { currentDate: new Date(clock.now()) });
    expect(protectedHeader).toMatchObject({ alg: 'RS256', kid: 'k1' });
    const iat = clock.now() / 1000;
    expect(payload).toEqual({
      sub: 'auth0|ada',
      subType: 'user',
      name: 'Ada',
      email: 'ada@example.com',
      email_verified: true,
      groups: ['a b', 'c'],
      iss: 'us',
      aud: 'qlik.api/login/jwt-session',
      iat,
      nbf: iat - 30,
      exp: iat + 300,
      jti: expect.any(String),
    });
    expect(csrf).toMatchObject({
      method: 'GET',
      url: `${TENANT}/api/v1/csrf-token`,
      headers: { cookie: 'eas.sid=s1; eas.sid.sig=x' },
    });
    const shown = source.present(token);
    expect(shown.headers).toEqual(['Cookie', 'eas.sid=s1; eas.sid.sig=x; _csrf=y', 'qlik-csrf-token', 'csrf-1']);
    expect([...(shown.hides ?? [])]).toEqual(['set-cookie', 'qlik-csrf-token']);
  });

  it.each<[string, object, string, number]>([
    ['twenty minutes', {}, 'eas.sid=s1', 1200],
    ['what the operator says', { sessionSeconds: 90 }, 'eas.sid=s1', 90],
    ['what the cookie says, where that is less', {}, 'eas.sid=s1; Max-Age=60', 60],
  ])('takes it for good for %s', async (_name, options, cookie, seconds) => {
    const { source } = await world({ ...session, ...options }, (request) => ({
      ...tenantAnswer(request),
      cookies: [cookie],
    }));
    const token = await source.acquire(signal, askingOf(null));
    expect(token.expiresAt - token.obtainedAt).toBe(seconds * 1000);
  });

  it('says of a caller what its own token says', async () => {
    const { provider, source, clock } = await world({ ...idp, for: 'caller', identity: ['sso'], groupsClaim: 'g' });
    const claims = { name: 'Grace', email: 'grace@example.com', g: ['navy'] };
    for (const more of [{}, { email_verified: true }])
      await source.acquire(signal, askingOf(caller('sso:grace', { ...claims, ...more })));
    const jwts = provider.requests.flatMap(({ headers }) => headers?.authorization?.slice(7) ?? []);
    const currentDate = new Date(clock.now());
    const said = await Promise.all(jwts.map((jwt) => jwtVerify(jwt, rsa.publicKey, { currentDate })));
    const grace = { sub: 'grace', name: 'Grace', email: 'grace@example.com', groups: ['navy'] };
    expect(said.map(({ payload }) => payload)).toMatchObject([
      { ...grace, email_verified: false },
      { ...grace, email_verified: true },
    ]);
  });

  it('asks nothing for a caller without an address', async () => {
    const { provider, source } = await world({ ...idp, for: 'caller', identity: ['sso'] });
    const error = await rejection(source.acquire(signal, askingOf(caller('sso:grace', { name: 'Grace' }))));
    expect(error).toMatchObject({
      message: expect.stringMatching(/claim email/),
      mend: expect.stringMatching(/emailClaim/),
    });
    expect(provider.requests).toEqual([]);
  });

  it.each<[string, string, RestResponse, RegExp]>([
    ['a login without cookies', '/login/jwt-session', jsonAnswer(200, {}), /set no cookie/],
    ['no CSRF token', '/api/v1/csrf-token', { status: 204, headers: {}, body: '' }, /gave no qlik-csrf-token/],
    [
      'a refused CSRF token',
      '/api/v1/csrf-token',
      errors(400, 'CSRF-TOKEN-2', 'Token is not supported'),
      /answered 400: CSRF-TOKEN-2: Token is not supported/,
    ],
    [
      'a login page',
      '/login/jwt-session',
      { status: 302, headers: { location: '/login?canary' }, body: '' },
      /a redirect, which is not followed/,
    ],
  ])('says so of %s', async (_name, path, answer, message) => {
    const { source } = await world(session, (request) => (request.url.endsWith(path) ? answer : tenantAnswer(request)));
    const error = await rejection(source.acquire(signal, askingOf(null)));
    expect(error).toMatchObject({ name: 'CredentialError', message: expect.stringMatching(message) });
    expect(everyPrintOf(error)).not.toContain('canary');
  });
});

describe('qlik, an API key', () => {
  it('is shown as it was written', async () => {
    const { provider, source } = await world({ tenant: TENANT, auth: 'api-key', apiKey: SECRET });
    const token = await source.acquire(signal, askingOf(null));
    expect(source.present(token).headers).toEqual(['Authorization', `Bearer ${SECRET}`]);
    expect([token.expiresAt, source.renewable]).toEqual([Number.POSITIVE_INFINITY, false]);
    expect(provider.requests).toEqual([]);
  });
});

describe("what mends Qlik's refusals", () => {
  it.each<[string, object, RestResponse, RegExp, RegExp]>([
    [
      'a wrong secret',
      m2m,
      errors(401, 'OAUTH-22', 'Invalid client_secret'),
      /answered 401: OAUTH-22: Invalid client_secret$/,
      /Check clientSecret/,
    ],
    ['an unknown client', m2m, errors(401, 'OAUTH-1', 'Invalid client'), /OAUTH-1/, /clientId.*this tenant/],
    ['a client that may not', m2m, errors(400, 'OAUTH-10', 'No'), /OAUTH-10/, /allowed M2M.*trusted/],
    [
      'a user that is not there',
      { ...impersonation, user: 'x' },
      errors(400, 'OAUTH-19', 'User not found', { detail: 'No such user.' }),
      /OAUTH-19: No such user\.$/,
      /the user exists in the tenant already/,
    ],
    [
      'a disabled user',
      { ...impersonation, user: 'x' },
      errors(403, 'OAUTH-7', 'Disabled'),
      /answered 403/,
      /the user is not disabled.*revoke tokens/,
    ],
    ['a JWT that is not trusted', session, errors(401, 'AUTH-1', 'Invalid'), /the JWT login .* answered 401/, /issuer/],
    ['a repeated secret', m2m, errors(400, 'OAUTH-3', `you sent ${SECRET}`), /withheld/, /trusted/],
  ])('%s', async (_name, options, answer, message, mend) => {
    const error = await failure(options, answer);
    expect(error.message).toMatch(message);
    expect(error.mend).toMatch(mend);
  });

  it('waits as long as the tenant asks', async () => {
    const detail = 'You need to wait 13 seconds.';
    const answer = errors(429, 'HTTP-429', 'API rate limit reached.', { detail }, { 'retry-after': '13' });
    expect((await failure(m2m, answer)).retryAfterMs).toBe(13_000);
    expect((await failure(session, answer)).retryAfterMs).toBe(13_000);
  });
});

describe('qlik, held by the broker', () => {
  function brokerWith(sources: Record<string, CredentialSource>, clock: SteppedClock) {
    const signals = new FakeSignals();
    return createAuthBroker({ sources: new Map(Object.entries(sources)), store: createMemoryStore(), clock, signals });
  }

  it('keeps callers, and the users that their claims name, apart', async () => {
    let count = 0;
    const { provider, source, clock } = await world({ ...forCallers, userClaim: 'user' }, () =>
      tokenAnswer(`t${++count}`),
    );
    const broker = brokerWith({ jobs: source }, clock);
    const ask = async (owner: Principal) => {
      const exchange = exchangeTo('qlik', { principal: owner });
      return (await broker.credential('jobs', exchange, TENANT)).token.value;
    };
    const callers = [
      caller('sso:ada', { user: 'ada' }),
      caller('sso:ada', { user: 'root' }),
      caller('sso:ada', { user: 'ada' }, 'acme'),
      caller('sso:grace', { user: 'ada' }),
    ];
    expect(await Promise.all(callers.map(ask))).toEqual(['t1', 't2', 't3', 't4']);
    expect(await Promise.all([...callers].reverse().map(ask))).toEqual(['t4', 't3', 't2', 't1']);
    expect(provider.requests).toHaveLength(4);
  });

  it('has the tenant in what its key is made of', async () => {
    const boundTo = async (tenant: string) => (await world({ ...m2m, tenant })).source.boundTo?.();
    expect(await boundTo(TENANT)).toEqual([TENANT, 'm2m', 'me', '']);
    expect(await boundTo('https://other.eu.qlikcloud.com')).not.toEqual(await boundTo(TENANT));
  });
});

describe('qlik, what is configured', () => {
  const where = (auth: string, whose = 'gateway') => `where auth is ${auth} and for is ${whose}`;

  it.each<[string, object, string[]]>([
    [
      'no client',
      { tenant: TENANT, auth: 'm2m' },
      [`clientId: is needed ${where('m2m')}`, 'clientSecret: is needed, or privateKey and keyId'],
    ],
    [
      'a bot for callers',
      { ...m2m, for: 'caller' },
      ['for: must be gateway: m2m is one user for everybody; use impersonation for callers'],
    ],
    ['secret and key', { ...m2m, privateKey: p256 }, ['privateKey: stands beside clientSecret: write one of them']],
    [
      'a key without id',
      { tenant: TENANT, auth: 'm2m', clientId: 'me', privateKey: pem(rsa.privateKey) },
      ['keyId: is needed with privateKey: Qlik Cloud finds the key by it'],
    ],
    [
      'a curve that Qlik lacks',
      { tenant: TENANT, auth: 'm2m', clientId: 'me', privateKey: p256, keyId: 'k' },
      ['privateKey: must be an RSA key (RS256, RS512) or P-384 (ES384)'],
    ],
    ['nobody to impersonate', impersonation, [`user: is needed ${where('impersonation')}`]],
    ['no scope', { ...client, auth: 'impersonation', user: 'x' }, [`scope: is needed ${where('impersonation')}`]],
    [
      'one user for callers',
      { ...forCallers, user: 'x' },
      [`user: has no meaning ${where('impersonation', 'caller')}`],
    ],
    [
      'callers of nobody',
      { ...impersonation, for: 'caller' },
      [`identity: is needed ${where('impersonation', 'caller')}`],
    ],
    [
      'a session without RSA',
      { ...session, privateKey: p256 },
      ['privateKey: must be an RSA key: Qlik Cloud takes RS256 alone from a JWT identity provider'],
    ],
    ['a session with a client', { ...session, clientId: 'me' }, [`clientId: has no meaning ${where('jwt-session')}`]],
    [
      'a key with a line break',
      { tenant: TENANT, auth: 'api-key', apiKey: 'a\nb' },
      ['apiKey: must be text that a header can hold, without spaces'],
    ],
    [
      'a tenant with a path',
      { ...m2m, tenant: `${TENANT}/api` },
      [`tenant: must be an origin such as ${TENANT}, without a path`],
    ],
  ])('refuses %s', (_name, options, issues) => {
    expect(issuesOf(qlik, options)).toEqual(issues);
  });

  it('prints no secret', () => {
    expect(everyPrintOf(qlik.options.parse(m2m))).not.toContain('canary');
    expect(everyPrintOf(qlik.options.parse(session))).not.toContain(session.privateKey.split('\n')[1]);
  });
});
