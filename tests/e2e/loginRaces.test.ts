import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { RedisServer, withoutRedis } from '../helpers/redisServer.js';
import { INITIALIZE, startStdioProgram, until } from '../helpers/stdioProgram.js';
import { loginAddress, whoAmI } from './loginWorld.js';
import { type StrictWorld, startStrictWorld } from './strictLogins.js';

/** Races of real processes at a provider that rotates, and that ends the whole login where a refresh token comes twice. */
describe('one login of many processes', () => {
  let world: StrictWorld;
  let home: string;
  let running: Drawbridge[];
  let redis: RedisServer | undefined;

  beforeAll(async () => {
    world = await startStrictWorld();
    if (!withoutRedis) redis = await RedisServer.start();
  });

  afterAll(() => Promise.all([world?.close(), redis?.kill()]));

  beforeEach(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'drawbridge-races-'));
    running = [];
    world.provider.accessSeconds = 600;
  });

  afterEach(async () => {
    world.provider.answerAfter(Promise.resolve());
    await Promise.all(running.map((drawbridge) => drawbridge.stop('SIGKILL')));
    await rm(home, { recursive: true, force: true });
  });

  async function start(rest: object = {}, args = ['--persist']): Promise<Drawbridge> {
    const drawbridge = await startDrawbridge(world.config(rest), { args, env: { HOME: home } });
    running.push(drawbridge);
    return drawbridge;
  }

  /** Logs in, with a token that ends soon; resolves when it has ended. */
  async function expired(drawbridge: Drawbridge): Promise<void> {
    world.provider.accessSeconds = 1;
    await logInAt(drawbridge);
    world.provider.accessSeconds = 600;
    await sleep(1100);
  }

  async function logInAt(drawbridge: Drawbridge): Promise<void> {
    await world.visit(await loginAddress(drawbridge));
    expect(await whoAmI(drawbridge)).toBe('ada');
  }

  it('is renewed once by ten `stdio` that find it expired', async () => {
    const args = [world.url, '--browser', 'none'];
    const first = startStdioProgram(args, { HOME: home });
    world.provider.accessSeconds = 1;
    first.say(INITIALIZE);
    const asked = JSON.stringify(await first.answer('first'));
    await world.visit(new URL(/http[^\s"]+authorize[^\s"]+/.exec(asked)?.[0] ?? ''));
    first.say({ ...INITIALIZE, id: 'again' });
    expect(await first.answer('again')).toMatchObject({ result: { user: 'ada' } });
    first.child.stdin?.end();
    await first.exited;
    world.provider.accessSeconds = 600;
    await sleep(1100);

    const before = world.provider.ledger.length;
    const programs = Array.from({ length: 10 }, () => startStdioProgram(args, { HOME: home }));
    for (const program of programs) program.say(INITIALIZE);
    const answers = await Promise.all(
      programs.map((program) => program.answer('first').catch(() => program.answer('first'))),
    );
    for (const program of programs) program.child.stdin?.end();
    await Promise.all(programs.map(({ exited }) => exited));
    expect(answers).toEqual(
      Array(10).fill(expect.objectContaining({ result: expect.objectContaining({ user: 'ada' }) })),
    );
    expect(world.provider.ledger.slice(before)).toEqual(['renewed']);
    // Ten starts at a time are slow on a busy machine.
  }, 90_000);

  it('is not lost by a process that is asked to end while it renews', async () => {
    const first = await start();
    await expired(first);
    let answer = () => {};
    world.provider.answerAfter(new Promise<void>((resolve) => (answer = resolve)));
    const before = world.provider.ledger.length;
    const call = whoAmI(first).catch(() => 'gone');
    await until(() => world.provider.ledger.length > before);
    const over = first.stop('SIGTERM');
    await sleep(200);
    answer();
    await Promise.all([over, call]);
    const second = await start();
    expect(await whoAmI(second)).toBe('ada');
    expect(world.provider.ledger.slice(before)).toEqual(['renewed']);
  });

  it('is asked for anew, and why, where a process was killed before the answer was there', async () => {
    const [first, second] = [await start(), await start()];
    await expired(first);
    world.provider.answerAfter(new Promise(() => {}));
    const before = world.provider.ledger.length;
    const call = whoAmI(first).catch(() => 'gone');
    await until(() => world.provider.ledger.length > before);
    await first.stop('SIGKILL');
    await call;
    world.provider.answerAfter(Promise.resolve());
    const address = await loginAddress(second);
    expect(world.provider.ledger.slice(before)).toEqual(['renewed', 'reused']);
    expect(await second.record(({ signal }) => signal === 'login.lost')).toMatchObject({ credential: 'login' });
    await world.visit(address);
    expect(await whoAmI(second)).toBe('ada');
  });

  (withoutRedis ? describe.skip : describe)('with replicas over redis', () => {
    const key = randomUUID() + randomUUID();
    const shared = () => ({
      logins: { store: 'shared' },
      stores: { shared: { kind: 'redis', url: redis?.url, vaultKey: key, prefix: `${prefixOf(home)}:` } },
    });

    const replicas = () => Promise.all([start(shared(), []), start(shared(), [])]);

    it('is one login for both, renewed once', async () => {
      const [one, other] = await replicas();
      await expired(one);
      const before = world.provider.ledger.length;
      const calls = Array.from({ length: 20 }, (_, index) => whoAmI(index % 2 ? one : other));
      expect(new Set(await Promise.all(calls))).toEqual(new Set(['ada']));
      expect(world.provider.ledger.slice(before)).toEqual(['renewed']);
    });

    it('is renewed by the next replica where the one that was at it was killed before it asked', async () => {
      const [one, other] = await replicas();
      await expired(one);
      world.provider.hang(true);
      const before = world.provider.asked();
      const call = whoAmI(one).catch(() => 'gone');
      await until(() => world.provider.asked() > before);
      await one.stop('SIGKILL');
      world.provider.hang(false);
      await call;
      expect(await whoAmI(other)).toBe('ada');
    });

    // Processes that start take their time on a busy machine.
    it('is not lost where redis is killed in the midst of a renewal', async () => {
      const [one, other] = await replicas();
      await expired(one);
      let answer = () => {};
      world.provider.answerAfter(new Promise<void>((resolve) => (answer = resolve)));
      const before = world.provider.ledger.length;
      const call = whoAmI(one);
      await until(() => world.provider.ledger.length > before);
      await redis?.kill();
      await one.record(({ signal }) => signal === 'vault.lost');
      answer();
      world.provider.answerAfter(Promise.resolve());
      expect(await call).toBe('ada');
      await redis?.restart();
      await Promise.all([one, other].map((each) => each.record(({ signal }) => signal === 'vault.back', 10_000)));
      expect(await whoAmI(other)).toBe('ada');
      expect(world.provider.ledger.slice(before)).toEqual(['renewed']);
      // A replica that never knew it has it from redis, which was empty.
      expect(await whoAmI(await start(shared(), []))).toBe('ada');
    }, 90_000);

    it('leaves no token in redis, and no key in a log', async () => {
      const [one] = await replicas();
      await logInAt(one);
      const texts = running.map((drawbridge) => drawbridge.stderr() + drawbridge.stdout());
      for (const text of texts) {
        expect(text).not.toContain(key);
        for (const token of world.provider.tokens) expect(text).not.toContain(token);
      }
    });
  });
});

/** Each test has a part of Redis to itself. */
function prefixOf(home: string): string {
  return createHash('sha1').update(home).digest('hex');
}
