import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { RawClient } from '../helpers/raw.js';
import {
  closesMidEvent,
  type Handler,
  hang,
  json,
  sse,
  startUpstream,
  type Upstream,
} from '../helpers/upstreamFixture.js';
import { call, get, post } from './requests.js';

const MIB = 1024 * 1024;
/** Shorter than any pause that a reader makes below: a slow reader is no silent upstream. */
const IDLE_MS = 300;

/** Answers under way: large ones, broken ones, silent ones, and callers that leave. */
let upstream: Upstream;
let drawbridge: Drawbridge;

beforeAll(async () => {
  upstream = await startUpstream(json({ ok: true }));
  drawbridge = await startDrawbridge({
    server: { defaultDestination: 'tools' },
    destinations: { tools: { kind: 'http', url: upstream.url } },
    resilience: { idleMs: IDLE_MS, circuitBreaker: { failures: 1000 } },
  });
});

beforeEach(() => {
  upstream.requests.length = 0;
});

afterAll(async () => {
  await drawbridge?.stop();
  await upstream?.close();
});

/** Opens a connection and calls; `handler` answers. */
async function begin(handler: Handler, bytes: Buffer = post('/mcp', call(1))): Promise<RawClient> {
  upstream.handler = handler;
  const client = await RawClient.open(drawbridge.port);
  client.send(bytes);
  return client;
}

