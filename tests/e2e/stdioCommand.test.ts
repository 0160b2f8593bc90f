import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LegacyServer, startLegacyServer } from '../helpers/mcpServers.js';
import {
  INITIALIZE,
  INITIALIZED,
  type StdioProgram,
  startStdioProgram,
  stdioCommand,
  until,
} from '../helpers/stdioProgram.js';

const tokens: string[] = [];
const HEADER = ['--header', 'Authorization: Bearer t'];
let server: LegacyServer;
let folder: string;
let program: StdioProgram | undefined;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'stdio-command-'));
  server = await startLegacyServer((token) => {
    tokens.push(token);
    return token !== 'wrong';
  });
});
afterEach(() => {
  program?.child.kill('SIGKILL');
  program = undefined;
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  program = startStdioProgram(args, env);
  return program;
};
const call = (id: number, name: string, args: object = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

describe('what comes on stdin', () => {
  it('answers what is no message with an error that has no id, and goes on', async () => {
    const { say, answer, lines, child, exited, stderr } = start([server.url, ...HEADER]);
    say(
      'this is no JSON',
      '{"jsonrpc":"2.0"}',
      '',
      '{"id":1,',
      INITIALIZE,
      INITIALIZED,
      call(1, 'echo', { text: 'fine' }),
    );
    expect(await answer(1)).toMatchObject({ result: { content: [{ text: 'fine' }] } });
    const codes = lines().map((line) => (JSON.parse(line) as { error?: { code: number } }).error?.code);
    expect(codes.slice(0, 3)).toEqual([-32700, -32600, -32700]);
    child.stdin?.end();
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(stderr()).toBe('');
  });

  it('answers what was asked before the end of stdin, ends the session, and ends with 0', async () => {
    const before = server.sessions.ended.length;
    const { say, child, exited, lines } = start([server.url, ...HEADER]);
    say(INITIALIZE, INITIALIZED, call(1, 'drop'));
    child.stdin?.end();
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(lines().map((line) => (JSON.parse(line) as { id?: unknown }).id)).toEqual(['first', 1]);
    expect(server.sessions.ended).toHaveLength(before + 1);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 on %s, whatever is under way', async (signal) => {
    const { running } = server.waiting;
    const { say, child, exited, answer } = start([server.url, ...HEADER]);
    say(INITIALIZE, INITIALIZED, call(1, 'wait'));
    await answer('first');
    await until(() => server.waiting.running === running + 1);
    child.kill(signal);
    expect(await exited).toEqual({ code: 0, signal: null });
    await until(() => server.waiting.running === running);
  });

  it('ends, and its session with it, when its client is killed', async () => {
    const before = server.sessions.ended.length;
    const { command, args, cwd, env } = stdioCommand([server.url, ...HEADER]);
    const script = `const {spawn}=require('node:child_process');const c=spawn(process.argv[1],process.argv.slice(2),{stdio:['pipe','pipe','inherit']});
      c.stdin.write(${JSON.stringify(`${JSON.stringify(INITIALIZE)}\n`)});c.stdout.once('data',()=>console.log(c.pid));`;
    const client = spawn(command, ['-e', script, command, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'ignore'] });
    const [said] = (await once(client.stdout, 'data')) as [Buffer];
    const pid = Number(said.toString());
    client.kill('SIGKILL');
    await until(() => !isAlive(pid));
    expect(server.sessions.ended).toHaveLength(before + 1);
  });
});

describe('what is said on the command line', () => {
  it('fills in headers from the environment and a file, and tells what is missing', async () => {
    const file = path.join(folder, 'headers');
    await writeFile(file, '# comment\nAuthorization: Bearer $' + '{FROM_FILE}\n');
    const given = ['--header-file', file, '--header', 'X-Gone: $' + '{NOBODY_SET_THIS}'];
    const { say, answer, stderr } = start([server.url, ...given], { FROM_FILE: 'from-file' });
    say(INITIALIZE);
    await answer('first');
    expect(tokens.at(-1)).toBe('from-file');
    expect(stderr()).toContain('NOBODY_SET_THIS is not set');
    expect(stderr()).not.toMatch(/error/i);
  });

  it('hides tools, and refuses their calls', async () => {
    const { say, answer } = start([server.url, ...HEADER, '--ignore-tool', 'ASK_*', '--ignore-tool', 'wait']);
    say(
      INITIALIZE,
      INITIALIZED,
      { jsonrpc: '2.0', id: 1, method: 'tools/list' },
      call(2, 'Ask_user'),
      call(3, 'echo', { text: 'ok' }),
    );
    const { result } = (await answer(1)) as { result: { tools: { name: string }[] } };
    expect(result.tools.map(({ name }) => name)).toEqual(['echo', 'count', 'drop', 'touch']);
    expect(await answer(2)).toMatchObject({ error: { code: -32603 } });
    expect(await answer(3)).toMatchObject({ result: { content: [{ text: 'ok' }] } });
  });

  it('says what to do where the server wants to know who calls', async () => {
    const { say, answer } = start([server.url, '--header', 'Authorization: Bearer wrong']);
    say(INITIALIZE);
    const { error } = (await answer('first')) as { error: { message: string; data: { code: string; hint: string } } };
    expect(error.message).toBe('the server answered HTTP 401');
    expect(error.data.code).toBe('UPSTREAM_REFUSED');
    expect(error.data.hint).toContain('mcp-drawbridge login');
  });

  it("takes mcp-remote's options, and says once which have no effect", async () => {
    const client = ['--static-oauth-client-info', '{"client_id":"known"}', '--host', 'localhost'];
    const login = ['3334', '--resource', 'https://r', '--auth-timeout', '60', ...client];
    const { say, answer, stderr } = start([server.url, ...login, '--device-code', '--keep-alive', ...HEADER]);
    say(INITIALIZE);
    await answer('first');
    expect(stderr().trim().split('\n')).toHaveLength(1);
    expect(stderr()).toContain('--device-code, --keep-alive: no effect');
  });

  it('takes the one destination of a configuration', async () => {
    const config = path.join(folder, 'config.json');
    const destinations = { here: { kind: 'http', url: server.url, headers: { authorization: 'Bearer from-config' } } };
    await writeFile(config, JSON.stringify({ destinations, identity: { keys: { kind: 'api-key' } } }));
    const { say, answer } = start(['-c', config]);
    say(INITIALIZE);
    await answer('first');
    expect(tokens.at(-1)).toBe('from-config');
  });

  it.each([
    ['an unknown option', ['https://a.example', '--what'], 'unknown option'],
    ['a transport that nobody knows', ['https://a.example', '--transport', 'pigeon'], 'Allowed choices'],
    ['plain http towards another machine', ['http://a.example/mcp'], '--allow-http'],
    ['a file that is not there', ['https://a.example', '--header-file', '/nowhere'], "can't be read"],
    ['no URL at all', [], 'no configuration was found'],
    ['a URL that is none', ['nonsense'], 'absolute http or https URL'],
  ])('ends with 2 for %s', async (_, args, expected) => {
    const { exited, stderr, lines } = start(args);
    expect(await exited).toEqual({ code: 2, signal: null });
    expect(stderr()).toContain(expected);
    expect(lines()).toEqual([]);
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
