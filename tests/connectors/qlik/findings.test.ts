import { ToolError } from '../../../src/core/toolErrors.js';
import { RestWorld } from './restWorld.js';
import { ANN, BOB, callOf, pageOf } from './tinyTenant.js';

/** What was measured of @qlik/api 2.19.0 in a server of many users; the socket that two users shared is the engine's. */
describe('what Qlik’s own client leaks, this one does not', () => {
  let world: RestWorld;
  beforeEach(() => {
    world = new RestWorld();
  });
  afterEach(() => world.close());

  it('sends no token of one tenant to another, though one published client id serves both', async () => {
    const acme = await world.tenant(() => ({ body: { tenant: 'acme' } }));
    const bolt = await world.tenant(() => ({ body: { tenant: 'bolt' } }));
    const lives = { metadata: 60_000, data: 60_000 };
    const [one, two] = [world.client(acme.origin, { lives }), world.client(bolt.origin, { lives })];
    const asked = { variables: { appId: 'a1' }, keep: 'metadata' } as const;
    // The same client, user and path in both tenants: only where the token was made differs.
    expect(await one.for(callOf(ANN, 'made-at-acme')).get('/api/v1/apps/{appId}', asked)).toEqual({ tenant: 'acme' });
    expect(await two.for(callOf(ANN, 'made-at-bolt')).get('/api/v1/apps/{appId}', asked)).toEqual({ tenant: 'bolt' });
    expect(acme.heard.map(({ headers }) => headers.authorization)).toEqual(['Bearer made-at-acme']);
    expect(bolt.heard.map(({ headers }) => headers.authorization)).toEqual(['Bearer made-at-bolt']);
  });

  it('keeps tenants apart even in one shared cache', async () => {
    const acme = await world.tenant(() => ({ body: { tenant: 'acme' } }));
    const bolt = await world.tenant(() => ({ body: { tenant: 'bolt' } }));
    const kept = new Map<string, string>();
    const cache = {
      get: (key: string) => kept.get(key),
      set: (key: string, answer: string) => void kept.set(key, answer),
      drop: () => {},
    };
    const settings = { cache, lives: { metadata: 60_000, data: 0 } };
    const asked = { keep: 'metadata' } as const;
    for (const { origin } of [acme, bolt]) {
      await world.client(origin, settings).for(callOf(ANN, 'same-token')).get('/api/v1/tenants/me', asked);
    }
    expect([acme.heard.length, bolt.heard.length]).toEqual([1, 1]);
  });

  it.each([
    ['named callers', ANN, BOB],
    ['callers without names, each with a token of its own', null, null],
  ])('gives no caller the kept answer of another: %s', async (_who, first, second) => {
    const tenant = await world.tenant(({ headers }) => ({ body: { for: headers.authorization } }));
    const client = world.client(tenant.origin, { lives: { metadata: 60_000, data: 60_000 } });
    const asked = { keep: 'metadata' } as const;
    const mine = await client.for(callOf(first, 'ann')).get('/api/v1/users/me', asked);
    const theirs = await client.for(callOf(second, 'bob')).get('/api/v1/users/me', asked);
    expect([mine, theirs]).toEqual([{ for: 'Bearer ann' }, { for: 'Bearer bob' }]);
  });

  it('gives nobody what was kept for the same caller under another token', async () => {
    const tenant = await world.tenant(({ headers }) => ({ body: { for: headers.authorization } }));
    const client = world.client(tenant.origin, { lives: { metadata: 60_000, data: 0 } });
    const asked = { keep: 'metadata' } as const;
    await client.for(callOf(ANN, 'as-analyst')).get('/api/v1/users/me', asked);
    expect(await client.for(callOf(ANN, 'as-admin')).get('/api/v1/users/me', asked)).toEqual({
      for: 'Bearer as-admin',
    });
  });

  it('sends each of two identical GETs, where no cache is on', async () => {
    const tenant = await world.tenant(() => pageOf([]));
    const calls = world.client(tenant.origin).for(callOf(ANN, 'ann'));
    await Promise.all([calls.page('/api/v1/spaces'), calls.page('/api/v1/spaces')]);
    await calls.page('/api/v1/spaces', { keep: 'metadata' });
    expect(tenant.heard).toHaveLength(3);
  });

  it.each([
    ['../users/me?x=1#', '/api/v1/spaces/..%2Fusers%2Fme%3Fx%3D1%23'],
    ['../../v1/users/victim', '/api/v1/spaces/..%2F..%2Fv1%2Fusers%2Fvictim'],
    ['a;b/c\\d', '/api/v1/spaces/a%3Bb%2Fc%5Cd'],
    ['%2e%2e', '/api/v1/spaces/%252e%252e'],
    ['qri:app:sense://x#y', '/api/v1/spaces/qri%3Aapp%3Asense%3A%2F%2Fx%23y'],
  ])('a path variable stays in its segment: %s', async (spaceId, target) => {
    const tenant = await world.tenant(() => ({ body: {} }));
    const calls = world.client(tenant.origin).for(callOf(ANN, 'ann'));
    await calls.send('DELETE', '/api/v1/spaces/{spaceId}', { variables: { spaceId } });
    expect(tenant.heard).toMatchObject([{ method: 'DELETE', target }]);
  });

  it.each(['.', '..', '', 'x'.repeat(2_049), '\ud800'])(
    'refuses a path variable that can’t be one: %j',
    async (spaceId) => {
      const tenant = await world.tenant(() => ({ body: {} }));
      const calls = world.client(tenant.origin).for(callOf(ANN, 'ann'));
      const sent = calls.send('DELETE', '/api/v1/spaces/{spaceId}', { variables: { spaceId } });
      await expect(sent).rejects.toBeInstanceOf(ToolError);
      expect(tenant.heard).toEqual([]);
    },
  );

  it('takes a filter with a per cent sign for what it is', async () => {
    const tenant = await world.tenant(() => pageOf([]));
    const calls = world.client(tenant.origin).for(callOf(ANN, 'ann'));
    await calls.page('/api/v1/users', { query: { filter: 'name co "100%" and email co "a+b"' } });
    const [heard] = tenant.heard;
    expect(new URL(heard?.target ?? '', tenant.origin).searchParams.get('filter')).toBe(
      'name co "100%" and email co "a+b"',
    );
    expect(heard?.target).not.toContain('+');
  });

  it.each(['absolute', 'protocol-relative'])('follows no next link to another host: %s', async (how) => {
    const foreign = await world.tenant(() => pageOf(['stolen']));
    const link = `${foreign.origin}/api/v1/spaces?page=2`;
    const tenant = await world.tenant(() => pageOf([{ id: 1 }], how === 'absolute' ? link : link.replace('http:', '')));
    const calls = world.client(tenant.origin).for(callOf(ANN, 'ann'));
    const read = async () => {
      for await (const page of calls.pages('/api/v1/spaces')) expect(page.data).not.toContain('stolen');
    };
    await expect(read()).rejects.toThrow('another host');
    expect([tenant.heard.length, foreign.heard.length]).toEqual([1, 0]);
  });

  it('stays with the path that was asked, whatever the next link names', async () => {
    const tenant = await world.tenant(({ target }) =>
      target.includes('page=2') ? pageOf([{ id: 2 }]) : pageOf([{ id: 1 }], '/api/v1/users/victim?page=2'),
    );
    const calls = world.client(tenant.origin).for(callOf(ANN, 'ann'));
    const { nextCursor } = await calls.page('/api/v1/spaces');
    expect(await calls.page('/api/v1/spaces', {}, nextCursor)).toEqual({ data: [{ id: 2 }] });
    expect(tenant.heard.map(({ target }) => target)).toEqual(['/api/v1/spaces', '/api/v1/spaces?page=2']);
  });
});
