import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { MemoryAnswers } from '../../../src/connectors/qlik/answerCache.js';
import { StoredAnswers } from '../../../src/connectors/qlik/sharedAnswers.js';
import type { AnswerCache, SharedAnswers } from '../../../src/contracts/answers.js';
import { systemClock } from '../../../src/core/async.js';
import kind from '../../../src/stores/redisAnswers.js';
import { FakeSignals } from '../../helpers/fakes.js';
import { RedisServer, withoutRedis } from '../../helpers/redisServer.js';

const LONG = 60_000;
const CANARY = 'canary-answer-of-ann';
const VAULT_KEY = 'a vault key of thirty-two characters';

/** Asks as the client does: what isn't there is fetched, and kept. */
async function fetched(cache: AnswerCache, key: string, answer: string, ttlMs = LONG): Promise<string> {
  const kept = await cache.get(key);
  if (kept === undefined) await cache.set(key, answer, ttlMs);
  return kept ?? answer;
}

function suite(open: () => AnswerCache | Promise<AnswerCache>): void {
  it('gives back what was kept, to its own key', async () => {
    const cache = await open();
    expect(await fetched(cache, 't apps 1 ann', 'one')).toBe('one');
    expect(await fetched(cache, 't apps 1 ann', 'two')).toBe('one');
    expect(await cache.get('t apps 1 bob')).toBeUndefined();
  });

  it('lets an answer serve for its time and no longer', async () => {
    const cache = await open();
    await fetched(cache, 't apps 1 ann', 'short', 400);
    await fetched(cache, 't apps 2 ann', 'never', 0);
    expect([await cache.get('t apps 1 ann'), await cache.get('t apps 2 ann')]).toEqual(['short', undefined]);
    await sleep(450);
    expect(await cache.get('t apps 1 ann')).toBeUndefined();
  });

  it.each([
    ['one thing', 't apps 1 ', ['t apps 10 ann', 't items  ann', 'u apps 1 ann']],
    ['a resource', 't apps ', ['t items  ann', 'u apps 1 ann']],
    ['a tenant', 't ', ['u apps 1 ann']],
    ['everything', '', []],
  ])('drops %s, whoever it was for, and keeps the rest', async (_what, prefix, left) => {
    const cache = await open();
    const keys = ['t apps 1 ann', 't apps 1 bob', 't apps 10 ann', 't items  ann', 'u apps 1 ann'];
    for (const key of keys) await fetched(cache, key, key);
    await cache.drop(prefix);
    const kept = await Promise.all(keys.map((key) => cache.get(key)));
    expect(kept.filter((answer) => answer !== undefined)).toEqual(left);
    await fetched(cache, 't apps 1 ann', 'new');
    expect(await cache.get('t apps 1 ann')).toBe('new');
  });
}

describe('answers in memory', () => suite(() => new MemoryAnswers(systemClock)));

