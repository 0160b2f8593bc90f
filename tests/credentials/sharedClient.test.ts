import { ask, asksOn, peopleWorld, wanted } from './peopleWorld.js';

const SERVER = 'https://mcp.example.com';
const [HONEST, EVIL] = ['https://as.example.com', 'https://evil.example.net'];
const MINUTE = 60_000;
const ADA = { owner: { subject: 'ada' } };
const BEN = { owner: { subject: 'ben' } };
const EVE = { owner: { subject: 'eve' } };

function answer(body: object, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
}

function metadataOf(issuer: string): object {
  const places = ['authorization', 'token', 'registration'].map((name) => [`${name}_endpoint`, `${issuer}/${name}`]);
  const supported = { response_types_supported: ['code'], code_challenge_methods_supported: ['S256'] };
  const methods = { token_endpoint_auth_methods_supported: ['client_secret_post'] };
  return { issuer, ...Object.fromEntries(places), ...supported, ...methods };
}

/** A server where clients register themselves, and callers who log in there one after the other. */
function world() {
  const state = {
    issuer: HONEST,
    registered: [] as string[],
    deleted: new Set<string>(),
    shown: [] as URLSearchParams[],
  };
  const tokens = (to: string, form: URLSearchParams) => {
    form.set('to', to);
    state.shown.push(form);
    if (state.deleted.has(form.get('client_id') ?? '')) return answer({ error: 'invalid_client' }, 401);
    const pair = { access_token: `token-${state.shown.length}`, refresh_token: `refresh-${state.shown.length}` };
    return answer({ ...pair, token_type: 'Bearer', expires_in: 3600 });
  };
  const fetchFor = () => async (input: string | URL | Request, init?: RequestInit) => {
    const url = new URL(String(input));
    if (url.pathname.includes('oauth-protected-resource'))
      return answer({ resource: `${SERVER}/mcp`, authorization_servers: [state.issuer] });
    if (url.origin === SERVER) return new Response(null, { status: 404 });
    if (url.pathname.startsWith('/.well-known/')) return answer(metadataOf(url.origin));
    if (url.pathname === '/registration') {
      const id = `client-${state.registered.length + 1}`;
      state.registered.push(url.origin);
      return answer({ ...JSON.parse(String(init?.body)), client_id: id, client_secret: `secret-of-${id}` });
    }
    return tokens(url.origin, new URLSearchParams(String(init?.body)));
  };
  const here = peopleWorld('mcp-oauth', { for: 'caller' }, { fetchFor: fetchFor as never });
  const refused = (value = '') => ({ refused: { token: { value, obtainedAt: 0, expiresAt: Infinity } } });
  /** The client that the caller is sent to log in with. */
  const sent = async (caller: object, value = '') => {
    await wanted(await here.source(), { ...refused(value), ...caller });
    return here.desk.last.address.searchParams.get('client_id');
  };
  const logIn = async (caller: object) => {
    const source = await here.source();
    await wanted(source, { ...refused(), ...caller });
    here.desk.last.resolve({ code: 'code' });
    return asksOn(source, { ...refused(), ...caller });
  };
  return { ...here, state, refused, sent, logIn };
}

describe('a client that we registered for a caller', () => {
  it('is that of the next caller, too: an administrator lets it in once', async () => {
    const here = world();
    expect([await here.sent(ADA), await here.sent(BEN)]).toEqual(['client-1', 'client-1']);
    await here.logIn(EVE);
    expect(here.state.registered).toEqual([HONEST]);
    expect(here.state.shown.map((form) => form.get('client_secret'))).toEqual(['secret-of-client-1']);
  });

  it('is made anew where it brought nobody in for 55 minutes, and never once it has', async () => {
    const here = world();
    await here.sent(ADA);
    here.deps.clock.time += 54 * MINUTE;
    expect(await here.sent(BEN)).toBe('client-1');
    here.deps.clock.time += MINUTE;
    expect(await here.sent(EVE)).toBe('client-2');
    await here.logIn({ owner: { subject: 'another' } });
    here.deps.clock.time += 1_000 * MINUTE;
    expect(await here.sent({ owner: { subject: 'later' } })).toBe('client-2');
  });

  it('renews what it obtained, whichever client came after it', async () => {
    const here = world();
    await here.logIn(ADA);
    here.state.issuer = EVIL;
    await here.sent(BEN);
    here.state.issuer = HONEST;
    here.deps.clock.time += 61 * MINUTE;
    await ask(await here.source(), ADA);
    const { client_id, grant_type } = Object.fromEntries(here.state.shown.at(-1) ?? []);
    expect([client_id, grant_type]).toEqual(['client-1', 'refresh_token']);
  });

  it('is shown to no other authorization server, by the next caller either', async () => {
    const here = world();
    await here.logIn(ADA);
    here.state.issuer = EVIL;
    await here.logIn(BEN);
    const toEvil = here.state.shown.filter((form) => form.get('to') === EVIL);
    expect(toEvil.map((form) => form.get('client_secret'))).toEqual(['secret-of-client-2']);
  });

  it('is forgotten for everybody when the server knows it no more', async () => {
    const here = world();
    await here.logIn(ADA);
    here.state.deleted.add('client-1');
    here.deps.clock.time += 61 * MINUTE;
    expect(await here.sent(ADA, 'token-1')).toBe('client-2');
    expect(await here.sent(BEN)).toBe('client-2');
  });

  it('has no token in it', async () => {
    const here = world();
    await here.logIn(ADA);
    const shared = (await here.deps.vault.list()).filter(({ name }) => name.includes('"oauth-client"'));
    expect(shared).toHaveLength(1);
    expect(JSON.stringify(shared)).not.toMatch(/token-1|refresh-1|ada/);
  });
});
