import { writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { type Answer, call, codeOf, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { openSse } from '../helpers/sseReader.js';
import { type Handler, json, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

/** Servers of HTTP+SSE that don't do as they should, and what becomes of their callers. */
describe('a faulty HTTP+SSE server', () => {
  let server: Upstream;
  let elsewhere: Upstream;
  let drawbridge: Drawbridge;
  let stream: ServerResponse;
  /** What the server says before it says where messages go, and instead of its answers. */
  let first: () => string;
  let answer: (id: unknown, method: string) => string;

  const event = (message: object) => `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`;

  const behave: Handler = (seen, response) => {
    if (seen.method === 'GET') {
      stream = response;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(first());
      return;
    }
    const { id, method } = JSON.parse(seen.body.toString()) as { id?: unknown; method: string };
    response.writeHead(202).end('Accepted');
    if (id !== undefined) stream.write(method === 'initialize' ? event({ id, result: RESULT }) : answer(id, method));
  };

  beforeAll(async () => {
    [server, elsewhere] = await Promise.all([startUpstream(behave), startUpstream(json({}))]);
    drawbridge = await startDrawbridge({
      destinations: {
        old: { kind: 'sse', url: `${server.origin}/sse` },
        either: { kind: 'http', url: `${server.origin}/sse`, transport: 'http-first' },
        plain: { kind: 'http', url: elsewhere.url },
      },
      resilience: { circuitBreaker: { failures: 1000 } },
    });
  });
  beforeEach(() => {
    server.handler = behave;
    first = () => 'event: endpoint\ndata: /messages?sessionId=1\n\n';
    answer = (id) => event({ id, result: { done: true } });
  });
  afterAll(async () => {
    await drawbridge?.stop();
    await Promise.all([server?.close(), elsewhere?.close()]);
  });

  const at = (place: string) => new URL(place, drawbridge.url).href;
  const initialize = (place = '/mcp/old') => call(at(place), 'initialize', PARAMS);

  async function session(): Promise<Record<string, string>> {
    const { status: code, headers } = await initialize();
    expect(code).toBe(200);
    return { 'mcp-session-id': headers.get('mcp-session-id') as string };
  }

  const messagesIn = ({ text, headers }: Answer): unknown[] =>
    headers.get('content-type')?.startsWith('text/event-stream')
      ? [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string))
      : [JSON.parse(text)];

  it('that leads elsewhere is refused, and nothing goes there', async () => {
    for (const place of [elsewhere.url, elsewhere.url.replace('http:', ''), 'https://evil.example.com/m']) {
      first = () => `event: endpoint\ndata: ${place}\n\n`;
      const refused = await initialize();
      expect([refused.status, codeOf(refused)]).toEqual([502, 'UPSTREAM_GARBAGE']);
      await server.requests.at(-1)?.closed;
    }
    expect(elsewhere.requests).toEqual([]);
    expect(server.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  });

  it('that talks rubbish in between is understood all the same', async () => {
    const headers = await session();
    const rubbish = [
      'data: no json\n\n',
      'data: {"jsonrpc":"2.0"\n\n',
      'event: message\ndata: []\n\n',
      'data: null\n\n',
      `event: endpoint\ndata: ${elsewhere.url}\n\n`,
      'event: gossip\ndata: {"jsonrpc":"2.0","id":1,"result":{"wrong":true}}\n\n',
      ': a comment\n\n',
      event({ id: 'never asked', result: {} }),
      'id: 7\n\n',
      'retry: 1\n\n',
    ].join('');
    answer = (id) => rubbish + event({ id, result: { done: true } });
    const answered = await call(at('/mcp/old'), 'tools/list', {}, headers);
    expect(messagesIn(answered).at(-1)).toEqual({ jsonrpc: '2.0', id: 1, result: { done: true } });
    expect(elsewhere.requests).toEqual([]);
  });

  it('that sends more than anything honest, or breaks off, fails its calls and is begun anew', async () => {
    for (const fault of [() => `data: ${'x'.repeat(5 * 1024 * 1024)}\n\n`, () => `${stream.destroy() && ''}`]) {
      const headers = await session();
      answer = fault;
      const failed = await call(at('/mcp/old'), 'tools/call', { name: 'x' }, headers);
      expect(messagesIn(failed).at(-1)).toMatchObject({ id: 1, error: {} });
      answer = (id) => event({ id, result: { done: true } });
      const lost = await call(at('/mcp/old'), 'tools/list', {}, headers);
      expect(lost.status).toBe(404);
      const again = await call(at('/mcp/old'), 'tools/list', {}, await session());
      expect(messagesIn(again).at(-1)).toMatchObject({ result: { done: true } });
    }
  });

  it('whose caller lost patience is let go of', async () => {
    server.handler = (seen) => void seen;
    const before = server.requests.length;
    const leaving = new AbortController();
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: PARAMS });
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const asked = request(at('/mcp/old'), { method: 'POST', headers, body, signal: leaving.signal });
    const seen = await server.arrived(before + 1);
    leaving.abort();
    await expect(asked).rejects.toThrow();
    await seen.closed;
  });

  it('is no place to look for when the first answer is a 401, and its own challenge passes', async () => {
    const before = server.requests.length;
    server.handler = (seen, response, incoming) =>
      seen.method === 'POST'
        ? status(401, { 'www-authenticate': 'Bearer realm="old"' })(seen, response, incoming)
        : behave(seen, response, incoming);
    const refused = await initialize('/mcp/either');
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="old"']);
    expect(server.requests.slice(before).map(({ method }) => method)).toEqual(['POST']);
    server.handler = status(401, { 'www-authenticate': 'Bearer realm="old"' });
    const direct = await initialize();
    expect([direct.status, direct.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="old"']);
    const reader = await openSse(at('/sse/old'));
    const message = { jsonrpc: '2.0', id: 1, method: 'initialize', params: PARAMS };
    const posted = await request(at(reader.endpoint), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(message),
    });
    expect([posted.status, posted.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="old"']);
    expect(reader.messages).toEqual([]);
    await reader.close();
  });

  it('a session at the door goes on under a changed configuration', async () => {
    const reader = await openSse(at('/sse/plain'));
    const say = (id: number) =>
      request(at(reader.endpoint), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/list' }),
      });
    await say(1);
    expect(await reader.message()).toMatchObject({ id: 1 });
    const other = await startUpstream(json({ moved: true }));
    await writeFile(
      drawbridge.configFile,
      JSON.stringify({ destinations: { plain: { kind: 'http', url: other.url } } }),
    );
    await drawbridge.record(({ signal }) => signal === 'config.reloaded');
    await say(2);
    expect(await reader.message()).toMatchObject({ id: 2, result: { moved: true } });
    await reader.close();
    await other.close();
  });
});

const PARAMS = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
const RESULT = { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: { name: 'old', version: '1' } };
