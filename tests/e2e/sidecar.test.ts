import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { isAlive, until } from '../helpers/alive.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { programNode } from '../helpers/programNode.js';

/** `mcp-drawbridge serve -- command args…`: the server of one command, over HTTP. */
const PROGRAM = path.resolve('bin/mcp-drawbridge.js');
const EVERYTHING = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/dist/index.js');
const CHILD = fileURLToPath(new URL('../helpers/childServer.mjs', import.meta.url));

let drawbridge: Drawbridge | undefined;
afterEach(async () => {
  await drawbridge?.stop();
  drawbridge = undefined;
});

async function connect(origin: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', origin)) as never);
  return client;
}

async function textOf(client: Client, name: string, args: Record<string, unknown> = {}): Promise<string> {
  const { content } = await client.callTool({ name, arguments: args });
  return (content as { text: string }[])[0]?.text ?? '';
}

/** Processes that run this file as their script. */
async function running(script: string): Promise<number[]> {
  const said = await new Promise<string>((resolve) => {
    execFile('ps', ['-eo', 'pid=,ppid=,args='], (_error, stdout) => resolve(stdout));
  });
  const rows = said.split('\n').filter((line) => line.includes(` ${script}`) && !line.includes(PROGRAM));
  return rows.map((line) => Number(line.trim().split(/\s+/)[0]));
}

const behind = (...command: string[]) =>
  startDrawbridge(null, { args: ['--insecure-no-auth', '--', process.execPath, ...command] });

it('serves what the command starts, and its arguments reach it as they stand', async () => {
  drawbridge = await behind(EVERYTHING, 'stdio');
  const client = await connect(drawbridge.url);
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain('echo');
  expect(await textOf(client, 'echo', { message: '--url x' })).toBe('Echo: --url x');
  await client.close();
});

it('gives each session a child, and leaves none after a stop', async () => {
  drawbridge = await behind(CHILD, '--port', '1', '-c', 'nothing');
  const clients = await Promise.all([connect(drawbridge.url), connect(drawbridge.url)]);
  const own = await Promise.all(clients.map((client) => textOf(client, 'pid')));
  const families = await Promise.all(clients.map((client) => textOf(client, 'family')));
  const pids = [...own, ...families].map(Number);
  expect(new Set(pids).size).toBe(4);
  await Promise.all(clients.map((client) => client.close()));
  expect(await drawbridge.stop()).toEqual({ code: 0, signal: null });
  expect(pids.filter(isAlive)).toEqual([]);
});

it.each([
  ['server-everything', EVERYTHING, ['stdio']],
  ['a server that reads its stdin to the end', CHILD, []],
])('that is killed leaves nothing of %s: its stdin is closed', async (_what, script, args) => {
  const before = await running(script);
  drawbridge = await behind(script, ...args);
  const clients = await Promise.all([connect(drawbridge.url), connect(drawbridge.url)]);
  await Promise.all(clients.map((client) => client.listTools()));
  const pids = (await running(script)).filter((pid) => !before.includes(pid));
  expect(pids).toHaveLength(2);
  await Promise.all(clients.map((client) => client.close()));
  await drawbridge.stop('SIGKILL');
  await until(() => !pids.some(isAlive));
});

describe('on the command line', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'sidecar-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const start = (args: readonly string[]) =>
    spawn(programNode(), [PROGRAM, ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', HOME: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  async function run(...args: string[]): Promise<{ code: number; said: string }> {
    const program = start(args);
    let said = '';
    program.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    const [code] = (await once(program, 'close')) as [number];
    return { code, said };
  }

  it('is the default command as well', async () => {
    const options = ['--insecure-no-auth', '--port', '0', '--log-format', 'json'];
    const program = start([...options, '--', process.execPath, CHILD]);
    let said = '';
    program.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    try {
      await until(() => said.includes('"server.listening"') || program.exitCode !== null);
      const line = said.split('\n').find((text) => text.includes('"server.listening"')) ?? `no start: ${said}`;
      const client = await connect(new URL((JSON.parse(line) as { url: string }).url).origin);
      expect(await textOf(client, 'echo', { text: 'here' })).toBe('here');
      await client.close();
    } finally {
      program.kill('SIGTERM');
      await once(program, 'close');
    }
  });

  it('tells slips: a word before the dashes, a second server, nothing behind the dashes', async () => {
    const ends = await Promise.all([
      run('serve', 'foo'),
      run('serve', 'foo', '--', 'node', 'server.js'),
      run('serve', '--url', 'http://127.0.0.1:1/mcp', '--', 'node', 'server.js'),
      run('serve', '--destination', 'other', '--', 'node', 'server.js'),
      run('serve', '--'),
    ]);
    expect(ends.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2]);
    expect(ends.map(({ said }) => said)).toEqual([
      expect.stringMatching(/unexpected argument 'foo'.*behind --/),
      expect.stringMatching(/unexpected argument 'foo'.*behind --/),
      expect.stringMatching(/another server than the command behind --/),
      expect.stringMatching(/another server than the command behind --/),
      expect.stringMatching(/needs a command/),
    ]);
  });
});
