import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileWatcher } from '../../src/config/watcher.js';
import { sceneFolder } from './loadConfig.js';

/** Longer than a change takes to settle. */
const SETTLED_MS = 450;

describe('a watch', () => {
  let folder: string;
  let remove: () => void;
  let changes: number;
  let watcher: FileWatcher;
  const inFolder = (name: string) => path.join(folder, name);

  beforeEach(() => {
    ({ root: folder, remove } = sceneFolder());
    changes = 0;
    watcher = new FileWatcher(() => {
      changes += 1;
    });
    fs.writeFileSync(inFolder('config.json'), '{}');
  });
  afterEach(() => {
    watcher.close();
    remove();
  });

  it('sees a file that is written or replaced, once', async () => {
    watcher.watch([inFolder('config.json')]);
    fs.writeFileSync(inFolder('config.json'), '{ "a": 1 }');
    await sleep(SETTLED_MS);
    expect(changes).toBe(1);
    fs.writeFileSync(inFolder('new.json'), '{ "a": 2 }');
    fs.renameSync(inFolder('new.json'), inFolder('config.json'));
    await sleep(SETTLED_MS);
    expect(changes).toBe(2);
  });

  it('is not put off by a log file that keeps growing in the same folder', async () => {
    watcher.watch([inFolder('config.json')]);
    fs.writeFileSync(inFolder('config.json'), '{ "a": 1 }');
    for (let lines = 0; lines < 15 && changes === 0; lines++) {
      fs.appendFileSync(inFolder('proxy.log'), 'a line\n');
      await sleep(50);
    }
    expect(changes).toBe(1);
  });

  it('sees a link that is swapped above the file, and the next one', async () => {
    const swap = (version: string) => {
      fs.mkdirSync(inFolder(`${version}/deep`), { recursive: true });
      fs.writeFileSync(inFolder(`${version}/deep/key`), version);
      fs.symlinkSync(version, inFolder('..tmp'));
      fs.renameSync(inFolder('..tmp'), inFolder('..data'));
    };
    swap('v1');
    fs.symlinkSync('..data/deep', inFolder('deep'));
    watcher.watch([inFolder('deep/key')]);
    swap('v2');
    await sleep(SETTLED_MS);
    expect(changes).toBe(1);
    watcher.watch([inFolder('deep/key')]);
    swap('v3');
    await sleep(SETTLED_MS);
    expect(changes).toBe(2);
  });

  it('is not led in circles by links', async () => {
    fs.symlinkSync('round', inFolder('round'));
    watcher.watch([inFolder('round/file')]);
    fs.rmSync(inFolder('round'));
    fs.mkdirSync(inFolder('round'));
    fs.writeFileSync(inFolder('round/file'), '');
    await sleep(SETTLED_MS);
    expect(changes).toBe(1);
  });

  it('sees what is put into a folder, and the folder itself come', async () => {
    const keys = inFolder('service-keys');
    watcher.watch([keys]);
    fs.mkdirSync(keys);
    await sleep(SETTLED_MS);
    expect(changes).toBe(1);
    watcher.watch([keys]);
    fs.writeFileSync(path.join(keys, 'ai.json'), '{}');
    await sleep(SETTLED_MS);
    expect(changes).toBe(2);
    fs.appendFileSync(path.join(keys, 'ai.json'), ' ');
    await sleep(SETTLED_MS);
    expect(changes).toBe(2);
  });

  it('loses no change to a file while it is given further ones', async () => {
    watcher.watch([inFolder('config.json')]);
    fs.writeFileSync(inFolder('config.json'), '{ "a": 1 }');
    watcher.watch([inFolder('config.json'), inFolder('secret')]);
    await sleep(SETTLED_MS);
    expect(changes).toBe(1);
    fs.writeFileSync(inFolder('secret'), 'x');
    await sleep(SETTLED_MS);
    expect(changes).toBe(2);
  });
});
