import kind from '../../src/credentials/mcpOAuth.js';
import { ask, asksOn, peopleWorld, wanted } from './peopleWorld.js';
import { issuesOf, rejection } from './world.js';

const SERVER = 'https://mcp.example.com';
const [HONEST, EVIL] = ['https://as.example.com', 'https://evil.example.net'];
const CLIENT = { clientId: 'client', clientSecret: 'canary-secret' };
const HOUR = 3_600_000;
const caller = (subject: string) => ({ owner: { subject } });

const BEARER = { token_type: 'Bearer', expires_in: 3600, scope: 'read' };

function answer(body: object): Response {
  return new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } });
}

function ofServer({ pathname }: URL, issuer: string): Response {
  if (!pathname.includes('oauth-protected-resource')) return new Response(null, { status: 404 });
  return answer({ resource: `${SERVER}/mcp`, authorization_servers: [issuer] });
}

function metadataOf(issuer: string): object {
  const places = ['authorization', 'token', 'registration'].map((name) => [`${name}_endpoint`, `${issuer}/${name}`]);
  const supported = { response_types_supported: ['code'], code_challenge_methods_supported: ['S256'] };
  const methods = { token_endpoint_auth_methods_supported: ['client_secret_post'] };
  return { issuer, ...Object.fromEntries(places), ...supported, ...methods };
}

/** A server whose metadata names whichever authorization server the test says. */
function moving(options: object = CLIENT) {
  const state = { issuer: HONEST, renews: true, shown: [] as { to: string; said: string }[], count: 0 };
  const fetchFor = () => async (input: string | URL | Request, init?: RequestInit) => {
    const url = new URL(String(input));
    if (url.origin === SERVER) return ofServer(url, state.issuer);
    if (url.pathname.startsWith('/.well-known/')) return answer(metadataOf(url.origin));
    const said = String(init?.body);
    state.shown.push({ to: url.origin, said });
    if (url.pathname === '/registration') {
      return answer({ ...JSON.parse(said), client_id: `c-${url.origin}`, client_secret: `s-${url.origin}` });
    }
    state.count += 1;
    const refresh = state.renews ? { refresh_token: `refresh-${state.count}` } : {};
    return answer({ access_token: `token-${state.count}`, ...refresh, ...BEARER });
  };
  const here = peopleWorld('mcp-oauth', options, { fetchFor: fetchFor as never });
  const refused = (value = '', challenge?: string) => ({
    refused: { token: { value, obtainedAt: 0, expiresAt: Number.POSITIVE_INFINITY }, challenge },
  });
  /** Logs in to the end. */
  async function logIn(more: object = {}) {
    const source = await here.source();
    await wanted(source, { ...refused(), ...more });
    here.desk.last.resolve({ code: 'code' });
    return { source, token: await asksOn(source, { ...refused(), ...more }) };
  }
  const saidTo = (issuer: string) => state.shown.filter(({ to }) => to === issuer).map(({ said }) => said);
  return { ...here, state, refused, logIn, saidTo };
}

describe('a server that names another authorization server later', () => {
  it('does not get the secret of the client shown there, after a login or by a renewal', async () => {
    const here = moving();
    const { source, token } = await here.logIn();
    expect(here.saidTo(HONEST).join()).toContain('canary-secret');
    here.state.issuer = EVIL;
    const error = await rejection(ask(source, here.refused(token)));
    expect(error.message).toContain(`the server names the authorization server ${EVIL}`);
    here.deps.clock.time += HOUR;
    expect((await rejection(ask(await here.source(), here.refused(token)))).message).toContain(EVIL);
    expect([here.saidTo(EVIL), here.desk.begun.length]).toEqual([[], 1]);
    here.state.issuer = HONEST;
    expect(await ask(source, here.refused(token))).toBe('token-2');
  });

  it('does not get it by the next caller either, who never logged in', async () => {
    const here = moving({ ...CLIENT, for: 'caller' });
    await here.logIn(caller('ada'));
    here.state.issuer = EVIL;
    const error = await rejection(ask(await here.source(), { ...here.refused(), ...caller('eve') }));
    expect(error.message).toContain(EVIL);
    expect(here.saidTo(EVIL)).toEqual([]);
  });

  it('does not get the code of somebody who is logging in meanwhile', async () => {
    const here = moving({ clientId: 'public' });
    const source = await here.source();
    await wanted(source, here.refused());
    here.state.issuer = EVIL;
    here.desk.last.resolve({ code: 'code' });
    expect(await asksOn(source, here.refused())).toBe('token-1');
    expect([here.saidTo(EVIL), here.saidTo(HONEST)]).toEqual([[], [expect.stringContaining('code=code')]]);
  });

  it('does not get what was registered at the first: the client registers anew', async () => {
    const here = moving({});
    const { source, token } = await here.logIn();
    here.state.issuer = EVIL;
    await wanted(source, here.refused(token));
    here.desk.last.resolve({ code: 'code' });
    await asksOn(source, here.refused(token));
    expect(here.saidTo(EVIL).join()).not.toMatch(/as\.example\.com|refresh-/);
  });
});

describe('an issuer that is written down', () => {
  it.each([
    ['another', EVIL],
    ['one with another ending', `${HONEST}/`],
  ])('is used, and not %s', async (_, written) => {
    const here = moving({ ...CLIENT, issuer: HONEST });
    expect((await here.logIn()).token).toBe('token-1');
    const other = moving({ ...CLIENT, issuer: written });
    const error = await rejection(ask(await other.source(), other.refused()));
    expect(error.message).toContain('is not the one that this client is for');
    expect(JSON.stringify([error.message, other.state.shown])).not.toContain('canary');
  });

  it('must be an address', () => {
    expect(issuesOf(kind, { issuer: 'as', origins: [SERVER] })).toHaveLength(1);
  });
});

describe('somebody who logs in', () => {
  it('holds up no logout, and no other that looks at what is kept', async () => {
    const here = moving();
    const source = await here.source();
    await wanted(source, here.refused());
    const { vault } = here.deps;
    const never = new AbortController().signal;
    const document = JSON.stringify([null, null, 'oauth', 'test', `${SERVER}/mcp`]);
    await vault.alone(document, never, async () => {});
    here.desk.last.resolve({ code: 'code' });
    expect(await asksOn(source, here.refused())).toBe('token-1');
    expect((await vault.list()).map(({ name }) => name)).toContain(document);
  });

  it('does not keep the refresh token of whoever was logged in before', async () => {
    const here = moving();
    const { token, source } = await here.logIn();
    here.state.renews = false;
    const wider = here.refused(token, 'Bearer error="insufficient_scope", scope="read write"');
    await wanted(source, wider);
    here.desk.last.resolve({ code: 'of-another' });
    const next = await asksOn(source, wider);
    await wanted(source, here.refused(next));
    expect(here.saidTo(HONEST).join()).not.toContain('refresh-1');
  });
});
