import type { Attempt, Reply, Upstream } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { EitherUpstream } from '../../src/upstreams/sseFallback.js';
import { parseCall } from '../../src/wire/mcp.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';

/** An upstream that answers what it is told to, and counts. */
class Scripted implements Upstream {
  readonly name = 'old';
  readonly strategy = 'PROXY';
  readonly url = new URL('https://old.example.com/mcp');
  readonly allowedOrigins = [];
  readonly allowPrivate = false;
  readonly calls: string[] = [];
  closed = false;
  answer: Reply | GatewayError = reply(200);

  safeToRepeat = () => true;
  resolve = (base: URL) => base;

  async send(exchange: Parameters<Upstream['send']>[0]): Promise<Reply> {
    this.calls.push(exchange.call?.method ?? '');
    if (this.answer instanceof GatewayError) throw this.answer;
    return this.answer;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

function reply(status: number, body: object | string = ''): Reply {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const stream: Reply['body'] = (sink) => {
    sink.end(bytes);
    return { resume() {}, cancel() {} };
  };
  return { status, headers: [], body: stream, origin: 'upstream' };
}

const rpcError = (code: number) => ({ jsonrpc: '2.0', id: 1, error: { code, message: 'no' } });
const textOf = ({ body }: Reply) => (Buffer.isBuffer(body) ? body.toString() : 'a stream');

describe('an upstream whose transport nobody knows', () => {
  let http: Scripted;
  let sse: Scripted;
  let either: EitherUpstream;

  beforeEach(() => {
    http = new Scripted();
    sse = new Scripted();
    either = new EitherUpstream({ http, sse }, 'http');
  });

  const INITIALIZE = { method: 'initialize', params: { protocolVersion: '2025-11-25' } };

  function send(
    message: object = INITIALIZE,
    url = 'https://old.example.com/mcp',
    credential: string | undefined = undefined,
  ) {
    const inbound = fakeInbound('/mcp');
    const call = parseCall(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, ...message })), inbound);
    const route = { destination: 'old', upstream: either, url: new URL(url), publicOnly: false, credential };
    const attempt: Attempt = { number: 1, route, credential: undefined };
    return either.send(fakeExchange(inbound, { call, route }), attempt);
  }

  it.each([400, 404, 405])(
    'is tried over HTTP+SSE where an initialize is answered %s, and stays with it',
    async (code) => {
      http.answer = reply(code, 'Cannot POST');
      expect((await send()).status).toBe(200);
      await send({ method: 'tools/list' });
      await send();
      expect(http.calls).toEqual(['initialize']);
      expect(sse.calls).toEqual(['initialize', 'tools/list', 'initialize']);
    },
  );

  it.each([401, 403, 429, 500, 502, 503, 504])('takes %s for no evidence', async (code) => {
    http.answer = reply(code);
    expect((await send()).status).toBe(code);
    expect(sse.calls).toEqual([]);
  });

  it.each([
    [400, -32_022],
    [400, -32_602],
    [404, -32_601],
    [400, -32_020],
  ])('takes a %s with the error %s of a modern server for none, and passes it as it is', async (status, code) => {
    http.answer = reply(status, rpcError(code));
    const answer = await send();
    expect(answer.status).toBe(status);
    expect(JSON.parse(textOf(answer))).toEqual(rpcError(code));
    expect(sse.calls).toEqual([]);
  });

  it('takes an error of the old ones for some, and any 405', async () => {
    http.answer = reply(400, rpcError(-32_000));
    await send();
    http.answer = reply(405, rpcError(-32_601));
    await send(INITIALIZE, 'https://old.example.com/other');
    expect(sse.calls).toHaveLength(2);
  });

  it('learns nothing from any other method, nor from an initialize that was not understood', async () => {
    http.answer = reply(404);
    expect((await send({ method: 'tools/list' })).status).toBe(404);
    const meta = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } };
    expect((await send({ method: 'initialize', params: meta })).status).toBe(404);
    expect(sse.calls).toEqual([]);
  });

  it('lets the first answer stand where neither is spoken', async () => {
    http.answer = reply(404, 'nothing here');
    for (const answer of [reply(404), reply(500), new GatewayError('UPSTREAM_GARBAGE', 'no stream')]) {
      sse.answer = answer;
      const passed = await send();
      expect([passed.status, textOf(passed)]).toEqual([404, 'nothing here']);
    }
    expect(http.calls).toHaveLength(3);
  });

  it('passes a refused GET, so that it can be tried with a fresh credential', async () => {
    http.answer = reply(405);
    sse.answer = reply(401);
    expect((await send()).status).toBe(401);
    sse.answer = reply(200);
    expect((await send()).status).toBe(200);
    expect(http.calls).toHaveLength(2);
  });

  it('forgets what is contradicted', async () => {
    http.answer = reply(404);
    await send();
    http.answer = reply(200);
    sse.answer = reply(405);
    expect((await send()).status).toBe(200);
    await send({ method: 'tools/list' });
    expect(http.calls).toEqual(['initialize', 'initialize', 'tools/list']);
  });

  it('keeps what it knows of a place and a credential apart from all others', async () => {
    http.answer = reply(404);
    await send(INITIALIZE, 'https://old.example.com/mcp?team=blue', 'blue');
    await send(INITIALIZE, 'https://old.example.com/mcp?team=red', 'blue');
    expect(http.calls).toHaveLength(1);
    await send(INITIALIZE, 'https://old.example.com/mcp', 'red');
    await send(INITIALIZE, 'https://old.example.com/other', 'blue');
    expect(http.calls).toHaveLength(3);
  });

  it("takes what is no such stream for evidence, and what can't be reached for none", async () => {
    either = new EitherUpstream({ http, sse }, 'sse');
    sse.answer = new GatewayError('UPSTREAM_UNREACHABLE', 'nobody there', { neverSent: true });
    await expect(send()).rejects.toBe(sse.answer);
    http.answer = reply(404);
    sse.answer = new GatewayError('UPSTREAM_TIMEOUT', 'no endpoint');
    await expect(send()).rejects.toBe(sse.answer);
    http.answer = reply(200);
    sse.answer = new GatewayError('UPSTREAM_GARBAGE', 'no stream');
    expect((await send()).status).toBe(200);
    expect(http.calls).toHaveLength(2);
  });

  it('begins with the other one where it is told to', async () => {
    either = new EitherUpstream({ http, sse }, 'sse');
    sse.answer = reply(406);
    await send();
    expect([sse.calls, http.calls]).toEqual([['initialize'], ['initialize']]);
    await send();
    expect(http.calls).toHaveLength(2);
    await either.close();
    expect([http.closed, sse.closed]).toEqual([true, true]);
  });
});
