import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { json, startUpstream } from '../helpers/upstreamFixture.js';
import { type LoginWorld, logIn, loginAddress, startKeeping, startLoginWorld, whoAmI } from './loginWorld.js';

/** A login lasts as long as its refresh token, through refusals, ends, races, crashes and broken disks. */
describe('what a login left', () => {
  let world: LoginWorld;
  let home: string;
  let running: Drawbridge[];
  const logs: string[] = [];

  beforeAll(async () => {
    world = await startLoginWorld();
  });

  afterAll(() => world?.close());

  beforeEach(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'drawbridge-home-'));
    running = [];
    world.provider.accessSeconds = 600;
  });

  afterEach(async () => {
    world.provider.misbehave(undefined);
    await Promise.all(running.map(end));
    await rm(home, { recursive: true, force: true });
  });

  async function start(): Promise<Drawbridge> {
    const drawbridge = await startKeeping(world, home);
    running.push(drawbridge);
    return drawbridge;
  }

  /** Another one's, who has not logged in. */
  async function startDrawbridgeAlone(): Promise<Drawbridge> {
    const drawbridge = await startDrawbridge(world.config());
    running.push(drawbridge);
    return drawbridge;
  }

  async function end(drawbridge: Drawbridge): Promise<void> {
    await drawbridge.stop();
    logs.push(drawbridge.stderr() + drawbridge.stdout());
  }

  async function loggedIn(): Promise<Drawbridge> {
    const drawbridge = await start();
    await logIn(await loginAddress(drawbridge), 'ada');
    expect(await whoAmI(drawbridge)).toBe('ada');
    return drawbridge;
  }

  const tokens = () => path.join(home, '.config', 'mcp-drawbridge', 'tokens');
  const documents = async () => (await readdir(tokens())).filter((file) => file.endsWith('.sealed'));
  const refreshes = () => world.provider.granted.filter((grant) => grant === 'refresh_token').length;

  /** The server takes nothing any more that it was shown so far. */
  const refuseAll = () => world.shown.forEach((token) => void world.refused.add(token));

  it('is renewed, again and again, without a person when the server refuses the token', async () => {
    const drawbridge = await loggedIn();
    const before = refreshes();
    for (const times of [1, 2]) {
      refuseAll();
      expect(await whoAmI(drawbridge)).toBe('ada');
      expect(refreshes()).toBe(before + times);
    }
  });

  it('is renewed without a person when the token has ended', async () => {
    world.provider.accessSeconds = 2;
    const drawbridge = await loggedIn();
    const before = refreshes();
    await sleep(2100);
    world.provider.accessSeconds = 600;
    expect(await whoAmI(drawbridge)).toBe('ada');
    expect(refreshes()).toBe(before + 1);
  });

  it('outlives the process', async () => {
    await (await loggedIn()).stop();
    expect(await whoAmI(await start())).toBe('ada');
  });

  it('is renewed though somebody else listens where the browser came back to', async () => {
    const drawbridge = await start();
    const address = await loginAddress(drawbridge);
    const { port } = new URL(address.searchParams.get('redirect_uri') ?? '');
    await logIn(address, 'ada');
    expect(await whoAmI(drawbridge)).toBe('ada');
    const other = await startUpstream(json({}), { port: Number(port) });
    const moved = await loginAddress(await startDrawbridgeAlone());
    expect(new URL(moved.searchParams.get('redirect_uri') ?? '').port).not.toBe(port);
    refuseAll();
    expect(await whoAmI(drawbridge).finally(() => other.close())).toBe('ada');
  });

  it('is asked for anew when the refresh token was revoked', async () => {
    const drawbridge = await loggedIn();
    await world.provider.revokeRefreshTokens();
    refuseAll();
    await logIn(await loginAddress(drawbridge), 'grace');
    expect(await whoAmI(drawbridge)).toBe('grace');
  });

  it('is renewed once, however many callers of two processes meet its end', async () => {
    world.provider.accessSeconds = 2;
    const [first, second] = [await loggedIn(), await start()];
    expect(await whoAmI(second)).toBe('ada');
    const [before, refused] = [refreshes(), world.provider.refused.length];
    await sleep(2100);
    world.provider.accessSeconds = 600;
    const callers = Array.from({ length: 20 }, (_, index) => whoAmI(index % 2 ? first : second));
    expect(new Set(await Promise.all(callers))).toEqual(new Set(['ada']));
    expect([refreshes(), world.provider.refused.length]).toEqual([before + 1, refused]);
  });

  it('is renewed by the next process when the one that was at it is killed', async () => {
    const [first, second] = [await loggedIn(), await start()];
    refuseAll();
    const before = refreshes();
    world.provider.misbehave('hang');
    const asked = world.provider.requests.length;
    const lost = whoAmI(first).catch(() => 'lost');
    while (world.provider.requests.length === asked) await sleep(10);
    await first.stop('SIGKILL');
    world.provider.misbehave(undefined);
    expect([await lost, await whoAmI(second), refreshes()]).toEqual(['lost', 'ada', before + 1]);
  });

  it.each<[string, () => Promise<void>]>([
    [
      'documents were cut short',
      async () => {
        for (const file of await documents()) await truncate(path.join(tokens(), file), 40);
      },
    ],
    [
      'documents are empty',
      async () => {
        for (const file of await documents()) await truncate(path.join(tokens(), file), 0);
      },
    ],
    ['key is another', () => writeFile(path.join(tokens(), 'key'), 'k'.repeat(43))],
    ['key was cut short', () => truncate(path.join(tokens(), 'key'), 3)],
  ])('is asked for anew where the %s, and the process serves on', async (_what, breakIt) => {
    await (await loggedIn()).stop();
    expect(await documents()).not.toEqual([]);
    await breakIt();
    const drawbridge = await start();
    const address = await loginAddress(drawbridge);
    await drawbridge.record(({ signal }) => signal === 'vault.unreadable');
    await logIn(address, 'ada');
    expect(await whoAmI(drawbridge)).toBe('ada');
    await drawbridge.stop();
    expect(await whoAmI(await start())).toBe('ada');
  });

  it('is on disk in no words that anybody could read, and in no log', async () => {
    await end(await loggedIn());
    const disk = await Promise.all(
      (await readdir(tokens())).map((file) => readFile(path.join(tokens(), file), 'utf8')),
    );
    const secrets = [...world.shown, ...world.provider.refreshTokens];
    expect(secrets.length).toBeGreaterThan(10);
    for (const text of [...disk, ...logs]) {
      expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
      expect(text).not.toMatch(/eyJ[\w-]+\.eyJ|code=[\w-]{10}/);
    }
  });
});
