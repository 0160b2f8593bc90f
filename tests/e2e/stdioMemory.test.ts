import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { systemClock } from '../../src/core/async.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { isAlive, until } from '../helpers/alive.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSignals } from '../helpers/fakes.js';

/** Children that take more memory than they may, and children that keep dying: real processes, real bytes. */
const SERVER = fileURLToPath(new URL('../helpers/childServer.mjs', import.meta.url));

let drawbridge: Drawbridge | undefined;
let folder: string | undefined;
const clients: Client[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await drawbridge?.stop();
  drawbridge = undefined;
  if (folder) await rm(folder, { recursive: true, force: true });
});

async function connect(place = '/mcp/child', caller?: string) {
  const client = new Client({ name: 'test', version: '1' });
  const requestInit = caller === undefined ? {} : { headers: { 'x-api-key': caller } };
  const url = new URL(place, (drawbridge as Drawbridge).url);
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit }) as never);
  clients.push(client);
  const say = async (name: string, args: Record<string, unknown> = {}) => {
    const { content } = await client.callTool({ name, arguments: args });
    return (content as { text: string }[])[0]?.text ?? '';
  };
  return { say };
}

const signalled = (name: string) => (drawbridge as Drawbridge).record(({ signal }) => signal === name);

describe('a child that has more memory than it may', () => {
  it.each(['here', 'below', 'apart'])('%s is killed with all that it started, and its call told', async (where) => {
    const stdio = { kind: 'stdio', command: process.execPath, args: [SERVER], maxMemoryMiB: 200 };
    drawbridge = await startDrawbridge({ destinations: { child: stdio } });
    const [hungry, modest] = [await connect(), await connect()];
    const pids = [Number(await hungry.say('pid'))];
    await expect(hungry.say('eat', { mib: 200, where })).rejects.toThrow(/had \d+ MiB, and may have 200/);
    if (where !== 'here') {
      const { line } = await drawbridge.record(({ line: text }) => String(text).startsWith('eater'));
      pids.push(Number(String(line).split(' ')[1]));
    }
    await until(() => !pids.some(isAlive));
    const told = await signalled('child.too-large');
    expect(told).toMatchObject({ destination: 'child', pid: pids[0], maxMemoryMiB: 200 });
    expect(told.mib).toBeGreaterThan(200);
    expect(await signalled('child.stopped')).toMatchObject({ pid: pids[0], how: 'was killed for its memory' });
    await expect(hungry.say('pid')).rejects.toMatchObject({ code: 404 });
    expect(await modest.say('echo', { text: 'here' })).toBe('here');
    expect(await (await connect()).say('echo', { text: 'again' })).toBe('again');
  });

  it('is killed behind the sidecar, too, with the code of the table', async () => {
    const args = ['--insecure-no-auth', '--max-child-memory', '200', '--', process.execPath, SERVER];
    drawbridge = await startDrawbridge(null, { args });
    const { say } = await connect('/mcp');
    await expect(say('eat', { mib: 200 })).rejects.toThrow(/UPSTREAM_OUT_OF_MEMORY/);
  });
});

it('one caller whose calls kill its own children neither opens the circuit nor locks out another', async () => {
  const stdio = {
    kind: 'stdio',
    command: process.execPath,
    args: [SERVER],
    restart: { baseMs: 60_000, maxMs: 60_000 },
  };
  folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-memory-'));
  const keyFile = path.join(folder, 'keys.json');
  const ring = openKeyRing(keyFile, { clock: systemClock, signals: new FakeSignals() });
  const [{ key: eve }, { key: other }] = [await ring.create({ name: 'eve' }), await ring.create({ name: 'bob' })];
  drawbridge = await startDrawbridge({
    server: { keyFile },
    destinations: { child: stdio },
    identity: { keys: { kind: 'api-key' } },
    resilience: { retry: { attempts: 1 }, circuitBreaker: { failures: 2 } },
  });
  const bob = await connect('/mcp/child', other);
  for (let n = 0; n < 3; n++) await expect((await connect('/mcp/child', eve)).say('die')).rejects.toThrow();
  await until(() => (drawbridge as Drawbridge).records().filter(({ signal }) => signal === 'child.lost').length === 3);
  await expect(connect('/mcp/child', eve)).rejects.toThrow(/left alone/);
  expect(await bob.say('echo', { text: 'on' })).toBe('on');
  expect(await (await connect('/mcp/child', other)).say('echo', { text: 'new' })).toBe('new');
  expect(drawbridge.records().some(({ signal }) => signal === 'circuit.opened')).toBe(false);
});