(withoutRedis ? describe.skip : describe)('answers in redis', () => {
  let server: RedisServer;
  let client: Redis;
  let signals: FakeSignals;
  const opened: SharedAnswers[] = [];

  beforeAll(async () => {
    server = await RedisServer.start();
  });

  beforeEach(() => {
    signals = new FakeSignals();
    client = new Redis(server.url);
    client.on('error', () => {});
  });

  afterEach(async () => {
    for (const answers of opened.splice(0)) answers.close();
    await client.flushall().catch(() => {});
    client.disconnect();
  });

  afterAll(() => server.kill());

  async function open(destination = 'qlik', vaultKey = VAULT_KEY): Promise<SharedAnswers> {
    const options = kind.options.parse({ url: server.url, vaultKey });
    const answers = await kind.create(options, { name: 'shared', destination, clock: systemClock, signals });
    opened.push(answers);
    return answers;
  }

  /** What one replica of the toolset keeps answers in. */
  const replica = async () => new StoredAnswers(await open(), new MemoryAnswers(systemClock));

  async function until(name: 'answers.lost' | 'answers.back', times: number): Promise<void> {
    for (let tries = 0; tries < 500 && signals.named(name).length < times; tries++) await sleep(20);
    expect(signals.named(name)).toHaveLength(times);
  }

  suite(() => open());

  describe('of a replica', () => suite(replica));

  it('replicas have them in common, and what one drops all forget', async () => {
    const [one, other] = [await replica(), await replica()];
    await fetched(one, 't apps 1 ann', 'one');
    expect(await other.get('t apps 1 ann')).toBe('one');
    await other.drop('t apps 1 ');
    expect(await one.get('t apps 1 ann')).toBeUndefined();
  });

  it('keeps no answer that another replica made old while it was on its way', async () => {
    const [one, other] = [await replica(), await replica()];
    expect(await one.get('t apps 1 ann')).toBeUndefined();
    await other.drop('t apps ');
    await one.set('t apps 1 ann', 'old', LONG);
    expect([await one.get('t apps 1 ann'), await other.get('t apps 1 ann')]).toEqual([undefined, undefined]);
  });

  it('lets no old answer that comes late take the place of a newer one', async () => {
    const [one, other] = [await replica(), await replica()];
    await one.get('t apps 1 ann');
    await other.drop('t apps ');
    await fetched(other, 't apps 1 ann', 'new');
    await one.set('t apps 1 ann', 'old', LONG);
    expect(await one.get('t apps 1 ann')).toBe('new');
  });

  it('keeps no old answer of two that were on their way', async () => {
    const [one, other] = [await replica(), await replica()];
    await one.get('t apps 1 ann');
    await other.drop('t apps ');
    await one.get('t apps 1 ann');
    await one.set('t apps 1 ann', 'old', LONG);
    expect(await one.get('t apps 1 ann')).toBeUndefined();
    expect(await fetched(one, 't apps 1 ann', 'new')).toBe('new');
    expect(await other.get('t apps 1 ann')).toBe('new');
  });

  it('serves nothing old where redis has forgotten that it was dropped', async () => {
    const one = await replica();
    await fetched(one, 't apps 1 ann', 'old');
    for (const key of await client.keys('*topic:*')) await client.del(key);
    expect(await one.get('t apps 1 ann')).toBeUndefined();
  });

  it('shows redis neither answers nor whose they are, and lets all of it end', async () => {
    await fetched(await open(), `t apps 1 ["acme","corp:ann"]`, CANARY);
    const keys = await client.keys('*');
    const values = await Promise.all(
      keys.map(async (key) => ((await client.type(key)) === 'hash' ? client.hgetall(key) : client.get(key))),
    );
    expect(keys.some((key) => key.includes(':answer:'))).toBe(true);
    expect(JSON.stringify([keys, values])).not.toMatch(/canary|ann/);
    for (const key of keys) expect(await client.pttl(key)).toBeGreaterThan(0);
  });

  it('believes nothing that somebody else has put there: another key, another place, a changed answer', async () => {
    const one = await open();
    for (const key of ['t apps 1 ann', 't apps 1 bob']) await fetched(one, key, key);
    expect(await (await open('qlik', `${VAULT_KEY} of others`)).get('t apps 1 ann')).toBeUndefined();
    const [first, second] = (await client.keys('*:answer:*')) as [string, string];
    const [a, b] = [await client.hget(first, 'sealed'), await client.hget(second, 'sealed')];
    await client.hset(first, 'sealed', String(b));
    await client.hset(second, 'sealed', `${String(a).slice(0, -4)}AAAA`);
    expect([await one.get('t apps 1 ann'), await one.get('t apps 1 bob')]).toEqual([undefined, undefined]);
  });

  it('keeps those of one destination from another', async () => {
    await fetched(await open('qlik'), 't apps 1 ann', 'one');
    expect(await (await open('other')).get('t apps 1 ann')).toBeUndefined();
  });

  it('keeps no answer that is too large', async () => {
    const one = await open();
    await fetched(one, 't apps 1 ann', 'x'.repeat(1024 * 1024 + 1));
    expect(await one.get('t apps 1 ann')).toBeUndefined();
    expect(one.up).toBe(true);
  });

  it('goes on in memory while redis is gone, says so, and drops behind what it could not', async () => {
    const [one, other] = [await replica(), await replica()];
    await fetched(one, 't apps 1 ann', 'shared');
    await server.kill();
    await until('answers.lost', 2);
    expect(await one.get('t apps 1 ann')).toBeUndefined();
    expect(await fetched(one, 't apps 1 ann', 'own')).toBe('own');
    expect(await one.get('t apps 1 ann')).toBe('own');
    await one.drop('t apps ');
    expect(await one.get('t apps 1 ann')).toBeUndefined();
    await server.restart();
    await until('answers.back', 2);
    await fetched(one, 't apps 1 ann', 'anew');
    expect(await other.get('t apps 1 ann')).toBe('anew');
  });

  it('tells a redis that was only out of reach what was dropped meanwhile', async () => {
    const [one, other] = [await replica(), await replica()];
    await fetched(one, 't apps 1 ann', 'old');
    // Its connections are cut, and it takes no new ones for a while: what it holds it keeps.
    await client.config('SET', 'maxclients', '1');
    await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until('answers.lost', 2);
    await one.drop('t apps ');
    await client.config('SET', 'maxclients', '100');
    await until('answers.back', 2);
    expect(await other.get('t apps 1 ann')).toBeUndefined();
  });

  it('begins without a redis that is not there', async () => {
    await server.kill();
    try {
      const one = await replica();
      expect(await fetched(one, 't apps 1 ann', 'own')).toBe('own');
      expect(await one.get('t apps 1 ann')).toBe('own');
      expect(signals.named('answers.lost')).toHaveLength(1);
    } finally {
      await server.restart();
    }
  });
});
