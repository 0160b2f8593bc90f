import { callTool, codeOf } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { RawClient, rawRequest } from '../helpers/raw.js';
import { hang, json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

describe('a process that has no room for more', () => {
  let upstream: Upstream;
  let drawbridge: Drawbridge | undefined;
  let clients: RawClient[];

  beforeEach(async () => {
    upstream = await startUpstream(hang());
    clients = [];
    drawbridge = undefined;
  });
  afterEach(async () => {
    for (const client of clients) client.destroy();
    await drawbridge?.stop('SIGKILL');
    await upstream.close();
  });

  const start = async (server: object, env: Record<string, string> = {}) => {
    drawbridge = await startDrawbridge(
      {
        server: { defaultDestination: 'up', drainMs: 100, ...server },
        destinations: { up: { kind: 'http', url: upstream.url } },
      },
      { env },
    );
    return drawbridge;
  };
  const body = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}';
  const post = (more = '') =>
    `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;
  /** A call that hangs. */
  const occupy = async (port: number, more?: string) => {
    const client = await RawClient.open(port);
    clients.push(client);
    client.send(post(more));
    return client;
  };

  it('tells a few callers past server.maxConnections, answers probes, drops the rest, and serves again', async () => {
    const { port, record, url, records } = await start({ maxConnections: 4 });
    for (let i = 0; i < 4; i++) await occupy(port);
    await upstream.arrived(4);

    const refusal = await rawRequest(port, post());
    expect([refusal.status, refusal.header('retry-after'), refusal.header('connection')]).toEqual([503, '1', 'close']);
    expect(JSON.parse(refusal.body.toString()).error.data.code).toBe('OVERLOADED');
    expect((await rawRequest(port, 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n')).status).toBe(200);
    expect((await rawRequest(port, 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n')).status).toBe(200);
    await record(({ signal }) => signal === 'server.full');
    expect(upstream.requests).toHaveLength(4);

    // Eight more are kept to be told; the next one isn't even that.
    const waiting = await Promise.all(Array.from({ length: 8 }, () => RawClient.open(port)));
    clients.push(...waiting);
    const dropped = await RawClient.open(port);
    await dropped.gone();

    for (const client of clients.splice(0)) client.destroy();
    await record(({ signal }) => signal === 'server.room');
    upstream.handler = json({ done: true });
    expect((await callTool(`${url}/mcp`, 'x')).status).toBe(200);
    expect(records().filter(({ signal }) => signal === 'server.full')).toHaveLength(1);
  });

  it('refuses calls while its heap is nearly full, lives on, and serves again', async () => {
    const { port, record, url } = await start({}, { NODE_OPTIONS: '--max-old-space-size=48' });
    // Each call's head stays in the heap for as long as it runs.
    const heavy = `X-Heavy: ${'h'.repeat(15_000)}\r\n`;
    const refused = () => clients.filter(({ pending }) => pending.includes('OVERLOADED'));
    const knock = async (times: number, enough: () => boolean) => {
      for (let i = 0; i < times && !enough(); i++) {
        await occupy(port, heavy);
        if (i % 25 === 24) await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    await knock(4000, () => refused().length > 0);
    // As many as would have ended the process by now.
    await knock(800, () => false);
    await record(({ signal }) => signal === 'memory.short');
    const answer = await refused()[0]?.answer();
    expect([answer?.status, answer?.header('retry-after')]).toEqual([503, '1']);
    expect(refused().length).toBeGreaterThan(10);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);

    for (const client of clients.splice(0)) client.destroy();
    upstream.handler = json({ done: true });
    const codes = new Set<string | undefined>();
    for (let i = 0; i < 200; i++) {
      const answer = await callTool(`${url}/mcp`, 'x');
      if (answer.status === 200) codes.add('served');
      else codes.add(codeOf(answer));
    }
    expect([...codes]).toContain('served');
    await record(({ signal }) => signal === 'memory.enough', 20_000);
    expect((await callTool(`${url}/mcp`, 'x')).status).toBe(200);
  }, 120_000);
});
