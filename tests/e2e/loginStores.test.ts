import fs from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type SmallDisk, smallDisk, withoutDisks } from '../helpers/disks.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { fakeKeychain } from '../helpers/keychains.js';
import { loginAddress, whoAmI } from './loginWorld.js';
import { type StrictWorld, startStrictWorld } from './strictLogins.js';

/** Stores that take nothing: a word on stderr, a login that serves, and no crash. */
describe('where logins can’t be kept', () => {
  let world: StrictWorld;
  let home: string;
  let running: Drawbridge[];

  beforeAll(async () => {
    world = await startStrictWorld();
  });

  afterAll(() => world?.close());

  beforeEach(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'drawbridge-stores-'));
    running = [];
  });

  afterEach(async () => {
    await Promise.all(running.map((drawbridge) => drawbridge.stop()));
    await rm(home, { recursive: true, force: true });
  });

  async function start(env: Readonly<Record<string, string>> = {}, args: readonly string[] = []): Promise<Drawbridge> {
    const drawbridge = await startDrawbridge(world.config(), {
      args: ['--persist', ...args],
      env: { HOME: home, ...env },
    });
    running.push(drawbridge);
    return drawbridge;
  }

  const folder = () => path.join(home, '.config', 'mcp-drawbridge', 'tokens');
  const unwritable = (drawbridge: Drawbridge) => drawbridge.record(({ signal }) => signal === 'vault.unwritable');

  async function logIn(drawbridge: Drawbridge): Promise<void> {
    await world.visit(await loginAddress(drawbridge));
    expect(await whoAmI(drawbridge)).toBe('ada');
  }

  it('serves where a file is in the place of the folder, and says so', async () => {
    fs.mkdirSync(path.dirname(folder()), { recursive: true });
    fs.writeFileSync(folder(), 'somebody’s file');
    const drawbridge = await start();
    await logIn(drawbridge);
    expect(await unwritable(drawbridge)).toMatchObject({ level: 'warn', reason: 'EEXIST' });
    expect(fs.readFileSync(folder(), 'utf8')).toBe('somebody’s file');
  });

  it('finds its key in the keychain after `--keychain` was said once', async () => {
    const keychain = fakeKeychain();
    try {
      const first = await start(keychain.env, ['--keychain']);
      await logIn(first);
      await first.stop();
      expect(fs.readFileSync(path.join(folder(), 'key'), 'utf8')).toMatch(/^secret-service:/);
      const [key = ''] = Object.values(keychain.items());
      expect(await whoAmI(await start(keychain.env))).toBe('ada');
      for (const drawbridge of running) expect(drawbridge.stderr()).not.toContain(key);
      expect(keychain.commands().join('\n')).not.toContain(key);
    } finally {
      keychain.remove();
    }
  });

  (withoutDisks ? describe.skip : describe)('on a disk', () => {
    async function onDisk(test: (disk: SmallDisk) => Promise<void>): Promise<void> {
      const disk = smallDisk(folder()) as SmallDisk;
      await test(disk).finally(() => disk.remove());
    }

    it('that is full: serves, and keeps the login as soon as there is room', () =>
      onDisk(async (disk) => {
        disk.fill();
        const drawbridge = await start();
        await logIn(drawbridge);
        expect(await unwritable(drawbridge)).toMatchObject({ reason: 'ENOSPC' });
        disk.makeRoom();
        await drawbridge.stop();
        expect(await whoAmI(await start())).toBe('ada');
      }));

    it('that is read-only: serves what is there, and says what it can’t keep', () =>
      onDisk(async (disk) => {
        const before = await start();
        await logIn(before);
        await before.stop();
        disk.readOnly(true);
        const drawbridge = await start();
        expect(await whoAmI(drawbridge)).toBe('ada');
        for (const token of world.provider.tokens) world.provider.refuse(token);
        expect(await whoAmI(drawbridge)).toBe('ada');
        expect(await unwritable(drawbridge)).toMatchObject({ reason: 'EROFS' });
      }));
  });
});