describe('a large answer', () => {
  const chunk = Buffer.from(Array.from({ length: MIB }, (_, index) => index % 251));
  const CHUNKS = 100;

  it('streams through at its reader’s pace, pauses longer than idleMs included, and is never held whole', async () => {
    let written = 0;
    upstream.handler = async (_seen, response) => {
      response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': CHUNKS * MIB });
      for (; written < CHUNKS; written += 1) if (!response.write(chunk)) await once(response, 'drain');
      response.end();
    };
    const idle = await memory();
    const answer = await request();
    answer.pause();
    await sleep(500);
    const ahead = written;
    await sleep(500);
    // What the kernel's buffers hold on two hops, and no more.
    expect(written).toBe(ahead);
    expect(ahead).toBeLessThan(CHUNKS / 4);

    const hash = createHash('sha256');
    let peak = 0;
    let size = 0;
    for await (const part of answer as AsyncIterable<Buffer>) {
      hash.update(part);
      const before = size;
      size += part.length;
      if (Math.floor(size / (10 * MIB)) > Math.floor(before / (10 * MIB))) peak = Math.max(peak, await memory());
    }
    expect(size).toBe(CHUNKS * MIB);
    expect(hash.digest('hex')).toBe(hashOf(chunk, CHUNKS));
    expect(peak - idle).toBeLessThan(80 * MIB);
  });

  function request(): Promise<http.IncomingMessage> {
    const headers = { Host: 'localhost', 'Content-Type': 'application/json' };
    const options = { port: drawbridge.port, path: '/mcp', method: 'POST', headers, agent: false };
    return new Promise((resolve, reject) => http.request(options, resolve).on('error', reject).end(call(1)));
  }

  /** Bytes of the proxy's process that are in memory. */
  async function memory(): Promise<number> {
    const status = await readFile(`/proc/${drawbridge.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  function hashOf(part: Buffer, times: number): string {
    const hash = createHash('sha256');
    for (let i = 0; i < times; i += 1) hash.update(part);
    return hash.digest('hex');
  }
});

describe('an answer that breaks off', () => {
  it('within an event: what came is passed, and no end pretends to be one', async () => {
    const client = await begin(closesMidEvent());
    expect((await client.head()).status).toBe(200);
    await client.gone();
    const received = client.pending.toString();
    expect(received).toContain('data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n');
    expect(received).toContain('data: {"jsonrpc":');
    expect(received).not.toMatch(/(^|\r\n)0\r\n/);
    const record = await drawbridge.record((each) => each.signal === 'exchange' && each.outcome === 'upstream-broke');
    expect(record).toMatchObject({ status: 200, destination: 'tools' });
  });

  it.each<[string, Handler]>([
    ['short of its length', breaksAfter({ 'Content-Length': 100 })],
    ['between chunks', breaksAfter({})],
    ['by a reset', breaksAfter({}, { reset: true })],
  ])('%s: the connection breaks for the caller, too', async (_how, handler) => {
    const client = await begin(handler);
    await client.head();
    await client.gone();
    expect(client.pending.toString()).toContain('{"half":');
    expect(client.pending.toString()).not.toMatch(/(^|\r\n)0\r\n/);
  });

  it('in silence longer than idleMs: the connection breaks on both sides', async () => {
    const client = await begin(breaksAfter({}, { never: true }));
    await client.head();
    const startedAt = Date.now();
    await client.gone();
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(IDLE_MS - 50);
    await upstream.requests[0]?.closed;
  });
});

describe('an event stream', () => {
  it('lives on in silence longer than idleMs', async () => {
    const last = { data: { jsonrpc: '2.0', id: 1, result: {} }, id: 'e2', after: 3 * IDLE_MS };
    const client = await begin(sse([{ data: 'first', id: 'e1' }, last]));
    const { status, body } = await client.answer();
    expect(status).toBe(200);
    expect(body.toString()).toBe('id: e1\ndata: first\n\nid: e2\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n');
  });

  it('opens before its first event', async () => {
    const client = await begin(sse([], { open: true }), get('/mcp'));
    expect((await client.head()).header('content-type')).toBe('text/event-stream');
    client.destroy();
  });

  it('is resumed: Last-Event-ID, Mcp-Session-Id and the revision pass, and so does what the server says', async () => {
    const lines = { 'Last-Event-ID': 'e41', 'Mcp-Session-Id': 's 1', 'MCP-Protocol-Version': '2025-11-25' };
    const resumed: Handler = (_seen, response) => {
      response
        .writeHead(200, { 'Content-Type': 'text/event-stream', 'Mcp-Session-Id': 's 1' })
        .end('id: e42\ndata: x\n\n');
    };
    const client = await begin(resumed, get('/mcp', lines));
    const answer = await client.answer();
    expect([answer.status, answer.header('mcp-session-id'), answer.body.toString()]).toEqual([
      200,
      's 1',
      'id: e42\ndata: x\n\n',
    ]);
    const [seen] = upstream.requests;
    expect(seen?.method).toBe('GET');
    for (const [name, value] of Object.entries(lines)) expect(seen?.header(name.toLowerCase())).toBe(value);
  });

  it('is left: DELETE passes with its session', async () => {
    const gone: Handler = (_seen, response) => void response.writeHead(204).end();
    const client = await begin(gone, get('/mcp', { 'Mcp-Session-Id': 's1' }, 'DELETE'));
    expect((await client.answer()).status).toBe(204);
    expect(upstream.requests).toMatchObject([{ method: 'DELETE', body: Buffer.alloc(0) }]);
    expect(upstream.requests[0]?.header('mcp-session-id')).toBe('s1');
  });
});

describe('a caller that goes away', () => {
  const ways: [string, { reset: boolean }][] = [
    ['by closing', { reset: false }],
    ['by a reset', { reset: true }],
  ];

  it.each(ways)('before the answer, %s: the upstream’s socket closes within a second', async (_how, way) => {
    const client = await begin(hang());
    const seen = await upstream.arrived(1);
    client.destroy(way);
    await within(1000, seen.closed);
  });

  it.each(ways)('within an event stream, %s: the upstream’s socket closes within a second', async (_how, way) => {
    const client = await begin(sse([{ data: 'first' }], { open: true }));
    await client.receives('first');
    client.destroy(way);
    await within(1000, upstream.requests[0]?.closed);
  });

  it('while it reads nothing of a large answer: the upstream’s socket closes within a second', async () => {
    const endless: Handler = async (_seen, response) => {
      const left = once(response, 'close');
      while (!response.destroyed)
        if (!response.write(Buffer.alloc(MIB))) await Promise.race([once(response, 'drain'), left]);
    };
    const client = await begin(endless);
    client.socket.pause();
    await upstream.arrived(1);
    await sleep(100);
    client.destroy();
    await within(1000, upstream.requests[0]?.closed);
  });

  it('before it sent its whole body: nothing reaches the upstream', async () => {
    const whole = post('/mcp', call(1));
    const client = await begin(hang(), whole.subarray(0, whole.length - 5));
    client.destroy();
    await drawbridge.record((each) => each.signal === 'exchange' && each.status === 499 && each.attempts === 0);
    expect(upstream.requests).toHaveLength(0);
  });
});

/** Half an answer, then the end that isn't one. */
function breaksAfter(headers: http.OutgoingHttpHeaders, { reset = false, never = false } = {}): Handler {
  return async (seen, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', ...headers });
    response.write('{"half":');
    if (never) return;
    await sleep(20);
    if (reset) seen.socket.resetAndDestroy();
    else seen.socket.destroy();
  };
}

/** Rejects where the promise takes longer. Milliseconds. */
async function within(ms: number, promise: Promise<void> | undefined): Promise<void> {
  const late = sleep(ms, 'late', { ref: false });
  expect(await Promise.race([promise, late])).toBeUndefined();
}
