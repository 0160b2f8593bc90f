import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Drawbridge, runDrawbridge, startDrawbridge } from '../helpers/drawbridge.js';

const config = { destinations: { demo: { kind: 'demo' } } };

describe('--pid-file', () => {
  let folder: string;
  let file: string;
  let drawbridge: Drawbridge | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'pid-'));
    file = path.join(folder, 'drawbridge.pid');
    drawbridge = undefined;
  });
  afterEach(async () => {
    await drawbridge?.stop('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (...more: string[]) => {
    drawbridge = await startDrawbridge(config, { args: ['--pid-file', file, ...more] });
    // The log line of the listener comes before the file.
    await written();
    return drawbridge;
  };
  async function written(): Promise<void> {
    for (const deadline = Date.now() + 5000; Date.now() < deadline; ) {
      if ((await readdir(folder)).length === 1 && (await pid()) === drawbridge?.pid) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('there is no pid-file');
  }
  const pid = async () => Number(await readFile(file, 'utf8'));

  it('holds the number while it serves, alone in its folder, and is gone afterwards', async () => {
    const { stop } = await start();
    expect((await readdir(folder)).sort()).toEqual(['drawbridge.pid']);
    expect((await stop()).code).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is the one of the process that looks after the workers', async () => {
    const { stop, pid: supervisor } = await start('--workers', '2');
    expect(await pid()).toBe(supervisor);
    expect((await stop()).code).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses a second process, which starts nothing and leaves the file alone', async () => {
    const { pid: first } = await start();
    const second = await runDrawbridge(config, ['--port', '0', '--pid-file', file]);
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.stderr()).toBe(
      `process ${first} has the pid-file ${file}: stop that one first, or name another file\n`,
    );
    expect(await pid()).toBe(first);
  });

  it('takes over what a process left behind that was killed', async () => {
    const { stop } = await start();
    await stop('SIGKILL');
    expect(await readdir(folder)).toEqual(['drawbridge.pid']);
    await start();
  });

  it('is not kept from starting by a stranger who got the number of a process that is gone', async () => {
    const stranger = spawn('sleep', ['60']);
    await once(stranger, 'spawn');
    try {
      await writeFile(file, `${stranger.pid}\n`);
      const refused = await runDrawbridge(config, ['--port', '0', '--pid-file', file]);
      expect((await refused.exited).code).toBe(1);
      const dayBefore = new Date(Date.now() - 86_400_000);
      await utimes(file, dayBefore, dayBefore);
      await start();
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('ends with 1, and nothing left running, where the file cannot be written', async () => {
    const nowhere = path.join(folder, 'missing', 'x.pid');
    const run = await runDrawbridge(config, ['--port', '0', '--pid-file', nowhere]);
    expect(await run.exited).toEqual({ code: 1, signal: null });
    expect(run.stderr()).toContain('ENOENT');
  });
});
