import fs from 'node:fs';
import path from 'node:path';
import type { Vault } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import { FileVault, MemoryVault } from '../../src/stores/vault.js';
import { FakeSignals } from '../helpers/fakes.js';
import { tempFolder } from '../helpers/tempFolder.js';

const NEVER = new AbortController().signal;
const CANARY = 'canary-refresh-token';

describe('vaults', () => {
  const folder = tempFolder('vault');
  let signals: FakeSignals;
  let count = 0;
  let place: string;

  beforeEach(() => {
    signals = new FakeSignals();
    count += 1;
    place = path.join(folder, `vault-${count}`);
  });

  const file = () => new FileVault(place, { clock: systemClock, signals });
  const kinds: [string, () => Vault][] = [
    ['in memory', () => new MemoryVault()],
    ['on disk', file],
  ];

  describe.each(kinds)('%s', (_kind, create) => {
    it('give back what was written, and nothing after it was removed', async () => {
      const vault = create();
      expect(await vault.read('one')).toBeUndefined();
      await vault.write('one', { token: 1 });
      await vault.write('../two', { token: 2 });
      await vault.write('one', { token: 3 });
      expect([await vault.read('one'), await vault.read('../two')]).toEqual([{ token: 3 }, { token: 2 }]);
      expect((await vault.list()).map(({ name }) => name).sort()).toEqual(['../two', 'one']);
      await vault.remove('one');
      expect([await vault.read('one'), (await vault.list()).length]).toEqual([undefined, 1]);
    });

    it('let one at a time do its job under a name, and another one under another', async () => {
      const vault = create();
      const log: string[] = [];
      const job = (name: string) => async () => {
        log.push(`${name} begins`);
        await systemClock.sleep(20);
        log.push(`${name} ends`);
      };
      await Promise.all([vault.alone('a', NEVER, job('first')), vault.alone('a', NEVER, job('second'))]);
      expect(log).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
    });

    it('go on after a job that failed', async () => {
      const vault = create();
      await expect(vault.alone('a', NEVER, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
      await expect(vault.alone('a', NEVER, async () => 'yes')).resolves.toBe('yes');
    });
  });

  const files = () => fs.readdirSync(place).filter((name) => name.endsWith('.sealed'));

  it('keep a document from every eye but the owner’s', async () => {
    await file().write('one', { token: CANARY });
    expect(fs.statSync(path.join(place, 'key')).mode & 0o777).toBe(0o600);
    for (const name of fs.readdirSync(place)) {
      const found = path.join(place, name);
      expect(fs.statSync(found).mode & 0o077).toBe(0);
      expect(fs.readFileSync(found, 'latin1')).not.toContain(CANARY);
    }
    expect(await file().read('one')).toEqual({ token: CANARY });
  });

  it('share one key though several make it at once', async () => {
    const vaults = Array.from({ length: 8 }, file);
    await Promise.all(vaults.map((vault, index) => vault.write(`${index}`, { index })));
    expect(await file().list()).toHaveLength(8);
    expect(fs.readdirSync(place).filter((name) => name.startsWith('key'))).toEqual(['key']);
  });

  it('let one of several vaults do its job at a time', async () => {
    let running = 0;
    let most = 0;
    const job = async () => {
      most = Math.max(most, ++running);
      await systemClock.sleep(5);
      running -= 1;
    };
    await Promise.all(Array.from({ length: 6 }, () => file().alone('a', NEVER, job)));
    expect(most).toBe(1);
  });

  it('give up waiting for another one’s job where the caller does', async () => {
    let done = () => {};
    let begun = () => {};
    const begins = new Promise<void>((resolve) => (begun = resolve));
    const first = file().alone('a', NEVER, () => {
      begun();
      return new Promise<void>((resolve) => (done = resolve));
    });
    await begins;
    const leaving = new AbortController();
    const second = file().alone('a', leaving.signal, async () => 'late');
    leaving.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    done();
    await first;
  });

  it.each<[string, () => void]>([
    ['a truncated document', () => fs.truncateSync(path.join(place, files()[0] as string), 10)],
    ['an empty document', () => fs.truncateSync(path.join(place, files()[0] as string), 0)],
    ['garbage', () => fs.writeFileSync(path.join(place, files()[0] as string), '\0'.repeat(100))],
    ['another key', () => fs.writeFileSync(path.join(place, 'key'), 'x'.repeat(43))],
    ['an empty key', () => fs.truncateSync(path.join(place, 'key'), 0)],
  ])('take %s for none, say so, and hold the next one', async (_what, harm) => {
    await file().write('one', { token: 1 });
    harm();
    const vault = file();
    expect(await vault.read('one')).toBeUndefined();
    expect(signals.named('vault.unreadable')).not.toEqual([]);
    await vault.write('one', { token: 2 });
    expect(await file().read('one')).toEqual({ token: 2 });
  });

  it('don’t open a document under another one’s name', async () => {
    const vault = file();
    await vault.write('one', { token: 1 });
    const [first] = files();
    await vault.write('two', { token: 2 });
    const [second] = files().filter((name) => name !== first);
    fs.copyFileSync(path.join(place, first as string), path.join(place, second as string));
    expect(await vault.read('two')).toBeUndefined();
    expect(await vault.read('one')).toEqual({ token: 1 });
  });

  it('hold what the disk doesn’t take for as long as the process, and say so', async () => {
    fs.writeFileSync(place, 'a file where the folder should be');
    const vault = file();
    await expect(vault.alone('one', NEVER, () => vault.write('one', { token: 1 }))).resolves.toBeUndefined();
    expect(await vault.read('one')).toEqual({ token: 1 });
    expect(signals.named('vault.unwritable')).not.toEqual([]);
    expect(JSON.stringify(signals.emitted)).not.toContain('token');
  });
});
