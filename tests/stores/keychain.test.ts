import fs from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../src/core/async.js';
import { openKeychain } from '../../src/stores/keychain.js';
import { FileVault } from '../../src/stores/vault.js';
import { FakeSignals } from '../helpers/fakes.js';
import { type FakeKeychain, fakeKeychain, Keyring, withoutKeyring } from '../helpers/keychains.js';
import { tempFolder } from '../helpers/tempFolder.js';

const folder = tempFolder('keychain');
let signals: FakeSignals;
let place: string;
let count = 0;

beforeEach(() => {
  signals = new FakeSignals();
  count += 1;
  place = path.join(folder, `vault-${count}`);
});

function vault(env: Readonly<Record<string, string>>, wantKeychain = false, platform: NodeJS.Platform = 'linux') {
  const keychain = openKeychain({ platform, env });
  return new FileVault(place, { clock: systemClock, signals, keychain, wantKeychain });
}

const keyFile = () => fs.readFileSync(path.join(place, 'key'), 'utf8');

describe('the key in a keychain', () => {
  let fake: FakeKeychain;

  beforeEach(() => {
    fake = fakeKeychain();
  });

  afterEach(() => fake.remove());

  it('is not there unless somebody asks for it', async () => {
    await vault(fake.env).write('one', { token: 1 });
    expect(fake.commands()).toEqual([]);
    expect(keyFile()).toHaveLength(43);
  });

  it('is there alone, and is found again by whoever didn’t ask', async () => {
    await vault(fake.env, true).write('one', { token: 1 });
    expect(keyFile()).toMatch(/^secret-service:[\da-f-]{36}$/);
    expect(Object.values(fake.items())).toEqual([expect.stringMatching(/^[\w-]{43}$/)]);
    expect(await vault(fake.env).read('one')).toEqual({ token: 1 });
    expect(await vault(fake.env, true).read('one')).toEqual({ token: 1 });
    expect(Object.values(fake.items())).toHaveLength(1);
  });

  it('is the one that was in the file, so that no login is lost', async () => {
    await vault(fake.env).write('one', { token: 1 });
    const before = keyFile();
    const moved = await Promise.all(Array.from({ length: 5 }, () => vault(fake.env, true).read('one')));
    expect(moved).toEqual(Array(5).fill({ token: 1 }));
    expect(Object.values(fake.items())).toEqual([before]);
    expect(fs.readdirSync(place).filter((name) => name.startsWith('key'))).toEqual(['key']);
    expect(keyFile()).not.toContain(before);
  });

  it('is on no command line', async () => {
    await vault(fake.env, true).write('one', { token: 1 });
    await vault(fake.env, true, 'win32').read('one');
    const [secret = ''] = Object.values(fake.items());
    expect(fake.commands().length).toBeGreaterThan(1);
    expect(fake.commands().join('\n')).not.toContain(secret);
  });

  it('asks nobody while the keychain is locked: logins are kept in memory, and nothing is lost', async () => {
    await vault(fake.env, true).write('one', { token: 1 });
    const before = keyFile();
    fake.lock(true);
    const locked = vault(fake.env);
    expect(await locked.read('one')).toBeUndefined();
    expect(signals.named('vault.unreadable')).toEqual([expect.objectContaining({ reason: 'it is locked' })]);
    await locked.write('two', { token: 2 });
    expect(signals.named('vault.unwritable')).toEqual([expect.objectContaining({ reason: 'it is locked' })]);
    expect([await locked.read('two'), keyFile()]).toEqual([{ token: 2 }, before]);
    expect(fake.commands().filter((command) => command.startsWith('lookup'))).toEqual([]);
    fake.lock(false);
    await locked.close();
    expect([await vault(fake.env).read('one'), await vault(fake.env).read('two')]).toEqual([
      { token: 1 },
      { token: 2 },
    ]);
  });

  it('stays in its file where the keychain can’t be used, and it is said', async () => {
    fake.lock(true);
    for (const env of [fake.env, { PATH: '/nowhere' }]) {
      await vault(env, true).write('one', { token: 1 });
      expect(keyFile()).toHaveLength(43);
    }
    expect(signals.named('vault.keychain-unusable').map(({ reason }) => reason)).toEqual([
      'secret-tool failed (1)',
      'secret-tool: ENOENT',
    ]);
    expect(await vault(fake.env).read('one')).toEqual({ token: 1 });
  });

  it('is sealed in its file on Windows, by pipes', async () => {
    await vault(fake.env, true, 'win32').write('one', { token: 1 });
    expect(keyFile()).toMatch(/^dpapi:[\w+/=]+$/);
    expect(await vault(fake.env, false, 'win32').read('one')).toEqual({ token: 1 });
    const script = fake.commands().join('\n');
    expect(script).toContain('-NoProfile -NonInteractive');
    expect(script).toContain("Protect($in, $null, 'CurrentUser')");
    // Another machine's user gets nothing of it, and destroys nothing.
    expect(await vault(fake.env, false, 'linux').read('one')).toBeUndefined();
    expect(keyFile()).toMatch(/^dpapi:/);
  });
});

(withoutKeyring ? describe.skip : describe)('the key in a real GNOME Keyring', () => {
  let keyring: Keyring;

  beforeAll(async () => {
    keyring = await Keyring.start();
  });

  afterAll(() => keyring?.stop());

  it('is kept, found, and asked of nobody while it is locked', async () => {
    await vault(keyring.env, true).write('one', { token: 1 });
    expect([keyFile(), signals.emitted]).toEqual([expect.stringMatching(/^secret-service:/), []]);
    expect(await vault(keyring.env).read('one')).toEqual({ token: 1 });
    keyring.lock();
    expect(await vault(keyring.env).read('one')).toBeUndefined();
    expect(signals.named('vault.unreadable')).toEqual([expect.objectContaining({ reason: 'it is locked' })]);
  });
});
