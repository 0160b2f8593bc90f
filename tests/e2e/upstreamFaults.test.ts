import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { Worker } from 'node:worker_threads';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type RawAnswer, rawRequest } from '../helpers/raw.js';
import { garbage, type Handler, hang, json, reset, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { expectRefusal, messageOf, type Refusal } from './refusals.js';
import { call, post } from './requests.js';

/** Upstreams that fail before they answered. Each fault is a path of one server, and a destination of its own. */
const BROKE: Refusal = { status: 502, code: 'UPSTREAM_BROKE', id: 'x' };
const GARBAGE: Refusal = { status: 502, code: 'UPSTREAM_GARBAGE', id: 'x' };
const UNREACHABLE: Refusal = { status: 502, code: 'UPSTREAM_UNREACHABLE', id: 'x' };
const TIMEOUT: Refusal = { status: 504, code: 'UPSTREAM_TIMEOUT', id: 'x' };

const says = (bytes: string) => garbage(bytes);

const FAULTS: Readonly<Record<string, { readonly handler: Handler; readonly refusal: Refusal }>> = {
  resets: { handler: reset(), refusal: BROKE },
  'closes without a word': { handler: (seen) => void seen.socket.end(), refusal: BROKE },
  'closes within the head': { handler: says('HTTP/1.1 200 OK\r\nContent-'), refusal: BROKE },
  'only promises to go on': { handler: says('HTTP/1.1 100 Continue\r\n\r\n'), refusal: BROKE },
  'changes the protocol': { handler: says('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'), refusal: BROKE },
  hangs: { handler: hang(), refusal: TIMEOUT },
  'hangs within the head': { handler: (seen) => void seen.socket.write('HTTP/1.1 200 OK\r\nX-'), refusal: TIMEOUT },
  'speaks SSH': { handler: garbage(), refusal: GARBAGE },
  'speaks HTTP/0.9': { handler: says('<html>hello</html>'), refusal: GARBAGE },
  'answers bytes': { handler: garbage(Buffer.from([0, 1, 2, 3, 0x80, 0xff, 13, 10, 13, 10])), refusal: GARBAGE },
  'has a head without end': {
    handler: says(`HTTP/1.1 200 OK\r\n${'X-Filler: 0123456789\r\n'.repeat(10_000)}`),
    refusal: GARBAGE,
  },
  'has a line without a colon': { handler: says('HTTP/1.1 200 OK\r\nno colon\r\n\r\n'), refusal: GARBAGE },
  'frames its answer twice': {
    handler: says('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    refusal: GARBAGE,
  },
  'gives two lengths': {
    handler: says('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'),
    refusal: GARBAGE,
  },
};

let upstream: Upstream;
let full: FullServer;
let drawbridge: Drawbridge;

beforeAll(async () => {
  upstream = await startUpstream((seen, response, request) => {
    const fault = FAULTS[decodeURIComponent(seen.url.slice(1))];
    return (fault?.handler ?? json({ ok: true }))(seen, response, request);
  });
  full = await startFullServer();
  const faulty = Object.keys(FAULTS).map((name) => [nameOf(name), `${upstream.origin}/${encodeURIComponent(name)}`]);
  const urls = {
    ...Object.fromEntries(faulty),
    well: upstream.url,
    refuses: `http://127.0.0.1:${await closedPort()}/mcp`,
    nowhere: 'http://no-such-host.invalid/mcp',
    plain: `https://127.0.0.1:${upstream.port}/mcp`,
    full: `http://127.0.0.1:${full.port}/mcp`,
  };
  drawbridge = await startDrawbridge({
    destinations: Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, { kind: 'http', url }])),
    resilience: { connectMs: 300, firstByteMs: 300, retry: { baseMs: 1 }, circuitBreaker: { failures: 1000 } },
  });
});

beforeEach(() => {
  upstream.requests.length = 0;
});

afterEach(async () => {
  expect((await ask('well')).status).toBe(200);
});

afterAll(async () => {
  await drawbridge?.stop();
  await Promise.all([upstream?.close(), full?.close()]);
});

const ask = (destination: string): Promise<RawAnswer> =>
  rawRequest(drawbridge.port, post(`/mcp/${destination}`, call('x')));

const nameOf = (fault: string) => fault.replaceAll(/[ /]/g, '-');

describe('an upstream that', () => {
  it.each(Object.entries(FAULTS))('%s: told so, and called once only', async (name, { refusal }) => {
    expectRefusal(await ask(nameOf(name)), refusal);
    expect(upstream.requests).toHaveLength(1);
    await upstream.requests[0]?.closed;
  });

  it.each<[string, string, Refusal]>([
    ['refuses the connection', 'refuses', UNREACHABLE],
    ['has a name that nobody knows', 'nowhere', UNREACHABLE],
    ['speaks no TLS where https was said', 'plain', UNREACHABLE],
  ])('%s', async (_what, destination, refusal) => {
    expectRefusal(await ask(destination), refusal);
    expect(upstream.requests).toHaveLength(0);
  });

  it('does not take the connection', async () => {
    expectRefusal(await ask('full'), TIMEOUT);
  });

  it('is told to the caller by its origin, without its path', async () => {
    expect(messageOf(await ask('resets'))).toContain(upstream.origin);
    expect(messageOf(await ask('resets'))).not.toContain('/resets');
  });

  it('fails a call that only reads is asked again, up to the limit', async () => {
    const list = '{"jsonrpc":"2.0","id":"x","method":"tools/list"}';
    expectRefusal(await rawRequest(drawbridge.port, post('/mcp/resets', list)), BROKE);
    expect(upstream.requests).toHaveLength(3);
  });

  it('fails leaves its cause in the access record', async () => {
    const answer = await ask('speaks-SSH');
    const requestId = answer.header('x-request-id');
    const record = await drawbridge.record((each) => each.signal === 'exchange' && each.requestId === requestId);
    expect(record).toMatchObject({ status: 502, code: 'UPSTREAM_GARBAGE', destination: 'speaks-SSH', attempts: 1 });
    expect(record.reason).toContain('HTTPParserError');
  });
});

/** A port that was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface FullServer {
  readonly port: number;
  close(): Promise<unknown>;
}

/** Listens and never accepts: once its backlog is full, the kernel leaves further connections waiting. */
async function startFullServer(): Promise<FullServer> {
  const code = `
    const { connect, createServer } = require('node:net');
    const { parentPort } = require('node:worker_threads');
    const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      const { port } = server.address();
      for (let i = 0; i < 8; i++) connect(port, '127.0.0.1').on('error', () => {});
      parentPort.postMessage(port);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const worker = new Worker(code, { eval: true });
  const [port] = (await once(worker, 'message')) as [number];
  return { port, close: () => worker.terminate() };
}
