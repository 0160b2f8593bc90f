import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../src/core/async.js';
import { Seal } from '../../src/core/seal.js';
import { FileVault } from '../../src/stores/vault.js';
import { type SmallDisk, smallDisk, withoutDisks } from '../helpers/disks.js';
import { FakeSignals } from '../helpers/fakes.js';
import { tempFolder } from '../helpers/tempFolder.js';

const NEVER = new AbortController().signal;
const NOBODY = 65_534;
const asRoot = process.getuid?.() === 0 ? it : it.skip;

const folder = tempFolder('vault');
let signals: FakeSignals;
let place: string;
let count = 0;

beforeEach(() => {
  signals = new FakeSignals();
  count += 1;
  place = path.join(folder, `vault-${count}`);
});

const vault = () => new FileVault(place, { clock: systemClock, signals });
const keyFile = () => path.join(place, 'key');
const fileOf = (name: string) =>
  path.join(place, `${createHash('sha256').update(name).digest('hex').slice(0, 40)}.sealed`);
const reasons = (name: string) => [...new Set(signals.named(name).map(({ reason }) => reason))];

describe('a vault in which something is not as it should be', () => {
  it('takes a document of another version for none, and touches no other', async () => {
    await vault().write('one', { token: 1 });
    await vault().write('two', { token: 2 });
    const seal = new Seal(fs.readFileSync(keyFile(), 'utf8'));
    const text = JSON.stringify({ version: 2, name: 'one', document: { token: 'of tomorrow' } });
    fs.writeFileSync(fileOf('one'), seal.close(text, path.basename(fileOf('one'))));
    expect([await vault().read('one'), await vault().read('two')]).toEqual([undefined, { token: 2 }]);
    expect(reasons('vault.unreadable')).toEqual(['it is of version 2, and only version 1 is known']);
    expect((await vault().list()).map(({ name }) => name)).toEqual(['two']);
  });

  asRoot('neither uses nor replaces a key of somebody else', async () => {
    await vault().write('one', { token: 1 });
    const before = fs.readFileSync(keyFile(), 'utf8');
    fs.chownSync(keyFile(), NOBODY, NOBODY);
    const other = vault();
    expect(await other.read('one')).toBeUndefined();
    await other.write('two', { token: 2 });
    expect([await other.read('two'), fs.existsSync(fileOf('two'))]).toEqual([{ token: 2 }, false]);
    for (const name of ['vault.unreadable', 'vault.unwritable'])
      expect(reasons(name)).toEqual(['its key file belongs to somebody else']);
    expect(fs.readFileSync(keyFile(), 'utf8')).toBe(before);
    fs.chownSync(keyFile(), 0, 0);
    await other.close();
    expect([await vault().read('one'), await vault().read('two')]).toEqual([{ token: 1 }, { token: 2 }]);
  });

  asRoot('follows no link of somebody else to a key', async () => {
    fs.mkdirSync(place);
    const known = path.join(folder, `known-${count}`);
    fs.writeFileSync(known, 'a text of ours that everybody knows by heart');
    fs.symlinkSync(known, keyFile());
    fs.lchownSync(keyFile(), NOBODY, NOBODY);
    await vault().write('one', { token: 1 });
    expect(reasons('vault.unwritable')).toEqual(['its key file belongs to somebody else']);
  });

  it('serves where the folder, or the key in it, is a link of ours', async () => {
    const real = path.join(folder, `real-${count}`);
    fs.mkdirSync(real);
    fs.symlinkSync(real, place);
    await vault().write('one', { token: 1 });
    fs.renameSync(keyFile(), path.join(folder, `key-${count}`));
    fs.symlinkSync(path.join(folder, `key-${count}`), keyFile());
    expect(await vault().read('one')).toEqual({ token: 1 });
    expect(signals.emitted).toEqual([]);
  });

  it('replaces a link in the place of a document, not what it leads to', async () => {
    await vault().write('two', { token: 2 });
    const precious = path.join(folder, `precious-${count}`);
    fs.writeFileSync(precious, 'somebody’s file');
    fs.symlinkSync(precious, fileOf('one'));
    expect(await vault().read('one')).toBeUndefined();
    await vault().write('one', { token: 1 });
    expect([await vault().read('one'), fs.readFileSync(precious, 'utf8')]).toEqual([{ token: 1 }, 'somebody’s file']);
  });

  it.each<[string, (file: string) => void]>([
    ['a link that leads nowhere', (file) => fs.symlinkSync('/nowhere/at/all', file)],
    ['a folder', (file) => fs.mkdirSync(file)],
    ['a lock that a full disk cut short', (file) => fs.writeFileSync(file, '')],
  ])('takes %s for no lock that holds', async (_what, make) => {
    await vault().write('one', { token: 1 });
    const lock = `${fileOf('one')}.lock`;
    make(lock);
    const old = new Date(Date.now() - 60_000);
    if (!fs.lstatSync(lock).isSymbolicLink()) fs.utimesSync(lock, old, old);
    expect(await vault().alone('one', NEVER, async () => 'done')).toBe('done');
    expect(fs.readdirSync(place).filter((name) => name.includes('.lock'))).toEqual([]);
    expect(signals.emitted).toEqual([]);
  });

  it('waits for no pipe in the place of a document', async () => {
    await vault().write('two', { token: 2 });
    spawnSync('mkfifo', [fileOf('one')]);
    expect(await vault().read('one')).toBeUndefined();
    expect(reasons('vault.unreadable')).toEqual(['it is damaged, or sealed with another key']);
  });

  it('keeps in memory what goes in the place of a folder, and loses nothing else', async () => {
    await vault().write('two', { token: 2 });
    fs.mkdirSync(fileOf('one'));
    const one = vault();
    await one.write('one', { token: 1 });
    expect([await one.read('one'), await one.read('two')]).toEqual([{ token: 1 }, { token: 2 }]);
    expect(reasons('vault.unwritable')).toEqual(['EISDIR']);
  });
});

(withoutDisks ? describe.skip : describe)('a vault on a disk that takes nothing', () => {
  let disk: SmallDisk;

  beforeEach(() => {
    disk = smallDisk(place) as SmallDisk;
  });

  afterEach(() => disk.remove());

  it('keeps its tokens in memory while the disk is full, leaves the old ones whole, and writes them when there is room', async () => {
    await vault().write('one', { token: 1 });
    disk.fill();
    const full = vault();
    const big = { token: 2, more: 'x'.repeat(8000) };
    expect(await full.alone('one', NEVER, async () => full.write('one', big))).toBeUndefined();
    expect(reasons('vault.unwritable')).toEqual(['ENOSPC']);
    expect([await full.read('one'), await vault().read('one')]).toEqual([big, { token: 1 }]);
    expect(fs.readdirSync(place).sort()).toEqual([path.basename(fileOf('one')), 'filler', 'key'].sort());
    disk.makeRoom();
    await full.close();
    expect(await vault().read('one')).toEqual(big);
  });

  it('gives way to what another process wrote since', async () => {
    await vault().write('one', { token: 1 });
    disk.readOnly(true);
    const late = vault();
    await late.alone('one', NEVER, () => late.write('one', { token: 'late' }));
    expect([reasons('vault.unwritable'), await late.read('one')]).toEqual([['EROFS'], { token: 'late' }]);
    disk.readOnly(false);
    await vault().write('one', { token: 'newer' });
    expect(await late.read('one')).toEqual({ token: 'newer' });
    await late.close();
    expect(await vault().read('one')).toEqual({ token: 'newer' });
  });
});
