import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf } from '../helpers/alive.js';
import { callTool } from '../helpers/calls.js';
import { type Drawbridge, runDrawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

const WORKERS = 2;

describe('--workers', () => {
  let upstream: Upstream;
  let drawbridge: Drawbridge;
  const config = () => ({
    server: { defaultDestination: 'up', drainMs: 5000 },
    destinations: { up: { kind: 'http', url: upstream.url } },
  });

  beforeAll(async () => {
    upstream = await startUpstream(json({ done: true }));
  });
  beforeEach(async () => {
    upstream.handler = json({ done: true });
    drawbridge = await startDrawbridge(config(), { args: ['--workers', String(WORKERS)] });
  });
  afterEach(async () => {
    await drawbridge?.stop('SIGTERM');
  });
  afterAll(async () => {
    await upstream?.close();
  });

  /** How many processes served what many connections asked; request ids begin with their process. */
  async function processesThatServed(connections: number): Promise<number> {
    const answers = await Promise.all(
      Array.from({ length: connections }, () => callTool(`${drawbridge.url}/mcp`, 'echo')),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const accessed = () => drawbridge.records().filter(({ signal }) => signal === 'exchange');
    await until(() => accessed().length >= connections);
    return new Set(accessed().map(({ requestId }) => String(requestId).split('-', 1)[0])).size;
  }

  it('serves one port from several processes, and says so once', async () => {
    expect(await processesThatServed(20)).toBe(WORKERS);
    const listening = drawbridge.records().filter(({ signal }) => signal === 'server.listening');
    expect(listening).toEqual([expect.objectContaining({ workers: WORKERS, url: drawbridge.url })]);
  });

  it('replaces a process that dies', async () => {
    const [victim] = childrenOf(drawbridge.pid);
    process.kill(victim as number, 'SIGKILL');
    await drawbridge.record(({ signal, worker }) => signal === 'worker.lost' && worker === victim);
    await until(() => childrenOf(drawbridge.pid).length === WORKERS);
    expect(childrenOf(drawbridge.pid)).not.toContain(victim);
    expect((await callTool(`${drawbridge.url}/mcp`, 'echo')).status).toBe(200);
  });

  it('lets running calls finish when it is told to stop, and ends with 0', async () => {
    let finish = () => {};
    upstream.handler = (seen, response, incoming) => {
      finish = () => void json({ late: true })(seen, response, incoming);
    };
    const before = upstream.requests.length;
    const running = callTool(`${drawbridge.url}/mcp`, 'slow');
    await upstream.arrived(before + 1);
    const exited = drawbridge.stop('SIGTERM');
    await drawbridge.record(({ signal }) => signal === 'server.draining');
    finish();
    expect((await running).text).toContain('"late":true');
    expect(await exited).toEqual({ code: 0, signal: null });
  });

  it('reloads every process on SIGHUP', async () => {
    process.kill(drawbridge.pid, 'SIGHUP');
    const reloaded = () => drawbridge.records().filter(({ signal }) => signal === 'config.reloaded').length;
    await until(() => reloaded() === WORKERS);
    expect(reloaded()).toBe(WORKERS);
  });

  it('leaves no process behind when it is killed itself', async () => {
    const workers = childrenOf(drawbridge.pid);
    expect(workers).toHaveLength(WORKERS);
    await drawbridge.stop('SIGKILL');
    await until(() => !workers.some(isAlive));
    expect(workers.filter(isAlive)).toEqual([]);
  });

  it.each(['0', '-1', 'many', '1.5', '999'])('refuses %s', async (value) => {
    const run = await runDrawbridge(config(), [`--workers=${value}`]);
    expect((await run.exited).code).toBe(2);
    expect(run.stderr()).toContain('a number from 1 to 256, or auto');
  });

  it('says once that the port is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const run = await runDrawbridge(config(), ['--workers', '3', '--port', String(port)]);
    expect((await run.exited).code).toBe(1);
    expect(run.stderr().match(/the port is in use/g)).toHaveLength(1);
    taken.close();
  });
});

/** Waits for at most ten seconds; the assertion behind it tells what was waited for. */
async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds() && Date.now() < deadline) await sleep(20);
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
