import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { CredentialSource } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import { CredentialError } from '../../src/core/errors.js';
import kind from '../../src/credentials/authorizationCode.js';
import { FileVault } from '../../src/stores/vault.js';
import { FakeSignals } from '../helpers/fakes.js';
import { ask, asksOn, ORIGINS, PLACE, peopleWorld, type World, wanted } from './peopleWorld.js';
import { everyPrintOf, issuesOf, jsonAnswer, rejection } from './world.js';

const SERVER = { authorizeUrl: `${PLACE}/authorize?tenant=t`, tokenUrl: `${PLACE}/token` };
const CLIENT = {
  clientId: 'client',
  clientSecret: 'canary-secret',
  scope: 'tools',
  resource: 'https://mcp.example.com',
};
const HOUR = 3_600_000;

const world = (options: object = {}, given = {}) =>
  peopleWorld('authorization-code', { ...SERVER, ...CLIENT, ...options }, given);

async function loggedIn({ desk }: World, source: CredentialSource): Promise<string> {
  await wanted(source);
  desk.last.resolve({ code: 'the-code' });
  return asksOn(source);
}

describe('authorization-code', () => {
  it('sends a person to the provider, and shows the code with its verifier', async () => {
    const here = world({ audience: 'api', authorizeParameters: { prompt: 'consent' }, parameters: { extra: '1' } });
    const source = await here.source();
    const { url } = await wanted(source);
    const { address, redirectUri, state, resolve } = here.desk.last;
    expect(url).toBe(address.href);
    const { code_challenge: challenge, ...said } = Object.fromEntries(address.searchParams);
    expect(address.origin + address.pathname).toBe(`${PLACE}/authorize`);
    expect(said).toEqual({
      tenant: 't',
      prompt: 'consent',
      audience: 'api',
      resource: CLIENT.resource,
      response_type: 'code',
      client_id: 'client',
      redirect_uri: redirectUri.href,
      scope: 'tools',
      state,
      code_challenge_method: 'S256',
    });
    resolve({ code: 'the-code' });
    expect(await asksOn(source)).toBe('token-1');
    const { code_verifier: verifier = '', ...form } = here.provider.form(-1);
    expect(createHash('sha256').update(verifier).digest('base64url')).toBe(challenge);
    expect(verifier.length).toBeGreaterThanOrEqual(43);
    expect(form).toEqual({
      extra: '1',
      resource: CLIENT.resource,
      grant_type: 'authorization_code',
      code: 'the-code',
      redirect_uri: redirectUri.href,
      client_id: 'client',
      client_secret: 'canary-secret',
    });
  });

  it('opens one tab, however many call while the person is away', async () => {
    const here = world();
    const source = await here.source();
    const told = await Promise.all(Array.from({ length: 20 }, () => wanted(source)));
    expect(new Set(told.map(({ url }) => url)).size).toBe(1);
    await wanted(source);
    expect(here.desk.begun).toHaveLength(1);
  });

  it('sends those who ask another process to the tab that is open already', async () => {
    const here = world();
    const { url } = await wanted(await here.source());
    const other = await here.source();
    expect((await wanted(other)).url).toBe(url);
    expect(here.desk.begun).toHaveLength(1);
    here.desk.last.resolve({ code: 'the-code' });
    expect(await asksOn(other)).toBe('token-1');
    expect(here.desk.begun).toHaveLength(1);
  });

  it('keeps what it got, for other processes and later ones', async () => {
    const here = world();
    await loggedIn(here, await here.source());
    expect(await ask(await here.source())).toBe('token-1');
    expect(here.desk.begun).toHaveLength(1);
    expect(here.provider.grants).toEqual(['authorization_code']);
  });

  it('takes another port where one is taken, and tells where none is free', async () => {
    const here = world();
    here.desk.taken.add('4000');
    const source = await here.source();
    await wanted(source);
    expect(here.desk.last.redirectUri.port).toBe('4001');
    const crowded = world();
    for (const port of Array.from({ length: 8 }, (_, index) => String(4000 + index))) crowded.desk.taken.add(port);
    crowded.desk.redirectUri = () => new URL('http://localhost:4000/oauth/callback');
    expect((await rejection(ask(await crowded.source()))).message).toContain('no port is free');
  });

  it('asks anew where the person said no', async () => {
    const here = world();
    const source = await here.source();
    await wanted(source);
    here.desk.last.reject(new CredentialError('the login was refused: access_denied', 'Again.'));
    expect((await rejection(asksOn(source))).message).toBe('the login was refused: access_denied');
    expect(await loggedIn(here, source)).toBe('token-1');
    expect(here.desk.begun).toHaveLength(2);
  });

  it.each<[string, object]>([
    ['client', { clientId: 'other' }],
    ['scope', { scope: 'other' }],
    ['resource', { resource: 'https://other.example.com' }],
    ['audience', { audience: 'other' }],
    ['provider', { tokenUrl: 'https://other.example.com/token' }],
  ])('asks for a new login for another %s', async (_what, other) => {
    const here = world();
    await loggedIn(here, await here.source());
    await wanted(await here.source(other));
    expect(here.provider.grants).toEqual(['authorization_code']);
  });

  it('gives no owner what another logged in for', async () => {
    const here = world({ for: 'caller' });
    const source = await here.source();
    const [ada, grace] = [{ owner: { subject: 'ada' } }, { owner: { subject: 'grace' } }];
    await wanted(source, ada);
    await wanted(source, grace);
    here.desk.begun[0]?.resolve({ code: 'of-ada' });
    expect(await asksOn(source, ada)).toBe('token-1');
    await wanted(source, grace);
    await wanted(source, { owner: { subject: 'ada', tenant: 'other' } });
    expect(await ask(source, ada)).toBe('token-1');
  });

  it('shows no secret in an error', async () => {
    const here = world();
    const source = await here.source();
    await wanted(source);
    here.provider.answer = ({ body }) =>
      jsonAnswer(400, { error: 'invalid_request', error_description: decodeURIComponent(body ?? '') });
    here.desk.last.resolve({ code: 'canary-code' });
    const error = await rejection(asksOn(source));
    expect(error.message).toContain('withheld');
    expect(everyPrintOf(error)).not.toContain('canary');
  });

  it('wants an issuer, or both endpoints', () => {
    const given = { clientId: 'a', origins: ORIGINS };
    expect(issuesOf(kind, given)).toEqual([
      'authorizeUrl: is needed, or an issuer alone, whose metadata names its endpoints',
      'tokenUrl: is needed, or an issuer alone, whose metadata names its endpoints',
    ]);
    expect(issuesOf(kind, { ...given, issuer: PLACE, tokenUrl: `${PLACE}/token` })).toHaveLength(1);
    expect(issuesOf(kind, { ...given, ...SERVER })).toEqual([]);
    expect(issuesOf(kind, { ...given, issuer: PLACE, authentication: 'basic' })).toEqual([
      'clientSecret: is needed where authentication is basic',
    ]);
    for (const issuer of [`${PLACE}?a`, `${PLACE}#`, 'ftp://a', 'https://u:p@a'])
      expect(issuesOf(kind, { ...given, issuer })).toHaveLength(1);
  });
});

