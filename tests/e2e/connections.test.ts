import fs from 'node:fs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { RawClient, rawRequest } from '../helpers/raw.js';
import { json, sse, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

const call = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
const head = 'Host: localhost\r\nContent-Type: application/json\r\n';
let upstream: Upstream;
let drawbridge: Drawbridge;

beforeAll(async () => {
  upstream = await startUpstream(json({ tools: [] }));
  drawbridge = await startDrawbridge({ destinations: { a: { kind: 'http', url: upstream.url } } });
});

afterAll(async () => {
  await drawbridge.stop();
  await upstream.close();
});

beforeEach(() => {
  upstream.handler = json({ tools: [] });
  upstream.requests.length = 0;
});

function post(body: string, more = '', target = '/mcp/a'): Promise<{ status: number; body: Buffer }> {
  const bytes = `POST ${target} HTTP/1.1\r\n${head}${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  return rawRequest(drawbridge.port, bytes);
}

/** Resident memory of the process, in MiB. */
function residentMiB(): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${drawbridge.pid}/status`, 'utf8'));
  return Number(line?.[1]) / 1024;
}

describe('a connection that goes away', () => {
  it('lets go of every stream that was pipelined on it, not only of the one being answered', async () => {
    upstream.handler = sse([], { open: true });
    const socket = net.connect(drawbridge.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`GET /mcp/a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`.repeat(5));
    await upstream.arrived(5);
    socket.destroy();
    await Promise.all(upstream.requests.map((seen) => seen.closed));
    await drawbridge.record((record) => record.outcome === 'caller-left');
    const left = () => drawbridge.records().filter((record) => record.outcome === 'caller-left').length;
    for (let i = 0; i < 50 && left() < 5; i++) await delay(20);
    expect(left()).toBe(5);
  });
});

describe('a body in chunks of one byte', () => {
  it('costs no more memory than its bytes', async () => {
    const before = residentMiB();
    const text = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/list',
      params: { pad: 'x'.repeat(2_000_000) },
    });
    const client = await RawClient.open(drawbridge.port);
    client.send(`POST /mcp/a HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n`);
    const chunks = [...text].map((byte) => `1\r\n${byte}\r\n`);
    for (let i = 0; i < chunks.length; i += 50_000) client.send(chunks.slice(i, i + 50_000).join(''));
    client.send('0\r\n\r\n');
    expect((await client.answer({ timeoutMs: 20_000 })).status).toBe(200);
    expect(upstream.requests[0]?.body.length).toBe(text.length);
    expect(residentMiB() - before).toBeLessThan(150);
    client.destroy();
  });
});

describe('an upgrade', () => {
  it('to anything but WebSocket is an offer that is ignored', async () => {
    const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n';
    expect((await post(call, offer)).status).toBe(200);
    const probe = await rawRequest(drawbridge.port, `GET /health/live HTTP/1.1\r\nHost: localhost\r\n${offer}\r\n`);
    expect(probe.status).toBe(200);
    expect(upstream.requests).toHaveLength(1);
    expect(upstream.requests[0]?.header('http2-settings')).toBeUndefined();
  });

  it('that is refused does not hold its socket', async () => {
    const socket = net.connect({ port: drawbridge.port, host: '127.0.0.1', allowHalfOpen: true });
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n';
    socket.write(`GET /mcp/a HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n`);
    socket.resume();
    const cut = new Promise((resolve) => socket.once('error', resolve));
    await new Promise((resolve) => socket.once('end', resolve));
    // Past the time that a refusal lingers, the other side is gone: writing to it is answered by a reset.
    await delay(2500);
    const beat = setInterval(() => socket.write('x'), 50);
    await cut;
    clearInterval(beat);
  });
});

describe('a target in absolute form', () => {
  it('is taken, its authority standing for Host', async () => {
    expect((await post(call, '', 'http://127.0.0.1:9/mcp/a')).status).toBe(200);
    const foreign = await post(call, '', 'http://evil.example/mcp/a');
    expect([foreign.status, JSON.parse(String(foreign.body)).error.data.code]).toEqual([403, 'HOST_NOT_ALLOWED']);
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('a probe', () => {
  it('tells no page whose name was bent to this address what destinations there are', async () => {
    const ready = async (host: string) =>
      JSON.parse(
        String((await rawRequest(drawbridge.port, `GET /health/ready HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).body),
      );
    expect(await ready('localhost')).toMatchObject({ destinations: { a: { circuit: 'closed' } } });
    expect(await ready('evil.example')).toEqual({ status: 'ready' });
  });
});

describe('a request', () => {
  it('that names two media types is refused: each reader may believe another', async () => {
    expect((await post(call, 'Content-Type: text/plain\r\n')).status).toBe(415);
    expect(upstream.requests).toHaveLength(0);
  });

  it('with an id that a number cannot hold gets its error without one, not with another', async () => {
    const answer = await post('{"jsonrpc":"2.0","id":12345678901234567890,"method":"ping"}', '', '/mcp/nobody');
    expect(JSON.parse(String(answer.body))).not.toHaveProperty('id');
    upstream.handler = status(200, { 'content-type': 'application/json' }, '{}');
    expect((await post('{"jsonrpc":"2.0","id":12345678901234567890,"method":"ping"}')).status).toBe(200);
    expect(String(upstream.requests.at(-1)?.body)).toContain('12345678901234567890');
  });

  it('keeps its query as it was written', async () => {
    await post(call, '', '/mcp/a?flag&x=a%20b&y=%2F');
    expect(upstream.requests[0]?.url).toBe(`${new URL(upstream.url).pathname}?flag&x=a%20b&y=%2F`);
  });
});

describe('a caller that leaves while a call waits to be repeated', () => {
  it('is no failure of ours', async () => {
    upstream.handler = status(503, { 'Retry-After': '3' });
    const socket = net.connect(drawbridge.port, '127.0.0.1');
    socket.write(
      `POST /mcp/a HTTP/1.1\r\n${head}traceparent: 00-${'c'.repeat(32)}-${'d'.repeat(16)}-01\r\nContent-Length: ${call.length}\r\n\r\n${call}`,
    );
    await drawbridge.record((record) => record.signal === 'attempt.repeated');
    socket.destroy();
    expect(
      await drawbridge.record(({ signal, traceId }) => signal === 'exchange' && traceId === 'c'.repeat(32)),
    ).toMatchObject({
      outcome: 'caller-left',
      status: 499,
    });
    await delay(50);
    expect(drawbridge.records().filter((record) => record.signal === 'exchange.failed')).toEqual([]);
  });
});
