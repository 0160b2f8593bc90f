import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../../src/core/async.js';
import { FileLock, LockHeld } from '../../src/stores/fileLock.js';

const WANTING = 12;
const TIMES = 40;
/** Looks again soon, so that many meet. */
const EAGER = { ...systemClock, random: () => -0.9 };

describe('a lock', () => {
  let folder: string;
  let file: string;

  beforeEach(async () => {
    folder = await fs.mkdtemp(path.join(os.tmpdir(), 'lock-'));
    file = path.join(folder, 'lock');
  });
  afterEach(() => fs.rm(folder, { recursive: true }));

  /** How many held it at the same time, at the most. */
  async function most(leave: (lock: FileLock, time: number) => Promise<unknown>): Promise<number> {
    let inside = 0;
    let seen = 0;
    const want = async () => {
      for (let time = 0; time < TIMES; time++) {
        const lock = await FileLock.wait(file, EAGER, 20_000);
        inside += 1;
        seen = Math.max(seen, inside);
        await turn();
        inside -= 1;
        await leave(lock, time);
      }
    };
    await Promise.all(Array.from({ length: WANTING }, want));
    return seen;
  }

  it('is held by one at a time, and leaves nothing behind', async () => {
    expect(await most((lock) => lock.release())).toBe(1);
    expect(await fs.readdir(folder)).toEqual([]);
  });

  it('of a process that died is taken over by one, however many find it', async () => {
    const gone = spawnSync('true').pid;
    const dead = JSON.stringify({ pid: gone, host: os.hostname(), started: '1', token: 'x' });
    const die = (lock: FileLock, time: number) => (time % 3 === 0 ? fs.writeFile(file, dead) : lock.release());
    expect(await most(die)).toBe(1);
  });

  it('is taken over though a process died while it took one over', async () => {
    const dead = JSON.stringify({ pid: spawnSync('true').pid, host: os.hostname(), started: '1', token: 'x' });
    await fs.writeFile(file, dead);
    await fs.writeFile(`${file}.stale`, dead);
    await (await FileLock.wait(file, EAGER, 5_000)).release();
    expect(await fs.readdir(folder)).toEqual([]);
  });

  it('that says nothing yet is somebody’s, for as long as it takes to say it', async () => {
    await fs.writeFile(file, '');
    await expect(FileLock.take(file, systemClock)).rejects.toThrow(LockHeld);
    const later = { now: () => Date.now() + 6_000 };
    await (await FileLock.take(file, later)).release();
  });
});
