import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { KeyRing } from '../../src/contracts/callers.js';
import { systemClock } from '../../src/core/async.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { call, callTool, request } from '../helpers/calls.js';
import { type Drawbridge, runDrawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSignals } from '../helpers/fakes.js';
import { type LegacyServer, startLegacyServer } from '../helpers/mcpServers.js';
import { json, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

const GOOD = json({ content: [] });

describe('/metrics', () => {
  let upstream: Upstream;
  let drawbridge: Drawbridge | undefined;
  let folder: string;
  let ring: KeyRing;

  beforeAll(async () => {
    upstream = await startUpstream(GOOD);
    folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-metrics-'));
    ring = openKeyRing(path.join(folder, 'keys.json'), { clock: systemClock, signals: new FakeSignals() });
  });
  afterEach(async () => {
    upstream.handler = GOOD;
    await drawbridge?.stop();
    drawbridge = undefined;
  });
  afterAll(async () => {
    await upstream?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (more: object = {}, args: string[] = []): Promise<Drawbridge> => {
    const destinations = { up: { kind: 'http', url: upstream.url, safeTools: ['echo'] } };
    drawbridge = await startDrawbridge({ destinations, ...more }, { args });
    return drawbridge;
  };
  const read = async (url: string, headers: Record<string, string> = {}) =>
    (await request(`${url}/metrics`, { headers })).text.split('\n');
  /** The samples of a metric without its name, sorted. */
  const of = (lines: readonly string[], name: string) =>
    lines.flatMap((line) => (line.startsWith(`${name}{`) ? [line.slice(name.length)] : [])).sort();

  it('tells of real calls by destination, method and tool', async () => {
    const server: LegacyServer = await startLegacyServer((token) => token === 'a-secret-token');
    const { url } = await start({
      destinations: { mcp: { kind: 'http', url: server.url, credential: 'fixed' } },
      credentials: { fixed: { kind: 'static', token: 'a-secret-token', origins: [new URL(server.url).origin] } },
    });
    const client = new Client({ name: 'c', version: '1' });
    try {
      await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp/mcp`)) as Transport);
      const { tools } = await client.listTools();
      const tool = tools.find(({ name }) => name === 'echo')?.name ?? 'echo';
      await client.callTool({ name: tool, arguments: { text: 'a secret argument' } });
      await client.callTool({ name: 'no-such-tool' }).catch(() => {});
      const lines = await read(url);
      expect(of(lines, 'mcp_server_operation_duration_seconds_count')).toEqual(
        expect.arrayContaining([
          '{destination="mcp",mcp_method_name="initialize"} 1',
          '{destination="mcp",mcp_method_name="tools/call"} 2',
          '{destination="mcp",mcp_method_name="tools/list"} 1',
        ]),
      );
      expect(of(lines, 'mcp_drawbridge_tool_calls_total')).toEqual([
        '{destination="mcp",gen_ai_tool_name="_OTHER",status="2xx"} 1',
        `{destination="mcp",gen_ai_tool_name="${tool}",status="2xx"} 1`,
      ]);
      expect(of(lines, 'mcp_drawbridge_streams')).toContain('{destination="mcp"} 1');
      expect(of(lines, 'mcp_drawbridge_tokens')).toEqual(['{credential="fixed"} 1']);
      const text = lines.join('\n');
      expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
      expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds [\d.e-]+$/m);
      expect(text).not.toMatch(/no-such-tool|a secret argument|a-secret-token/);
    } finally {
      await client.close();
      await server.close();
    }
  });

  it('tells of retries, of the breaker and of refusals', async () => {
    const { url } = await start({
      resilience: { retry: { attempts: 2, baseMs: 1 }, circuitBreaker: { failures: 2 } },
      quotas: { perCaller: '3/h' },
    });
    upstream.handler = status(503);
    for (let count = 0; count < 4; count += 1) await callTool(`${url}/mcp/up`, 'echo');
    const lines = await read(url);
    expect(of(lines, 'mcp_drawbridge_attempts_total')).toContain('{destination="up"} 4');
    expect(of(lines, 'mcp_drawbridge_retries_total')).toEqual(['{destination="up"} 1']);
    expect(of(lines, 'mcp_drawbridge_circuit_opened_total')).toEqual(['{destination="up"} 1']);
    expect(of(lines, 'mcp_drawbridge_circuit_state')).toContain('{destination="up",state="open"} 1');
    expect(of(lines, 'mcp_drawbridge_quota_refusals_total')).toEqual(['{destination="up",limit="perCaller"} 1']);
    expect(of(lines, 'mcp_drawbridge_errors_total')).toEqual([
      '{destination="up",error_type="CIRCUIT_OPEN"} 2',
      '{destination="up",error_type="QUOTA_EXCEEDED"} 1',
    ]);
  });

  it('tells of bytes, and of the processes behind a destination', async () => {
    const args = [fileURLToPath(new URL('../helpers/childServer.mjs', import.meta.url))];
    const { url } = await start({
      destinations: {
        up: { kind: 'http', url: upstream.url },
        child: { kind: 'stdio', command: process.execPath, args },
      },
    });
    await callTool(`${url}/mcp/up`, 'echo');
    const client = new Client({ name: 'c', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp/child`)) as Transport);
    const lines = await read(url);
    await client.close();
    const sizes = (name: string) => of(lines, name).filter((line) => line.includes('"up"'));
    expect(sizes('mcp_drawbridge_request_bytes_total')).toEqual(['{destination="up"} 86']);
    expect(sizes('mcp_drawbridge_response_bytes_total')).toEqual(['{destination="up"} 48']);
    expect(of(lines, 'mcp_drawbridge_children')).toEqual(['{destination="child"} 1', '{destination="up"} 0']);
  });

  it('speaks OpenMetrics to whoever asks for it, and takes GET only', async () => {
    const { url } = await start();
    const accept = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5';
    const open = await request(`${url}/metrics`, { headers: { accept } });
    expect(open.headers.get('content-type')).toContain('application/openmetrics-text');
    expect(open.text.endsWith('# EOF\n')).toBe(true);
    const plain = await request(`${url}/metrics`);
    expect(plain.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const posted = await request(`${url}/metrics`, { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect((await request(`${url}/metrics?x=1`)).status).toBe(200);
    expect((await request(`${url}/metrics/more`)).status).toBe(404);
  });

  it('is not there where it is switched off', async () => {
    const { url } = await start({ telemetry: { metrics: { enabled: false } } });
    expect((await request(`${url}/metrics`)).status).toBe(404);
  });

  it('is for this machine, or for whoever may read it, where callers are known', async () => {
    const key = async (role: string) => (await ring.create({ name: role, roles: [role] })).key;
    const [watcher, reader] = [await key('watcher'), await key('reader')];
    const roles = { watcher: { admin: ['admin/metrics/read'] }, reader: { allow: ['*/*'], admin: ['admin/keys/*'] } };
    const { url } = await start({
      server: { keyFile: path.join(folder, 'keys.json'), allowedHosts: ['localhost', '127.0.0.1', 'mcp.example.com'] },
      identity: { keys: { kind: 'api-key' } },
      permissions: { roles },
    });
    const foreign = { 'x-forwarded-for': '203.0.113.9' };
    const statusOf = async (headers: Record<string, string>) => (await request(`${url}/metrics`, { headers })).status;
    expect(await statusOf({})).toBe(200);
    const refused = await request(`${url}/metrics`, { headers: foreign });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('Bearer');
    expect(await statusOf({ ...foreign, authorization: 'Bearer made-up' })).toBe(401);
    expect(await statusOf({ ...foreign, authorization: `Bearer ${reader}` })).toBe(403);
    expect(await statusOf({ ...foreign, 'x-api-key': watcher })).toBe(200);
    expect(await statusOf({ origin: 'https://evil.example.com' })).toBe(403);
    const lines = await read(url);
    expect(of(lines, 'mcp_drawbridge_errors_total')).toContain('{destination="",error_type="CALLER_UNKNOWN"} 2');
    expect(lines.join('\n')).not.toMatch(/watcher|reader|203\.0\.113/);
  });

  it('stands on the listener of the management API where that has one, and not on the main port', async () => {
    const { url, ...running } = await start({ server: { admin: { host: '127.0.0.1', port: 0 } } });
    const listening = await running.record(({ signal }) => signal === 'admin.listening');
    expect((await request(`${url}/metrics`)).status).toBe(404);
    await call(`${url}/mcp/up`, 'ping');
    expect(of(await read(String(listening.url)), 'mcp_drawbridge_requests_total')).toHaveLength(2);
    expect((await request(`${listening.url}/admin/v1/keys`)).status).toBe(404);
  });

  it('is not served to other machines by a listener that knows nobody', async () => {
    const run = await runDrawbridge({ destinations: {}, server: { admin: { host: '0.0.0.0', port: 0 } } }, [
      '--port',
      '0',
    ]);
    expect((await run.exited).code).toBe(2);
    expect(run.stderr()).toContain('server.admin.host');
  });

  it('is of all workers, whichever is asked', async () => {
    const { url } = await start({}, ['--workers', '2']);
    const answers = await Promise.all(Array.from({ length: 40 }, () => callTool(`${url}/mcp/up`, 'echo')));
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200));
    for (let count = 0; count < 3; count += 1) {
      const lines = await read(url, { connection: 'close' });
      const calls = of(lines, 'mcp_server_operation_duration_seconds_count');
      expect(calls).toEqual(['{destination="up",mcp_method_name="tools/call"} 40']);
      expect(of(lines, 'mcp_drawbridge_circuit_state')).toContain('{destination="up",state="closed"} 2');
    }
  });
});
