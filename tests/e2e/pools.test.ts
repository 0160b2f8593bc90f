import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { type LegacyMcp, startLegacyMcp } from '../bridge/legacyMcp.js';
import { call, callTool, codeOf } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { closesMidEvent, hang, json, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

/** Destinations with several URLs, through the real process, to servers that are killed, hung and slowed. */
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

async function upstreams(count: number): Promise<Upstream[]> {
  const made = await Promise.all(
    Array.from({ length: count }, (_, index) => startUpstream(json({ from: index, content: [] }))),
  );
  open.push(...made);
  return made;
}

async function drawbridge(destination: object, more: object = {}): Promise<Drawbridge> {
  const made = await startDrawbridge({ destinations: { ai: { kind: 'http', ...destination } }, ...more });
  open.push({ close: () => made.stop() });
  return made;
}

const urlsOf = (servers: readonly { readonly url: string | URL }[]) => servers.map(({ url }) => String(url));

describe('calls without a session', () => {
  it('are spread over all members', async () => {
    const servers = await upstreams(3);
    const { url } = await drawbridge({ urls: urlsOf(servers) });
    await Promise.all(Array.from({ length: 60 }, () => call(`${url}/mcp/ai`, 'tools/list')));
    for (const { requests } of servers) expect(requests.length).toBeGreaterThan(5);
  });

  it('are all served while one of three is killed, also those that must not be done twice', async () => {
    const servers = await upstreams(3);
    const at = await drawbridge({ urls: urlsOf(servers) });
    const failed: number[] = [];
    let done = 0;
    const caller = async () => {
      while (done < 200) {
        done += 1;
        if (done === 50) await servers[1]?.close();
        // Nothing reaches a server that is gone, so that even what isn't safe to repeat may go to another.
        const { status: code } = await callTool(`${at.url}/mcp/ai`, 'act');
        if (code !== 200) failed.push(code);
      }
    };
    await Promise.all(Array.from({ length: 4 }, caller));
    // A connection that broke under a call that was on its way is the one thing that nobody may repeat.
    expect(failed.length).toBeLessThanOrEqual(4);
    await at.record(({ signal }) => signal === 'pool.member-ejected');
    const before = servers[0]?.requests.length as number;
    await Promise.all(Array.from({ length: 20 }, () => call(`${at.url}/mcp/ai`, 'tools/list')));
    expect((servers[0] as Upstream).requests.length).toBeGreaterThan(before);
  });

  it('go on to another member when one is overloaded, and only those that are safe', async () => {
    const servers = await upstreams(2);
    for (const server of servers) server.handler = status(503, { 'retry-after': '60' });
    (servers[1] as Upstream).handler = json({ tools: [] });
    const { url } = await drawbridge({ urls: urlsOf(servers), pool: { ejection: { enabled: false } } });
    // As many as the budget of retries bears, should all of them meet the wrong one first.
    const answers = await Promise.all(Array.from({ length: 5 }, () => call(`${url}/mcp/ai`, 'tools/list')));
    expect(answers.map((answer) => answer.status)).toEqual(Array(5).fill(200));
    const acts = await Promise.all(Array.from({ length: 20 }, () => callTool(`${url}/mcp/ai`, 'act')));
    const codes = new Set(acts.map((answer) => answer.status));
    expect(codes).toEqual(new Set([200, 503]));
  });

  it('leave a member alone that hangs, and the destination stays open', async () => {
    const servers = await upstreams(2);
    (servers[0] as Upstream).handler = hang();
    const at = await drawbridge(
      { urls: urlsOf(servers), pool: { ejection: { failures: 2, baseMs: 60_000 } } },
      { resilience: { firstByteMs: 200, circuitBreaker: { failures: 2 } } },
    );
    for (let i = 0; i < 30; i++) await call(`${at.url}/mcp/ai`, 'tools/list');
    const hung = (servers[0] as Upstream).requests.length;
    expect(hung).toBe(2);
    expect((await call(`${at.url}/mcp/ai`, 'tools/list')).status).toBe(200);
    expect(at.records().some(({ signal }) => signal === 'circuit.opened')).toBe(false);
  });

  it('leave a member alone whose streams die', async () => {
    const servers = await upstreams(2);
    (servers[0] as Upstream).handler = closesMidEvent();
    const at = await drawbridge({ urls: urlsOf(servers), pool: { ejection: { failures: 2 } } });
    for (let i = 0; i < 40; i++) await call(`${at.url}/mcp/ai`, 'tools/list').catch(() => {});
    await at.record(({ signal }) => signal === 'pool.member-ejected');
  });

  it('open the breaker once every member fails', async () => {
    const servers = await upstreams(2);
    const at = await drawbridge(
      { urls: urlsOf(servers) },
      { resilience: { retry: { attempts: 2 }, circuitBreaker: { failures: 3, resetMs: 60_000 } } },
    );
    await Promise.all(servers.map((server) => server.close()));
    let last = await callTool(`${at.url}/mcp/ai`, 'act');
    for (let i = 0; i < 10 && codeOf(last) !== 'CIRCUIT_OPEN'; i++) last = await callTool(`${at.url}/mcp/ai`, 'act');
    expect(codeOf(last)).toBe('CIRCUIT_OPEN');
  });
});

it('a member that fails its checks is left out, and comes back', async () => {
  const servers = await upstreams(2);
  const sick = servers[0] as Upstream;
  const calls = () => sick.requests.filter(({ method, url }) => method === 'POST' && url === '/mcp').length;
  sick.handler = (seen, response, request) => {
    if (seen.url === '/live') response.writeHead(500).end();
    else return json({})(seen, response, request);
  };
  const healthCheck = { method: 'get', path: '/live', intervalMs: 100, failures: 2, successes: 2 };
  const at = await drawbridge({ urls: urlsOf(servers), pool: { healthCheck, slowStartMs: 0 } });
  await at.record(({ signal }) => signal === 'pool.member-unhealthy');
  const before = calls();
  for (let i = 0; i < 20; i++) await call(`${at.url}/mcp/ai`, 'tools/list');
  expect(calls()).toBe(before);
  sick.handler = json({});
  await at.record(({ signal }) => signal === 'pool.member-back');
  for (let i = 0; i < 20; i++) await call(`${at.url}/mcp/ai`, 'tools/list');
  expect(calls()).toBeGreaterThan(before);
});

it('a member whose origin the credential does not list is told before anybody calls', async () => {
  const servers = await upstreams(2);
  const credentials = { key: { kind: 'static', token: 'a-secret', origins: [servers[0]?.origin] } };
  const starting = drawbridge({ urls: urlsOf(servers), credential: 'key' }, { credentials });
  await expect(starting).rejects.toThrow(`does not list the origin ${servers[1]?.origin}`);
});

describe('sessions of 2025-11-25', () => {
  const SESSION_KEY = 'thirty-two characters and a few more';

  async function servers(): Promise<LegacyMcp[]> {
    const made = await Promise.all([startLegacyMcp(), startLegacyMcp(), startLegacyMcp()]);
    open.push(...made);
    return made;
  }

  async function connect(url: string): Promise<Client> {
    const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } });
    client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { name: 'Ada' } }));
    await client.connect(new StreamableHTTPClientTransport(new URL(url)) as Transport);
    open.push(client);
    return client;
  }

  const begin = (url: string, headers: Record<string, string> = {}) =>
    call(
      url,
      'initialize',
      { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
      headers,
    );

  it.each([['unknown callers', false] as const, ['known callers', true] as const])(
    'of %s stay with their member, in every process, streams included',
    async (_who, known) => {
      const members = await servers();
      const config = {
        server: { sessionKey: SESSION_KEY },
        ...(known ? { identity: { local: { kind: 'anonymous' } } } : {}),
      };
      const one = await drawbridge({ urls: urlsOf(members) }, config);
      const other = await drawbridge({ urls: urlsOf(members) }, config);
      const clients = await Promise.all(Array.from({ length: 9 }, () => connect(`${one.url}/mcp/ai`)));
      for (const client of clients) {
        // Asks the client back on its stream, which only the member can that has the session.
        const result = await client.callTool({ name: 'ask_form', arguments: {} });
        expect(JSON.stringify(result)).toContain('Ada');
      }
      expect(members.filter(({ log }) => log.opened.length > 0).length).toBeGreaterThan(1);

      const begun = await begin(`${one.url}/mcp/ai`);
      const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') as string };
      for (const at of [one, other, other, one, other]) {
        expect((await call(`${at.url}/mcp/ai`, 'tools/list', {}, session)).status).toBe(200);
      }
      const forged = { 'mcp-session-id': `${session['mcp-session-id'].slice(0, -4)}AAAA` };
      expect(codeOf(await call(`${other.url}/mcp/ai`, 'tools/list', {}, forged))).toBe('SESSION_LOST');
    },
  );

  it('are lost with their member, and begin anew at another one', async () => {
    const members = await servers();
    const at = await drawbridge({ urls: urlsOf(members) }, { resilience: { retry: { attempts: 1 } } });
    const url = `${at.url}/mcp/ai`;
    const begun = await begin(url);
    const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') as string };
    const home = members.find(({ log }) => log.opened.length > 0) as LegacyMcp;
    await home.close();
    const codes: unknown[] = [];
    for (let i = 0; i < 5; i++) codes.push((await call(url, 'tools/list', {}, session)).status);
    // A passing weakness costs no session; a member that is left out does.
    expect(codes).toEqual([502, 502, 502, 404, 404]);
    const anew = await begin(url);
    const next = { 'mcp-session-id': anew.headers.get('mcp-session-id') as string };
    expect((await call(url, 'tools/list', {}, next)).status).toBe(200);
  });

  it('that a bridge keeps for a caller of 2026-07-28 stay with one member', async () => {
    const members = await servers();
    const at = await drawbridge({ urls: urlsOf(members) });
    const client = new ModernClient({ name: 'test', version: '1' }, { capabilities: { elicitation: { form: {} } } });
    client.setRequestHandler('elicitation/create', async () => ({ action: 'accept', content: { name: 'Ada' } }));
    await client.connect(new ModernTransport(new URL(`${at.url}/mcp/ai`)));
    open.push(client);
    for (let i = 0; i < 3; i++) {
      expect(JSON.stringify(await client.callTool({ name: 'ask_form', arguments: {} }))).toContain('Ada');
    }
    expect(members.filter(({ log }) => log.opened.length > 0)).toHaveLength(1);
  });
});