describe('a login that a refresh token carries on', () => {
  it('is renewed with each token once, and rotated', async () => {
    const here = world();
    const source = await here.source();
    await loggedIn(here, source);
    for (const expected of ['token-2', 'token-3']) {
      here.deps.clock.time += HOUR;
      expect(await ask(source)).toBe(expected);
    }
    expect(here.provider.grants).toEqual(['authorization_code', 'refresh_token', 'refresh_token']);
    expect(here.provider.form(-1)).toMatchObject({ resource: CLIENT.resource, client_secret: 'canary-secret' });
  });

  it('is renewed ahead of the end, and when the server refuses the token', async () => {
    const here = world();
    const source = await here.source();
    await loggedIn(here, source);
    here.deps.clock.time += HOUR - 300_000;
    const token = await source.acquire(new AbortController().signal, {
      owner: null,
      url: new URL(ORIGINS[0] as string),
    });
    expect(token.value).toBe('token-2');
    expect(await ask(source, { refused: { token, challenge: undefined } })).toBe('token-3');
  });

  it('is left alone by a server that refuses whatever it is shown', async () => {
    const here = world();
    const source = await here.source();
    let value = await loggedIn(here, source);
    const again = async () => {
      value = await ask(source, {
        refused: { token: { value, obtainedAt: here.deps.clock.time, expiresAt: 1 }, challenge: undefined },
      });
    };
    for (let times = 0; times < 3; times++) await again();
    expect((await rejection(again())).message).toContain('refuses every token');
    expect(here.desk.begun).toHaveLength(1);
  });

  it('keeps the refresh token of a provider that does not rotate', async () => {
    const here = world();
    const source = await here.source();
    await loggedIn(here, source);
    here.provider.answer = () => jsonAnswer(200, { access_token: 'same-refresh', expires_in: 3600 });
    for (let times = 0; times < 2; times++) {
      here.deps.clock.time += HOUR;
      expect(await ask(source)).toBe('same-refresh');
      expect(here.provider.form(-1).refresh_token).toBe('refresh-1');
    }
  });

  it.each(['invalid_grant', 'invalid_token', 'OAUTH-17'])('is begun anew where the provider says %s', async (error) => {
    const here = world();
    const source = await here.source();
    await loggedIn(here, source);
    const { answer } = here.provider;
    here.provider.answer = () => jsonAnswer(400, { error });
    here.deps.clock.time += HOUR;
    await wanted(source);
    here.provider.answer = answer;
    here.desk.last.resolve({ code: 'again' });
    expect(await asksOn(source)).toBe('token-2');
  });

  it.each<[string, number]>([
    ['invalid_client', 401],
    ['unauthorized', 401],
    ['server_error', 500],
    ['invalid_request', 400],
  ])('asks nobody to log in where the provider says %s', async (error, status) => {
    const here = world();
    const source = await here.source();
    await loggedIn(here, source);
    const { answer } = here.provider;
    here.provider.answer = () => jsonAnswer(status, { error });
    here.deps.clock.time += HOUR;
    expect((await rejection(ask(source))).message).toContain(`answered ${status}: ${error}`);
    here.provider.answer = answer;
    expect(await ask(source)).toBe('token-2');
    expect(here.desk.begun).toHaveLength(1);
  });

  it('serves to its end though it can no longer be renewed, asking once', async () => {
    const here = world();
    const source = await here.source();
    await loggedIn(here, source);
    here.provider.refreshToken = 'forgotten';
    here.deps.clock.time += HOUR - 60_000;
    expect([await ask(source), await ask(source)]).toEqual(['token-1', 'token-1']);
    expect(here.provider.grants).toEqual(['authorization_code', 'refused']);
    here.deps.clock.time += 60_000;
    await wanted(source);
  });

  it('asks nobody where nobody is to be asked', async () => {
    const here = world();
    const source = await here.source();
    expect((await rejection(ask(source, { person: 'never' }))).message).toBe('nobody is logged in there');
    expect(here.desk.begun).toHaveLength(0);
    await loggedIn(here, source);
    here.deps.clock.time += HOUR;
    expect(await ask(source, { person: 'never' })).toBe('token-2');
  });

  it('is found by those who wait when another process has logged in', async () => {
    const here = world();
    const [one, two] = [await here.source(), await here.source()];
    await wanted(one);
    const mine = ask(two, { person: 'now' }).catch(() => 'told');
    expect(await mine).toBe('told');
    expect(here.desk.begun).toHaveLength(2);
    here.desk.last.resolve({ code: 'mine' });
    expect(await asksOn(two)).toBe('token-1');
    expect(await ask(one)).toBe('token-1');
  });

  it('is renewed once by ten that share a folder, and lost by none', async () => {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'vault-'));
    const vaultDeps = { clock: systemClock, signals: new FakeSignals() };
    const first = world({}, { vault: new FileVault(folder, vaultDeps) });
    await loggedIn(first, await first.source());
    const sources = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const { clock, rest } = first.deps;
        return world({}, { vault: new FileVault(folder, vaultDeps), clock, rest }).source();
      }),
    );
    first.deps.clock.time += HOUR;
    expect(new Set(await Promise.all(sources.map((source) => ask(source))))).toEqual(new Set(['token-2']));
    expect(first.provider.grants).toEqual(['authorization_code', 'refresh_token']);
    await fs.rm(folder, { recursive: true });
  });

  it('ends with a logout: forgotten, and told where there is a place for it', async () => {
    const here = world();
    const source = await here.source();
    expect(await source.logout?.(null)).toEqual({ held: false, revoked: false });
    await loggedIn(here, source);
    expect(await source.logout?.(null)).toEqual({ held: true, revoked: false });
    await wanted(source);
  });
});

