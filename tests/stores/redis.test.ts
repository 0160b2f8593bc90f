import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { systemClock } from '../../src/core/async.js';
import kind, { type SharedLimits } from '../../src/stores/redis.js';
import { FakeSignals } from '../helpers/fakes.js';
import { RedisServer, StallingProxy, withoutRedis } from '../helpers/redisServer.js';

const RATE = { count: 1000, periodMs: 3_600_000, burst: 1000 };

const schemaOf = (options: object) => kind.options.safeParse(options);

describe('the options of a redis store', () => {
  it.each(['redis://127.0.0.1:6379', 'rediss://cache.example.com', 'redis://[::1]:6379/2'])('%s is a URL', (url) => {
    expect(schemaOf({ url }).success).toBe(true);
  });

  it.each(['http://127.0.0.1', 'redis://', 'redis://:canary-1@host', 'redis://user@host', 'host:6379', ''])(
    '%j is none',
    (url) => {
      const { success, error } = schemaOf({ url });
      expect(success).toBe(false);
      expect(JSON.stringify(error?.issues)).not.toContain('canary-1');
    },
  );

  it('show no password', () => {
    const { data } = schemaOf({ url: 'redis://127.0.0.1', password: 'canary-2' });
    expect(JSON.stringify(data)).not.toContain('canary-2');
  });
});

describe('a redis store that nobody answers for', () => {
  it('starts without it, says so once, and leaves every answer to the asker at once', async () => {
    const signals = new FakeSignals();
    const store = await create('redis://127.0.0.1:1', signals);
    expect(store.take('key', RATE, 1)).toBeUndefined();
    const place = await store.enter('key', 1);
    expect(place.state).toBe('unknown');
    place.leave();
    await sleep(600);
    expect(signals.emitted.map(({ name }) => name)).toEqual(['store.lost']);
    store.close();
  });
});

async function create(url: string, signals = new FakeSignals(), more: object = {}): Promise<SharedLimits> {
  const deps = { name: 'shared', clock: systemClock, signals, baseDir: '/', rest: () => Promise.reject(new Error()) };
  return kind.create(kind.options.parse({ url, ...more }), deps);
}

/** Asks until the store answers again. */
async function back(store: SharedLimits): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await store.take('somebody else', { count: 1e6, periodMs: 1000, burst: 1e6 }, 1)) return;
    await sleep(20);
  }
  throw new Error('the store did not come back');
}

