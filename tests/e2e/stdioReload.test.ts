import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { isAlive, until } from '../helpers/alive.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';

/** What a new configuration leaves as it is, and what it replaces. */
const SERVER = fileURLToPath(new URL('../helpers/childServer.mjs', import.meta.url));
const stdio = { kind: 'stdio', command: process.execPath, args: [SERVER], stopMs: 300 };
const server = { drainMs: 100 };
const secret = (value: string) => ({ ...stdio, env: { CHILD_SECRET: value } });

let drawbridge: Drawbridge;
afterEach(() => drawbridge?.stop());

async function connect(destination: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`/mcp/${destination}`, drawbridge.url)) as never);
  return client;
}

async function textOf(client: Client, name: string): Promise<string> {
  const { content } = await client.callTool({ name, arguments: {} });
  return (content as { text: string }[])[0]?.text ?? '';
}

const reloads = () => drawbridge.records().filter(({ signal }) => signal === 'config.reloaded').length;

async function reload(config: object): Promise<void> {
  const before = reloads();
  await writeFile(drawbridge.configFile, JSON.stringify({ server, ...config }, null, 2));
  process.kill(drawbridge.pid, 'SIGHUP');
  await until(() => reloads() > before);
}

it('keeps the session and the child of a destination that stayed the same, and replaces the one of one that changed', async () => {
  drawbridge = await startDrawbridge({ server, destinations: { same: stdio, changed: secret('old') } });
  const [same, changed] = [await connect('same'), await connect('changed')];
  const pids = [await textOf(same, 'pid'), await textOf(changed, 'pid')].map(Number);

  await reload({ destinations: { same: stdio, changed: secret('new'), added: stdio } });
  expect(Number(await textOf(same, 'pid'))).toBe(pids[0]);
  await until(() => !isAlive(Number(pids[1])));
  await expect(textOf(changed, 'pid')).rejects.toMatchObject({ code: 404 });
  const again = await connect('changed');
  expect(JSON.parse(await textOf(again, 'env'))).toMatchObject({ CHILD_SECRET: 'new' });

  // Twice, since what was taken over must be let go of as often as it was taken.
  await reload({ destinations: { same: stdio } });
  expect(Number(await textOf(same, 'pid'))).toBe(pids[0]);
  await reload({ destinations: { added: stdio } });
  await until(() => !isAlive(Number(pids[0])));
  await Promise.all([same, changed, again].map((client) => client.close()));
});

it('lets a federation that stayed the same find the member that changed', async () => {
  const all = { kind: 'federation', members: ['one', 'two'] };
  drawbridge = await startDrawbridge({ server, destinations: { one: stdio, two: secret('old'), all } });
  const before = await connect('all');
  await before.listTools();
  await reload({ destinations: { one: stdio, two: secret('new'), all } });
  const after = await connect('all');
  await expect(after.listTools()).resolves.toBeDefined();
  expect(JSON.parse(await textOf(after, 'two_env'))).toMatchObject({ CHILD_SECRET: 'new' });
  await Promise.all([before, after].map((client) => client.close()));
});
