import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { callTool } from '../helpers/calls.js';
import { type Drawbridge, runDrawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type FakeVault, startVault } from '../helpers/fakeManagers.js';
import { programNode } from '../helpers/programNode.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

const FIRST = 'canary-first-secret/+=';
const SECOND = 'canary-second-secret/+=';
const LOGIN = { appRole: { roleId: 'role', secretId: `\${SECRET_ID}` } };
const env = { SECRET_ID: 'secret-id' };

describe('a credential from a Vault', () => {
  let vault: FakeVault;
  let upstream: Upstream;
  let drawbridge: Drawbridge | undefined;

  beforeEach(async () => {
    vault = await startVault();
    vault.secrets.set('secret/team/jobs', { key: FIRST });
    upstream = await startUpstream(json({}));
  });
  afterEach(async () => {
    await drawbridge?.stop();
    drawbridge = undefined;
    await Promise.all([vault.close(), upstream.close()]);
  });

  const config = () => ({
    secrets: { vault: { kind: 'hashicorp-vault', url: vault.url, refreshMs: 1000, ...LOGIN } },
    destinations: { jobs: { kind: 'http', url: upstream.url, credential: 'jobs' } },
    credentials: { jobs: { kind: 'static', token: `\${vault:team/jobs#key}`, origins: [upstream.origin] } },
  });
  const shown = () => upstream.requests.at(-1)?.header('authorization');
  const signal = (name: string) => (record: Record<string, unknown>) => record.signal === name;

  it('is rotated without a restart, and outlives a Vault that is down; no log shows it', async () => {
    drawbridge = await startDrawbridge(config(), { env, args: ['--log-level', 'debug'] });
    const url = `${drawbridge.url}/mcp/jobs`;
    await callTool(url, 'echo');
    expect(shown()).toBe(`Bearer ${FIRST}`);

    vault.secrets.set('secret/team/jobs', { key: SECOND });
    await drawbridge.record(signal('config.reloaded'));
    await callTool(url, 'echo');
    expect(shown()).toBe(`Bearer ${SECOND}`);

    vault.fail(0);
    const lost = await drawbridge.record(signal('secrets.lost'), 15_000);
    expect(lost).toMatchObject({ level: 'warn', manager: 'vault', path: 'team/jobs' });
    expect((await callTool(url, 'echo')).status).toBe(200);
    expect(shown()).toBe(`Bearer ${SECOND}`);

    vault.fail(undefined);
    await drawbridge.record(signal('secrets.back'), 15_000);
    expect(drawbridge.records().filter(signal('config.reloaded'))).toHaveLength(1);
    const said = drawbridge.stderr() + drawbridge.stdout();
    expect(said.match(/canary|secret-id|login-1/g)).toBeNull();
  });

  it('is rotated under a stream that lives on', async () => {
    const streams: ServerResponse[] = [];
    upstream.handler = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"jsonrpc":"2.0","method":"notifications/message","params":{"n":1}}\n\n');
      streams.push(response);
    };
    drawbridge = await startDrawbridge(config(), { env });
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'slow' } });
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const answer = await fetch(`${drawbridge.url}/mcp/jobs`, { method: 'POST', headers, body });
    vault.secrets.set('secret/team/jobs', { key: SECOND });
    await drawbridge.record(signal('config.reloaded'));
    streams[0]?.end('data: {"jsonrpc":"2.0","id":1,"result":{"content":[]}}\n\n');
    const text = await answer.text();
    expect(text).toContain('"n":1');
    expect(text).toContain('"result"');
    expect(shown()).toBe(`Bearer ${FIRST}`);
  });

  it('is shown by no log, though the server that gets it writes it down', async () => {
    const program = 'console.error("got", encodeURIComponent(process.env.KEY)); process.stdin.resume()';
    const child = { kind: 'stdio', command: process.execPath, args: ['-e', program] };
    const destinations = { child: { ...child, env: { KEY: `\${vault:team/jobs#key}` } } };
    drawbridge = await startDrawbridge({ ...config(), destinations }, { env });
    const left = new AbortController();
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
    const post = { method: 'POST', headers, body, signal: left.signal };
    const answer = fetch(`${drawbridge.url}/mcp/child`, post).catch(() => undefined);
    const record = await drawbridge.record(signal('child.stderr'), 15_000);
    left.abort();
    await answer;
    expect(JSON.stringify(record)).toContain('got [redacted]');
    expect(drawbridge.stderr()).not.toContain('canary');
  });

  it('that becomes unusable changes nothing', async () => {
    drawbridge = await startDrawbridge(config(), { env });
    vault.secrets.set('secret/team/jobs', { other: 'x' });
    const { faults } = await drawbridge.record(signal('config.refused'));
    expect(faults).toContain('the secret has no field "key"');
    await callTool(`${drawbridge.url}/mcp/jobs`, 'echo');
    expect(shown()).toBe(`Bearer ${FIRST}`);
    vault.secrets.set('secret/team/jobs', { key: SECOND });
    await drawbridge.record(signal('config.reloaded'));
    await callTool(`${drawbridge.url}/mcp/jobs`, 'echo');
    expect(shown()).toBe(`Bearer ${SECOND}`);
  });

  it('that cannot be had at the start is a fault, which says what mends it', async () => {
    const run = await runDrawbridge(config(), [], { SECRET_ID: 'wrong' });
    expect((await run.exited).code).toBe(2);
    expect(run.stderr()).toContain(
      `credentials.jobs.token, line 23: \${vault:team/jobs#key}: Vault at ${vault.url} refused the login at auth/approle (400) (Check roleId and secretId`,
    );
  });

  it('is checked without being asked for, and with it', async () => {
    const secrets = { vault: { kind: 'hashicorp-vault', url: vault.url, ...LOGIN } };
    drawbridge = await startDrawbridge({ ...config(), secrets }, { env });
    const asked = vault.asked.length;
    const blind = await check(drawbridge, []);
    expect(blind.code).toBe(0);
    expect(blind.stderr).toContain(`\${vault:…} was not resolved (Say --resolve-secrets to ask for it.)`);
    expect(vault.asked.length).toBe(asked);
    const seeing = await check(drawbridge, ['--resolve-secrets']);
    expect(seeing).toEqual({ code: 0, stderr: '', stdout: expect.stringContaining('is valid') });
    vault.secrets.clear();
    expect((await check(drawbridge, ['--resolve-secrets'])).code).toBe(2);
  });
});

async function check({ configFile, folder }: Drawbridge, args: readonly string[]) {
  const program = ['bin/mcp-drawbridge.js', 'check', '-c', configFile, ...args];
  const child = spawn(programNode(), program, { env: { PATH: process.env.PATH ?? '', HOME: folder, ...env } });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (text) => {
      said[stream] += text;
    });
  }
  const [code] = await once(child, 'close');
  return { code: code as number, ...said };
}