const describeRedis = withoutRedis ? describe.skip : describe;
describeRedis(withoutRedis ? `a redis store: left out, ${withoutRedis}` : 'a redis store', () => {
  let server: RedisServer;
  let signals: FakeSignals;
  const open: SharedLimits[] = [];
  const clients: Redis[] = [];
  const locked: RedisServer[] = [];
  const unhandled: unknown[] = [];
  const remember = (reason: unknown) => unhandled.push(reason);

  beforeAll(async () => {
    process.on('unhandledRejection', remember);
    server = await RedisServer.start();
  });
  beforeEach(() => {
    signals = new FakeSignals();
  });
  // Servers last: a connection that is closed when its server is gone already waits for it for two seconds.
  afterEach(async () => {
    for (const store of open.splice(0)) store.close();
    for (const client of clients.splice(0)) client.disconnect();
    await Promise.all(locked.splice(0).map((each) => each.kill()));
  });
  afterAll(async () => {
    await server.kill();
    process.off('unhandledRejection', remember);
    expect(unhandled).toEqual([]);
  });

  const names = () => signals.emitted.map(({ name }) => name);
  async function started(more: object = {}, url = server.url): Promise<SharedLimits> {
    const store = await create(url, signals, more);
    open.push(store);
    return store;
  }

  it('mostly answers without a promise once a caller is busy', async () => {
    const store = await started();
    let waited = 0;
    for (let i = 0; i < 500; i++) {
      const taken = store.take('busy', RATE, 1);
      if (taken instanceof Promise) waited += 1;
      expect(await taken).toMatchObject({ allowed: true, remaining: 999 - i });
    }
    expect(waited).toBeLessThan(20);
  });

  it('is asked once about a caller that has nothing left, not for each of its calls', async () => {
    const store = await started();
    const none = { ...RATE, count: 1, burst: 1 };
    await store.take('poor', none, 1);
    expect(await store.take('poor', none, 1)).toMatchObject({ allowed: false, remaining: 0 });
    expect(store.take('poor', none, 1)).toMatchObject({ allowed: false, remaining: 0 });
  });

  it('refuses at once what a bucket can never hold', async () => {
    const store = await started();
    expect(store.take('batch', RATE, 1001)).toMatchObject({ allowed: false, retryAfterMs: Number.POSITIVE_INFINITY });
  });

  it('keeps nothing for ever, and no subject’s name', async () => {
    const store = await started({ prefix: 'mine:' });
    await store.take('["red","keys:alice"]', RATE, 1);
    await store.enter('["red","keys:alice"]', 5);
    const client = new Redis(server.url);
    clients.push(client);
    const keys = (await client.keys('mine:*')).filter((key) => key !== 'mine:proof');
    expect(keys.map((key) => key.split(':')[1]).sort()).toEqual(['places', 'rate']);
    expect(keys.join()).not.toContain('alice');
    for (const key of keys) expect(await client.pttl(key)).toBeGreaterThan(0);
  });

  it('a killed process holds its places no longer than holdMs, a living one as long as it needs', async () => {
    const [dying, living] = [await started({ holdMs: 300 }), await started({ holdMs: 300 })];
    expect((await dying.enter('place', 2)).state).toBe('held');
    const held = await living.enter('place', 2);
    expect((await living.enter('place', 2)).state).toBe('full');
    dying.close();
    await sleep(700);
    const next = await living.enter('place', 2);
    expect(next.state).toBe('held');
    expect((await living.enter('place', 2)).state).toBe('full');
    held.leave();
    next.leave();
  });

  it('killed in the middle: answers go on at once, with one signal when it goes and one when it is back', async () => {
    const store = await started();
    const calls = Array.from({ length: 50 }, (_, i) => store.take(`caller ${i}`, RATE, 1));
    const killed = server.kill();
    await Promise.all(calls);
    await killed;
    await sleep(50);
    for (let i = 0; i < 50; i++) expect(store.take(`caller ${i}`, RATE, 1)).toBeUndefined();
    expect(names()).toEqual(['store.lost']);
    await server.restart();
    await back(store);
    expect(names()).toEqual(['store.lost', 'store.back']);
    expect(await store.take('caller 1', RATE, 1)).toMatchObject({ allowed: true });
  });

  it('places that were taken are taken again in one that was restarted', async () => {
    const store = await started({ holdMs: 300 });
    expect((await store.enter('kept', 1)).state).toBe('held');
    await server.kill();
    await server.restart();
    await back(store);
    await sleep(200);
    expect((await store.enter('kept', 1)).state).toBe('full');
  });

  it('that stalls holds nobody up for longer than its deadline, and only the first', async () => {
    const proxy = await StallingProxy.start(server.port);
    const store = await started({}, `redis://127.0.0.1:${proxy.port}`);
    expect(await store.take('slow', { ...RATE, count: 5, burst: 5 }, 1)).toMatchObject({ allowed: true });
    proxy.stall();
    const start = performance.now();
    const answers = await Promise.all([
      store.take('slow', { ...RATE, count: 5, burst: 5 }, 1),
      store.enter('slow', 5).then(({ state }) => state),
    ]);
    expect(answers).toEqual([undefined, 'unknown']);
    expect(performance.now() - start).toBeLessThan(300);
    expect(store.take('slow', RATE, 1)).toBeUndefined();
    await sleep(800);
    expect(names()).toEqual(['store.lost']);
    proxy.flow();
    await back(store);
    expect(names()).toEqual(['store.lost', 'store.back']);
    await proxy.close();
  });

  it('that can’t write isn’t taken for one that is back', async () => {
    const client = new Redis(server.url);
    clients.push(client);
    await client.config('SET', 'maxmemory', '1');
    const store = await started();
    expect(store.take('key', RATE, 1)).toBeUndefined();
    await sleep(1000);
    expect(names()).toEqual(['store.lost']);
    await client.config('SET', 'maxmemory', '0');
    await back(store);
    expect(names()).toEqual(['store.lost', 'store.back']);
  });

  it('with a password is shown it, and a wrong one is named in no signal', async () => {
    const server = await RedisServer.start('--requirepass', 'canary-3');
    locked.push(server);
    expect(await (await started({ password: 'canary-3' }, server.url)).take('key', RATE, 1)).toMatchObject({
      allowed: true,
    });
    expect(names()).toEqual([]);
    expect((await started({ password: 'canary-4' }, server.url)).take('key', RATE, 1)).toBeUndefined();
    expect(names()).toEqual(['store.lost']);
    expect(JSON.stringify(signals.emitted)).not.toContain('canary');
  });
});
