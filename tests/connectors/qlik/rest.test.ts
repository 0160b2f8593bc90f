import { GatewayError } from '../../../src/core/errors.js';
import { CredentialRefused, ToolError } from '../../../src/core/toolErrors.js';
import { RestWorld } from './restWorld.js';
import { ANN, BOB, callOf, failure, pageOf } from './tinyTenant.js';

describe('the REST client of Qlik Cloud', () => {
  let world: RestWorld;
  beforeEach(() => {
    world = new RestWorld();
  });
  afterEach(() => world.close());

  async function callsTo(...answers: Parameters<RestWorld['tenant']>) {
    const tenant = await world.tenant(...answers);
    return { tenant, calls: world.client(tenant.origin).for(callOf(ANN, 'ann')) };
  }

  it('shows every header of the credential: a session is cookies and a CSRF token', async () => {
    const tenant = await world.tenant(() => ({ body: {} }));
    const token = { value: 'x', obtainedAt: 0, expiresAt: 1 };
    const credential = { headers: ['Cookie', 'eas.sid=1; eas.sid.sig=2', 'qlik-csrf-token', 'c5rf'], token };
    await world
      .client(tenant.origin)
      .for(callOf(ANN, '', { credential }))
      .send('POST', '/api/v1/spaces', { body: { name: 'é' } });
    expect(tenant.heard).toMatchObject([
      {
        headers: { cookie: 'eas.sid=1; eas.sid.sig=2', 'qlik-csrf-token': 'c5rf', 'content-type': 'application/json' },
        body: '{"name":"é"}',
      },
    ]);
  });

  it('reads by connections that serve again, whoever they served; what changes something has one of its own', async () => {
    const tenant = await world.tenant(({ headers }) => ({ body: { who: headers.authorization } }));
    const client = world.client(tenant.origin);
    for (const [owner, shown] of [
      [ANN, 'ann'],
      [BOB, 'bob'],
      [ANN, 'ann'],
    ] as const) {
      expect(await client.for(callOf(owner, shown)).get('/api/v1/users/me')).toEqual({ who: `Bearer ${shown}` });
    }
    expect(tenant.connections).toBe(1);
    await client.for(callOf(ANN, 'ann')).send('POST', '/api/v1/spaces', { body: {} });
    expect(tenant.connections).toBe(2);
  });

  it('names its version to namespaced endpoints, and to no other', async () => {
    const { tenant, calls } = await callsTo(() => pageOf([]));
    await calls.page('/api/v1/spaces');
    await calls.page('/api/scheduling/tasks');
    expect(tenant.heard.map(({ headers }) => headers['qlik-api-version'])).toEqual([undefined, '2026-08']);
  });

  it('tells once per endpoint that it ends', async () => {
    const headers = { deprecation: '@1767225600', sunset: 'Fri, 01 Jan 2027 00:00:00 GMT' };
    const { calls } = await callsTo(() => ({ ...pageOf([]), headers }));
    for (const appId of ['a', 'b']) await calls.get('/api/v1/apps/{appId}', { variables: { appId } });
    await calls.page('/api/v1/spaces');
    expect(world.signals.named('qlik.deprecated')).toEqual([
      { destination: 'qlik', endpoint: 'GET /api/v1/apps/{appId}', ...headers },
      { destination: 'qlik', endpoint: 'GET /api/v1/spaces', ...headers },
    ]);
  });

  describe('pages', () => {
    it('follows them by their cursors, to the bound', async () => {
      const { tenant, calls } = await callsTo((_heard, count) =>
        pageOf([{ count }], `/x?page=${count + 1}&sort=%2Bname`),
      );
      const seen: unknown[] = [];
      for await (const page of calls.pages('/api/v1/spaces', { query: { limit: 1 } }, 3)) seen.push(...page.data);
      expect(seen).toEqual([{ count: 1 }, { count: 2 }, { count: 3 }]);
      expect(tenant.heard.at(-1)?.target).toBe('/api/v1/spaces?page=3&sort=%2Bname');
    });

    it.each([
      ['to itself', () => '/x?page=a'],
      ['in a circle', (count: number) => `/x?page=${'abc'[count % 3]}`],
    ])('breaks off pages that loop: %s', async (_how, next) => {
      const { tenant, calls } = await callsTo((_heard, count) => pageOf([count], next(count)));
      const read = async () => {
        for await (const _page of calls.pages('/api/v1/spaces', {}, 1_000));
      };
      await expect(read()).rejects.toThrow('twice');
      expect(tenant.heard.length).toBeLessThan(6);
    });

    it.each(['a b', 'a#b', 'é', 'x'.repeat(5_000)])('takes no cursor that can’t be one: %.10s', async (cursor) => {
      const { tenant, calls } = await callsTo(() => pageOf([]));
      await expect(calls.page('/api/v1/spaces', {}, cursor)).rejects.toBeInstanceOf(ToolError);
      expect(tenant.heard).toEqual([]);
    });
  });

  describe('limits of the tenant', () => {
    it('waits as long as it is told, and then calls again', async () => {
      const { tenant, calls } = await callsTo((_heard, count) =>
        count < 3 ? failure(429, 'API rate limit reached.', undefined, { 'retry-after': '5' }) : { body: { ok: true } },
      );
      expect(await calls.get('/api/v1/users/me')).toEqual({ ok: true });
      expect([tenant.heard.length, world.clock.slept]).toEqual([3, [5_000, 5_000]]);
    });

    it('says how long, where that is longer than it waits', async () => {
      const { tenant, calls } = await callsTo(() => failure(429, 'slow down', undefined, { 'retry-after': '40' }));
      await expect(calls.get('/api/v1/users/me')).rejects.toThrow('in 40 seconds');
      // The tier is closed to that user: the next call doesn't even go out.
      await expect(calls.get('/api/v1/spaces')).rejects.toThrow('in 40 seconds');
      expect([tenant.heard.length, world.clock.slept]).toEqual([1, []]);
    });

    it('gives up on a storm of them', async () => {
      const { tenant, calls } = await callsTo(() => failure(429, 'slow down', undefined, { 'retry-after': '0' }));
      await expect(calls.get('/api/v1/users/me')).rejects.toBeInstanceOf(ToolError);
      expect(tenant.heard).toHaveLength(3);
    });

    it('closes one tier to one user: neither the other tier nor other users', async () => {
      const tenant = await world.tenant(({ method, headers }) =>
        method === 'GET' && headers.authorization === 'Bearer ann'
          ? failure(429, 'slow down', undefined, { 'retry-after': '60' })
          : { body: {} },
      );
      const client = world.client(tenant.origin);
      await expect(client.for(callOf(ANN, 'ann')).get('/api/v1/users/me')).rejects.toThrow('60 seconds');
      await client.for(callOf(ANN, 'ann')).send('POST', '/api/v1/spaces', { body: {} });
      await client.for(callOf(BOB, 'bob')).get('/api/v1/users/me');
      expect(world.clock.slept).toEqual([]);
    });

    it('takes a 429 without a time for an answer: a reload of that app is pending already', async () => {
      const { tenant, calls } = await callsTo(() => failure(429, 'Reload pending', 'one is queued'));
      const sent = calls.send('POST', '/api/v1/reloads', { body: { appId: 'a' } });
      await expect(sent).rejects.toThrow('Reload pending: one is queued');
      expect(tenant.heard).toHaveLength(1);
    });

    it('slows down before the tenant has to say so', async () => {
      const { tenant, calls } = await callsTo(() => ({ body: { graph: {} } }));
      const ask = () => calls.get('/api/v1/lineage-graphs/nodes/{id}', { variables: { id: 'qri:x' } });
      for (let count = 0; count < 20; count++) await ask();
      world.clock.time += 50_000;
      await ask();
      expect(tenant.heard).toHaveLength(21);
      const [waited = 0] = world.clock.slept;
      expect(waited).toBeGreaterThan(9_000);
      expect(waited).toBeLessThanOrEqual(12_000);
      expect(world.signals.named('qlik.slowed')).toMatchObject([{ budget: 'GET /api/v1/lineage-graphs/nodes/{id}' }]);
    });

    it('counts by whom the tenant sees, so that callers behind one credential share its limit', async () => {
      const tenant = await world.tenant(() => ({ body: {} }));
      const client = world.client(tenant.origin, { maxWaitMs: 0 });
      const start = (owner: typeof ANN, shown: string) =>
        client.for(callOf(owner, shown)).send('POST', '/api/v1/reloads', { body: {} });
      for (let count = 0; count < 50; count++) await start(count % 2 ? ANN : BOB, 'bot');
      await expect(start(ANN, 'bot')).rejects.toThrow('50 calls a minute');
      await start(ANN, 'own');
    });

    it('stops waiting when the caller leaves', async () => {
      const { tenant, calls } = await callsTo(() => failure(429, 'slow', undefined, { 'retry-after': '5' }));
      world.clock.sleep = (_ms, signal) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason));
          leaving.abort(new Error('left'));
        });
      const leaving = new AbortController();
      const left = world.client(tenant.origin).for(callOf(ANN, 'ann', { signal: leaving.signal }));
      await expect(left.get('/api/v1/users/me')).rejects.toThrow('left');
      expect(tenant.heard).toHaveLength(1);
      expect(calls).toBeDefined();
    });
  });

  describe('what goes wrong', () => {
    it.each([
      [400, 'filter is not valid'],
      [403, 'lacks the right or the scope'],
      [404, 'Check the id'],
      [409, 'is not in a cancellable state'],
    ])('%i is told to the model in Qlik’s words', async (status, words) => {
      const { calls } = await callsTo(() => failure(status, 'Refused', words));
      const refused: unknown = await calls.get('/api/v1/spaces').catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(ToolError);
      expect((refused as Error).message).toMatch(
        new RegExp(`^Qlik answered ${status}: Refused: .*\\(HTTP-${status}\\)`),
      );
      expect((refused as Error).message).toContain(words);
    });

    it('keeps words to a length, and to printable text', async () => {
      const { calls } = await callsTo(() => failure(400, `a\u0000\u001b[31m${'x'.repeat(5_000)}`));
      const { message } = (await calls.get('/api/v1/spaces').catch((error: unknown) => error)) as Error;
      expect(message.length).toBeLessThan(700);
      expect([...message].every((char) => char >= ' ')).toBe(true);
    });

    it('a 401 asks for a fresh credential', async () => {
      const { calls } = await callsTo(() => failure(401, 'Unauthorized'));
      await expect(calls.get('/api/v1/spaces')).rejects.toBeInstanceOf(CredentialRefused);
    });

    it.each([
      [500, 'UPSTREAM_REFUSED'],
      [503, 'UPSTREAM_BROKE'],
      [302, 'UPSTREAM_GARBAGE'],
    ])('%i is the vendor’s failure', async (status, code) => {
      const { tenant, calls } = await callsTo(() => ({ status, headers: { location: '/login' } }));
      await expect(calls.get('/api/v1/spaces')).rejects.toMatchObject({ code });
      expect(tenant.heard).toHaveLength(1);
    });

    it('says of what is no JSON that it isn’t Qlik Cloud', async () => {
      const { calls } = await callsTo(() => ({ body: '<html>' }));
      await expect(calls.get('/api/v1/spaces')).rejects.toMatchObject({ code: 'UPSTREAM_GARBAGE' });
      await expect(calls.page('/api/v1/spaces')).rejects.toBeInstanceOf(GatewayError);
    });

    it('a tenant that can’t be reached is unreachable; a slow one times out', async () => {
      const gone = await world.tenant(() => undefined);
      await gone.close();
      const unreachable = world.client(gone.origin).for(callOf(ANN, 'ann'));
      await expect(unreachable.get('/api/v1/spaces')).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
      const silent = await world.tenant(() => undefined);
      const slow = world.client(silent.origin, { deadlineMs: 50 }).for(callOf(ANN, 'ann'));
      await expect(slow.get('/api/v1/spaces')).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
    });

    it('an answer that is too large is the model’s to ask smaller', async () => {
      const tenant = await world.tenant(() => pageOf(['x'.repeat(5_000)]));
      const calls = world.client(tenant.origin, { maxBytes: 1_000 }).for(callOf(ANN, 'ann'));
      await expect(calls.page('/api/v1/spaces')).rejects.toThrow('Ask for less');
    });

    it('takes more than a control call would, where it is made to', async () => {
      const tenant = await world.tenant(() => pageOf(['x'.repeat(2_000_000)]));
      const calls = world.client(tenant.origin, { maxBytes: 3_000_000 }).for(callOf(ANN, 'ann'));
      expect((await calls.page('/api/v1/spaces')).data).toHaveLength(1);
    });

    it('a caller that leaves ends its call, by its own reason', async () => {
      const leaving = new AbortController();
      const tenant = await world.tenant(() => {
        leaving.abort(new Error('left'));
        return undefined;
      });
      const calls = world.client(tenant.origin).for(callOf(ANN, 'ann', { signal: leaving.signal }));
      await expect(calls.get('/api/v1/spaces')).rejects.toThrow('left');
    });
  });
});
