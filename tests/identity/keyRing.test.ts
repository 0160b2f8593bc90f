import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { systemClock } from '../../src/core/async.js';
import apiKey from '../../src/identity/apiKey.js';
import { generateKey, hashKey, isWellFormed } from '../../src/identity/apiKeyFormat.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { FakeSignals } from '../helpers/fakes.js';
import { bearer, createProvider, fate, identityDeps } from './world.js';

/** The real time, and what a test lets pass besides. */
class LaterClock {
  later = 0;
  now = () => systemClock.now() + this.later;
  monotonic = () => systemClock.monotonic() + this.later;
  random = systemClock.random;
  sleep = systemClock.sleep;
}

describe('the key ring', () => {
  let folder: string;
  let file: string;
  let clock: LaterClock;
  let signals: FakeSignals;

  beforeEach(async () => {
    folder = await fs.mkdtemp(path.join(os.tmpdir(), 'keys-'));
    file = path.join(folder, 'keys.json');
    clock = new LaterClock();
    signals = new FakeSignals();
  });
  afterEach(() => fs.rm(folder, { recursive: true }));

  const ring = () => openKeyRing(file, { clock, signals });
  const provider = (keys = ring()) => createProvider(apiKey, {}, identityDeps({ clock, keys }));

  it('knows a key that it created, with its rights', async () => {
    const keys = ring();
    const { key, record } = await keys.create({ name: 'ci', tenant: 't', roles: ['analyst'], destinations: ['qlik*'] });
    const found = await fate(provider(keys), bearer(key));
    expect(found).toMatchObject({
      subject: `corp:${record.id}`,
      tenant: 't',
      roles: ['analyst'],
      destinations: ['qlik*'],
    });
    expect(await fate(provider(keys), bearer(key))).toEqual(found);
  });

  it('keeps hashes only, readable by the owner only, and leaves nothing else behind', async () => {
    const { key } = await ring().create({ name: 'ci' });
    const content = await fs.readFile(file, 'utf8');
    expect(content).not.toContain(key.slice(4, 20));
    expect(content).toContain(hashKey(key));
    expect((await fs.stat(file)).mode & 0o777).toBe(0o600);
    expect(await fs.readdir(folder)).toEqual(['keys.json']);
  });

  it('sees within a second what another process changed', async () => {
    const [here, there] = [ring(), ring()];
    const { key, record } = await there.create({ name: 'ci' });
    clock.later += 1000;
    expect(await fate(provider(here), bearer(key))).toMatchObject({ subject: `corp:${record.id}` });
    await there.revoke(record.id);
    clock.later += 1000;
    expect(await fate(provider(here), bearer(key))).toBe('CALLER_UNKNOWN');
  });

  it('revokes at once, and once', async () => {
    const keys = ring();
    const { key, record } = await keys.create({ name: 'ci' });
    expect(await keys.revoke(record.id)).toBe(true);
    expect(await fate(provider(keys), bearer(key))).toBe('CALLER_UNKNOWN');
    expect(await keys.revoke(record.id)).toBe(false);
    await expect(keys.rotate(record.id, 0)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('rotates with an overlap, and no longer', async () => {
    const keys = ring();
    const old = await keys.create({ name: 'ci', roles: ['r'] });
    const fresh = await keys.rotate(old.record.id, 60_000);
    expect(fresh.record).toMatchObject({ name: 'ci', roles: ['r'] });
    expect(keys.find(hashKey(old.key))).toBeDefined();
    clock.later += 60_001;
    expect(keys.find(hashKey(old.key))).toBeUndefined();
    expect(keys.find(hashKey(fresh.key))).toBeDefined();
  });

  it('lets a key end', async () => {
    const keys = ring();
    const { key } = await keys.create({ name: 'ci', expiresInMs: 1000 });
    expect(keys.find(hashKey(key))).toBeDefined();
    clock.later += 1000;
    expect(await fate(provider(keys), bearer(key))).toBe('CALLER_UNKNOWN');
  });

  it('loses no change of many writers', async () => {
    await Promise.all(Array.from({ length: 10 }, (_, i) => ring().create({ name: `k${i}` })));
    expect(ring().list()).toHaveLength(10);
  });

  it('keeps what it knows while the file is broken, says so once, and never writes over it', async () => {
    const keys = ring();
    const { key } = await keys.create({ name: 'ci' });
    for (const broken of ['{', '{"version":1,"keys":[{"id":"x"}]}', '[]']) {
      await fs.writeFile(file, broken);
      clock.later += 1000;
      expect(keys.find(hashKey(key))).toBeDefined();
      clock.later += 1000;
      expect(keys.find(hashKey(key))).toBeDefined();
    }
    expect(signals.named('keys.unreadable')).toHaveLength(3);
    await expect(keys.create({ name: 'x' })).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await fs.readFile(file, 'utf8')).toBe('[]');
  });

  it('believes no file that everybody may write', async () => {
    const { key } = await ring().create({ name: 'ci' });
    await fs.chmod(file, 0o666);
    expect(ring().find(hashKey(key))).toBeUndefined();
  });

  it('has no keys without a file', async () => {
    const keys = ring();
    const { key } = await keys.create({ name: 'ci' });
    await fs.rm(file);
    clock.later += 1000;
    expect(keys.list()).toEqual([]);
    expect(keys.find(hashKey(key))).toBeUndefined();
    expect(signals.emitted).toEqual([]);
  });

  it('refuses what no key can have', async () => {
    for (const wanted of [{ name: '' }, { name: 'x'.repeat(300) }, { name: 'x', expiresInMs: -1 }])
      await expect(ring().create(wanted)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});

describe('the format of a key', () => {
  it('is told from a mistyped one without a look-up', () => {
    const key = generateKey();
    expect(key).toMatch(/^dbk_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}$/);
    expect(isWellFormed(key)).toBe(true);
    for (let i = 4; i < key.length; i++) {
      if (key[i] === '_') continue;
      expect(isWellFormed(key.slice(0, i) + (key[i] === 'a' ? 'b' : 'a') + key.slice(i + 1))).toBe(false);
    }
  });

  it('is bounded, and ends where it ends', () => {
    for (const text of [`${generateKey()}\n`, ` ${generateKey()}`, `dbk_${'a'.repeat(70_000)}_aaaaaa`, 'dbk_', ''])
      expect(isWellFormed(text)).toBe(false);
  });

  it('costs no look-up for a key that cannot be one, and compares the whole hash', async () => {
    const key = generateKey();
    const asked: string[] = [];
    const find = (hash: string) => {
      asked.push(hash);
      // A ring that finds by the beginning of a hash would be fooled; the provider is not.
      return {
        id: 'x',
        name: 'x',
        hash: `${hash.slice(0, 63)}${hash.endsWith('0') ? '1' : '0'}`,
        roles: [],
        createdAt: 0,
      };
    };
    const keys = { ...identityDeps().keys, find };
    const it = createProvider(apiKey, {}, identityDeps({ keys }));
    expect(await fate(it, bearer('dbk_nonsense'))).toBe('CALLER_UNKNOWN');
    expect(asked).toEqual([]);
    expect(await fate(it, bearer(key))).toBe('CALLER_UNKNOWN');
    expect(asked).toEqual([hashKey(key)]);
  });
});
