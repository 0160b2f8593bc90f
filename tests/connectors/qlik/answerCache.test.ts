import { MemoryAnswers } from '../../../src/connectors/qlik/answerCache.js';
import type { ToolContext } from '../../../src/contracts/tools.js';
import { FakeClock } from '../../helpers/fakes.js';
import { RestWorld } from './restWorld.js';
import { ANN, BOB, bearer, callOf } from './tinyTenant.js';

describe('answers in memory', () => {
  const clock = new FakeClock();

  it('serve until their time is over', () => {
    const answers = new MemoryAnswers(clock);
    answers.set('a', 'one', 1_000);
    answers.set('b', 'never', 0);
    expect([answers.get('a'), answers.get('b')]).toEqual(['one', undefined]);
    clock.time += 1_000;
    expect([answers.get('a'), answers.size]).toEqual([undefined, 0]);
  });

  it('are dropped by what their keys begin with', () => {
    const answers = new MemoryAnswers(clock);
    for (const key of ['t apps 1 x', 't apps 10 x', 't items x']) answers.set(key, key, 1_000);
    answers.drop('t apps 1 ');
    expect(['t apps 1 x', 't apps 10 x', 't items x'].map((key) => answers.get(key) !== undefined)).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('take no more room than they may: what was used longest ago goes first', () => {
    const answers = new MemoryAnswers(clock, { answers: 3, text: 1_000 });
    for (const key of ['a', 'b', 'c']) answers.set(key, '1', 1_000);
    answers.get('a');
    answers.set('d', '1', 1_000);
    expect(['a', 'b', 'c', 'd'].filter((key) => answers.get(key))).toEqual(['a', 'c', 'd']);
    answers.set('e', 'x'.repeat(999), 1_000);
    expect([answers.size, answers.get('e')?.length]).toEqual([1, 999]);
    answers.set('f', 'x'.repeat(1_001), 1_000);
    expect(answers.get('f')).toBeUndefined();
  });
});

describe('the cache of the REST client', () => {
  let world: RestWorld;
  beforeEach(() => {
    world = new RestWorld();
  });
  afterEach(() => world.close());

  const lives = { metadata: 300_000, data: 0 };
  const APP = '/api/v1/apps/{appId}';
  const about = (appId: string) => ({ variables: { appId }, keep: 'metadata' }) as const;

  it('keeps by category: metadata for long, data not at all by default, and counts its hits', async () => {
    const tenant = await world.tenant(() => ({ body: { data: [] } }));
    const calls = world.client(tenant.origin, { lives }).for(callOf(ANN, 'ann'));
    for (let count = 0; count < 3; count++) {
      await calls.get('/api/v1/spaces', { keep: 'metadata' });
      await calls.get('/api/v1/items', { keep: 'data' });
      await calls.get('/api/v1/reloads');
    }
    expect(tenant.heard).toHaveLength(7);
    expect(world.signals.named('qlik.cache-hit')).toHaveLength(2);
    expect(world.signals.named('qlik.cache-missed')).toHaveLength(1);
    world.clock.time += 300_000;
    await calls.get('/api/v1/spaces', { keep: 'metadata' });
    expect(tenant.heard).toHaveLength(8);
  });

  it('tells pages and queries apart', async () => {
    const tenant = await world.tenant(({ target }) => ({ body: { data: [{ target }] } }));
    const calls = world.client(tenant.origin, { lives }).for(callOf(ANN, 'ann'));
    const first = await calls.page('/api/v1/spaces', { keep: 'metadata' });
    const second = await calls.page('/api/v1/spaces', { keep: 'metadata' }, 'page=2');
    expect([first.data, second.data]).toEqual([[{ target: '/api/v1/spaces' }], [{ target: '/api/v1/spaces?page=2' }]]);
  });

  describe('where tokens are renewed', () => {
    const LASTING = { sub: 'auth0|ann', userId: 'u1', scope: 'user_default', iss: 'qlik' };
    const token = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.sig`;
    const first = token({ ...LASTING, jti: '1', iat: 1, exp: 2 });

    /** How often the tenant is asked by two calls that show these. */
    async function asked(...contexts: ToolContext[]): Promise<number> {
      const tenant = await world.tenant(() => ({ body: {} }));
      const client = world.client(tenant.origin, { lives });
      for (const context of contexts) await client.for(context).get(APP, about('a1'));
      return tenant.heard.length;
    }

    it('keeps what it has for the same user with the same rights', async () => {
      expect(await asked(callOf(ANN, first), callOf(ANN, token({ iat: 9, exp: 10, jti: '2', ...LASTING })))).toBe(1);
    });

    it.each([
      ['another user', { ...LASTING, sub: 'auth0|bob' }],
      ['another scope', { ...LASTING, scope: 'admin_classic' }],
      ['another tenant', { ...LASTING, iss: 'other' }],
      ['a claim more', { ...LASTING, act: { sub: 'auth0|bob' } }],
      ['nobody', { ...LASTING, sub: undefined }],
    ])('answers nobody with what the token of %s got', async (_who, claims) => {
      expect(await asked(callOf(ANN, first), callOf(ANN, token(claims)))).toBe(2);
    });

    it('answers no other caller of the same token’s user', async () => {
      expect(await asked(callOf(ANN, first), callOf(BOB, first))).toBe(2);
    });

    it('believes no claims that a caller has sent, nor those of a token with something beside it', async () => {
      const other = token({ ...LASTING, jti: '2' });
      const sent = (value: string): ToolContext => ({
        ...callOf(null, value),
        credential: { ...bearer(value), callers: true },
      });
      expect(await asked(sent(first), sent(other))).toBe(2);
      const beside = (value: string): ToolContext => {
        const { headers, token: shown } = bearer(value);
        return { ...callOf(null, value), credential: { headers: [...headers, 'X-As', value], token: shown } };
      };
      expect(await asked(beside(first), beside(other))).toBe(2);
    });
  });

  it('forgets a resource for everybody when somebody changes it through us, and nothing else', async () => {
    const tenant = await world.tenant(() => ({ body: { data: [] } }));
    const client = world.client(tenant.origin, { lives });
    const [ann, bob] = [client.for(callOf(ANN, 'ann')), client.for(callOf(BOB, 'bob'))];
    const read = async () => {
      await bob.get('/api/v1/spaces', { keep: 'metadata' });
      await bob.get(APP, about('a1'));
    };
    await read();
    await ann.send('PATCH', '/api/v1/spaces/{spaceId}', { variables: { spaceId: 's1' }, body: [] });
    await read();
    expect(tenant.heard.map(({ method, target }) => `${method} ${target}`)).toEqual([
      'GET /api/v1/spaces',
      'GET /api/v1/apps/a1',
      'PATCH /api/v1/spaces/s1',
      'GET /api/v1/spaces',
    ]);
  });

  it('forgets also where nobody knows whether a change was made', async () => {
    const tenant = await world.tenant(({ method }) => ({ status: method === 'GET' ? 200 : 503, body: {} }));
    const calls = world.client(tenant.origin, { lives }).for(callOf(ANN, 'ann'));
    await calls.get('/api/v1/spaces', { keep: 'metadata' });
    await expect(calls.send('POST', '/api/v1/spaces', { body: {} })).rejects.toThrow();
    await calls.get('/api/v1/spaces', { keep: 'metadata' });
    expect(tenant.heard).toHaveLength(3);
  });

  it('forgets one app, not its neighbours', async () => {
    const tenant = await world.tenant(() => ({ body: {} }));
    const calls = world.client(tenant.origin, { lives }).for(callOf(ANN, 'ann'));
    for (const app of ['a1', 'a2']) await calls.get(APP, about(app));
    await calls.forget('apps', 'a1');
    for (const app of ['a1', 'a2']) await calls.get(APP, about(app));
    expect(tenant.heard.map(({ target }) => target)).toEqual(['/api/v1/apps/a1', '/api/v1/apps/a2', '/api/v1/apps/a1']);
  });

  it('keeps no answer that was under way while it was made old', async () => {
    let change = async (): Promise<unknown> => undefined;
    const tenant = await world.tenant(async (_heard, count) => {
      if (count === 1) await change();
      return { body: { count } };
    });
    const calls = world.client(tenant.origin, { lives }).for(callOf(ANN, 'ann'));
    change = () => calls.forget('apps', 'a1');
    expect(await calls.get(APP, about('a1'))).toEqual({ count: 1 });
    expect(await calls.get(APP, about('a1'))).toEqual({ count: 2 });
  });

  it('keeps no failure', async () => {
    const tenant = await world.tenant((_heard, count) => (count === 1 ? { status: 404 } : { body: { count } }));
    const calls = world.client(tenant.origin, { lives }).for(callOf(ANN, 'ann'));
    await expect(calls.get(APP, about('a1'))).rejects.toThrow('404');
    expect(await calls.get(APP, about('a1'))).toEqual({ count: 2 });
  });
});