describe('an issuer', () => {
  const metadata = (more: object = {}) => ({
    issuer: PLACE,
    authorization_endpoint: `${PLACE}/authorize`,
    token_endpoint: `${PLACE}/token`,
    revocation_endpoint: `${PLACE}/revoke`,
    ...more,
  });

  /** Documents by their path. */
  function found(documents: Record<string, object>) {
    const asked: string[] = [];
    const fetchFor = () => async (input: string | URL | Request) => {
      const { pathname } = new URL(String(input));
      asked.push(pathname);
      const document = documents[pathname];
      return new Response(JSON.stringify(document ?? {}), { status: document ? 200 : 404 });
    };
    const here = peopleWorld('authorization-code', { issuer: PLACE, clientId: 'client' }, { fetchFor });
    return { ...here, asked };
  }

  const OAUTH = '/.well-known/oauth-authorization-server';
  const OPENID = '/.well-known/openid-configuration';

  it.each([OAUTH, OPENID])('is found by %s', async (place) => {
    const here = found({ [place]: metadata() });
    const source = await here.source();
    await wanted(source);
    here.desk.last.resolve({ code: 'a', iss: PLACE });
    expect(await asksOn(source)).toBe('token-1');
    expect(here.provider.form(-1)).not.toHaveProperty('client_secret');
  });

  it('with a path is looked for in all three places', async () => {
    const here = found({});
    await rejection(ask(await here.source({ issuer: `${PLACE}/tenant` })));
    expect(here.asked).toEqual([`${OAUTH}/tenant`, `/tenant${OPENID}`, `${OPENID}/tenant`]);
  });

  it.each<[string, object]>([
    ['another issuer', { issuer: 'https://evil.example.com' }],
    ['itself with a slash', { issuer: `${PLACE}/` }],
    ['no token endpoint', { token_endpoint: undefined }],
  ])('is refused where its metadata names %s', async (_what, more) => {
    const here = found({ [OAUTH]: metadata(more), [OPENID]: metadata(more) });
    expect((await rejection(ask(await here.source()))).message).toContain('has no metadata that names it');
  });

  it.each<[string, object, string]>([
    ['plain http', { token_endpoint: 'http://elsewhere.example.com/token' }, 'which is not https'],
    ['no S256', { code_challenge_methods_supported: ['plain'] }, 'no code challenge of the method S256'],
    ['no place to log in', { authorization_endpoint: undefined }, 'names no authorization endpoint'],
  ])('is refused where its metadata names %s', async (_what, more, message) => {
    const here = found({ [OAUTH]: metadata(more) });
    expect((await rejection(ask(await here.source()))).message).toContain(message);
  });

  it.each<[string, { iss?: string }, boolean]>([
    ['another issuer', { iss: 'https://evil.example.com' }, false],
    ['nobody, though that was promised', {}, true],
  ])('gets no code that came from %s', async (_who, iss, promised) => {
    const more = promised ? { authorization_response_iss_parameter_supported: true } : {};
    const here = found({ [OAUTH]: metadata(more) });
    const source = await here.source();
    await wanted(source);
    here.desk.last.resolve({ code: 'stolen', ...iss });
    expect((await rejection(asksOn(source))).message).toContain('it is not used');
    expect(here.provider.requests).toEqual([]);
  });

  it('is told of a logout (RFC 7009), and what it says is said', async () => {
    const here = found({ [OAUTH]: metadata() });
    const source = await here.source();
    await loggedIn(here, source);
    expect(await source.logout?.(null)).toEqual({ held: true, revoked: true });
    expect(here.provider.form(-1)).toEqual({
      token: 'refresh-1',
      token_type_hint: 'refresh_token',
      client_id: 'client',
    });
    await loggedIn(here, source);
    here.provider.answer = () => jsonAnswer(503, {});
    expect(await source.logout?.(null)).toMatchObject({
      held: true,
      revoked: false,
      fault: expect.stringContaining('503'),
    });
  });
});
