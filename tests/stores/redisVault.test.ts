import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Vault } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import kind from '../../src/stores/redisVault.js';
import { FakeSignals } from '../helpers/fakes.js';
import { RedisServer, withoutRedis } from '../helpers/redisServer.js';

const NEVER = new AbortController().signal;
const KEY = 'a vault key of thirty-two characters';
const CANARY = 'canary-refresh-token';

const describeRedis = withoutRedis ? describe.skip : describe;

describeRedis('a vault in redis', () => {
  let server: RedisServer;
  let client: Redis;
  let signals: FakeSignals;
  let opened: Vault[] = [];

  beforeAll(async () => {
    server = await RedisServer.start();
  });

  beforeEach(() => {
    signals = new FakeSignals();
    client = new Redis(server.url);
    client.on('error', () => {});
  });

  afterEach(async () => {
    await Promise.all(opened.map((vault) => vault.close()));
    opened = [];
    await client.flushall().catch(() => {});
    client.disconnect();
  });

  afterAll(() => server.kill());

  async function open(vaultKey = KEY): Promise<Vault> {
    const options = kind.options.parse({ url: server.url, vaultKey });
    const vault = await kind.create(options, { name: 'shared', clock: systemClock, signals });
    opened.push(vault);
    return vault;
  }

  const names = () => signals.emitted.map(({ name }) => name);

  /** Resolves once Redis is known to be there again, by so many. */
  async function back(times: number): Promise<void> {
    for (let tries = 0; tries < 500 && signals.named('vault.back').length < times; tries++) await sleep(20);
    expect(signals.named('vault.back')).toHaveLength(times);
  }

  it('gives every replica what one wrote, and nothing after it was removed', async () => {
    const [one, other] = [await open(), await open()];
    expect(await one.read('a')).toBeUndefined();
    await one.write('a', { token: 1 });
    await one.write('b', { token: 2 });
    await other.write('a', { token: 3 });
    expect([await one.read('a'), await other.read('b')]).toEqual([{ token: 3 }, { token: 2 }]);
    const listed = await (await open()).list();
    expect(listed.map(({ name }) => name).sort()).toEqual(['a', 'b']);
    await one.remove('a');
    expect([await other.read('a'), (await other.list()).length]).toEqual([undefined, 1]);
    expect(names()).toEqual([]);
  });

  it('shows redis neither a token nor a name', async () => {
    await (await open()).write('whose-login', { token: CANARY });
    for (const key of await client.keys('*')) {
      const text = `${key} ${JSON.stringify(await client.hgetall(key).catch(() => ''))}`;
      expect(text).not.toMatch(/whose-login|canary/);
      if (key.includes('login:')) expect(await client.pttl(key)).toBeGreaterThan(86_400_000);
    }
  });

  it('opens nothing with another key, nor under another name, and says so', async () => {
    const vault = await open();
    await vault.write('a', { token: CANARY });
    await vault.write('b', { token: 2 });
    expect(await (await open(`another ${KEY}`)).read('a')).toBeUndefined();
    expect(signals.named('vault.unreadable')).toHaveLength(1);
    const [one, other] = (await client.keys('*login:*')) as [string, string];
    await client.hset(one, 'sealed', (await client.hget(other, 'sealed')) as string, 'version', 9);
    const strange = await open();
    const read = [await strange.read('a'), await strange.read('b')];
    expect(read.filter((each) => each === undefined)).toHaveLength(1);
    expect(JSON.stringify(signals.emitted)).not.toContain('canary');
  });

  it('lets one replica at a time do its job under a name', async () => {
    let [running, most] = [0, 0];
    const job = async () => {
      most = Math.max(most, ++running);
      await sleep(5);
      running -= 1;
    };
    const replicas = await Promise.all(Array.from({ length: 4 }, () => open()));
    await Promise.all([...replicas, ...replicas].map((vault) => vault.alone('a', NEVER, job)));
    expect(most).toBe(1);
    await expect(replicas[0]?.alone('a', NEVER, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(replicas[1]?.alone('a', NEVER, async () => 'yes')).resolves.toBe('yes');
  });

  it('stops waiting for another one’s job where its caller does', async () => {
    const [one, other] = [await open(), await open()];
    let done = () => {};
    const first = one.alone('a', NEVER, () => new Promise<void>((resolve) => (done = resolve)));
    await sleep(50);
    const leaving = new AbortController();
    const second = other.alone('a', leaving.signal, async () => 'late');
    leaving.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    done();
    await first;
  });

  it('lets nobody who lost its lock overwrite what the next one wrote', async () => {
    const [paused, next] = [await open(), await open()];
    await paused.write('a', { token: 'old' });
    await paused.alone('a', NEVER, async () => {
      expect(await paused.read('a')).toEqual({ token: 'old' });
      // As if this process had stood still for longer than its lock lasts.
      const [key = ''] = await client.keys('*login:*');
      await client.hset(key, 'until', 1);
      await next.alone('a', NEVER, async () => {
        await paused.write('a', { token: 'too late, while the next one is at it' });
        await next.write('a', { token: 'new' });
      });
      await paused.write('a', { token: 'too late' });
    });
    expect([await paused.read('a'), await next.read('a')]).toEqual([{ token: 'new' }, { token: 'new' }]);
    expect(new Set(names())).toEqual(new Set(['vault.superseded']));
  });

  it('takes over the lock of a process that was killed', async () => {
    const [key = ''] = await keysAfter(async () => (await open()).write('a', { token: 1 }));
    const now = Number((await client.time())[0]) * 1000;
    await client.hset(key, 'holder', 'who is no more', 'until', now + 1200);
    const before = Date.now();
    expect(await (await open()).alone('a', NEVER, async () => 'mine')).toBe('mine');
    expect(Date.now() - before).toBeLessThan(5000);
  });

  async function keysAfter(write: () => Promise<void>): Promise<string[]> {
    await write();
    return client.keys('*login:*');
  }

  it('keeps what it gets while redis is gone, says so, and writes it when redis is back', async () => {
    const [one, other] = [await open(), await open()];
    await one.write('a', { token: 1 });
    expect(await other.read('a')).toEqual({ token: 1 });
    await server.kill();
    await one.write('a', { token: 2 });
    expect([await one.read('a'), await other.read('a')]).toEqual([{ token: 2 }, { token: 1 }]);
    expect((await one.list()).length).toBe(1);
    expect(names()).toEqual(['vault.lost', 'vault.lost']);
    await server.restart();
    await back(2);
    // Redis has forgotten all it had, and whoever came back first may have brought the old one.
    await other.alone('a', NEVER, async () => expect(await other.read('a')).toEqual({ token: 2 }));
    expect(await (await open()).read('a')).toEqual({ token: 2 });
    expect(signals.named('vault.superseded')).toEqual([]);
  });

  it('goes on with a job in the midst of which redis was lost, and keeps its result', async () => {
    const one = await open();
    await one.alone('a', NEVER, async () => {
      await server.kill();
      await one.write('a', { token: 'rotated' });
    });
    await server.restart();
    await back(1);
    expect(await (await open()).read('a')).toEqual({ token: 'rotated' });
  });

  it('renews without redis where nobody else renewed last, and nowhere else', async () => {
    const [last, other] = [await open(), await open()];
    await last.write('a', { token: 1 });
    await other.read('a');
    await server.kill();
    const [mine, theirs, unknown] = await Promise.allSettled([
      last.alone('a', NEVER, async () => 'renewed'),
      other.alone('a', NEVER, async () => 'renewed twice'),
      other.alone('never seen', NEVER, async () => 'logged in'),
    ]);
    expect(mine).toMatchObject({ value: 'renewed' });
    expect(theirs).toMatchObject({ reason: { name: 'CredentialError', retryAfterMs: 5000 } });
    expect(unknown).toMatchObject({ value: 'logged in' });
    await server.restart();
  });

  it('starts without redis, and holds what it gets', async () => {
    await server.kill();
    const vault = await open();
    await vault.write('a', { token: 1 });
    expect(await vault.read('a')).toEqual({ token: 1 });
    await server.restart();
    await back(1);
    expect(await (await open()).read('a')).toEqual({ token: 1 });
  });
});

describe('the key of a vault in redis', () => {
  it('is a long one, and is never shown', () => {
    expect(kind.options.safeParse({ url: 'redis://h', vaultKey: 'short' }).success).toBe(false);
    const { data } = kind.options.safeParse({ url: 'redis://h', vaultKey: KEY });
    expect(JSON.stringify(data)).not.toContain(KEY);
  });
});
