import http from 'node:http';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { Agent } from 'undici';
import type { Flow, Reply, Sink } from '../../src/contracts.js';
import { forward, type Outgoing } from '../../src/wire/forward.js';
import { FieldNames } from '../../src/wire/headers.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listen(server: net.Server): Promise<URL> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
}

function send(url: URL, more: Partial<Outgoing> = {}): Promise<Reply> {
  const agent = new Agent({ connect: { timeout: 500 } });
  cleanups.push(() => agent.destroy());
  const deadlines = { connectMs: 500, firstByteMs: 1500, idleMs: 150 };
  return forward(agent, {
    url,
    method: 'POST',
    headers: [],
    body: Buffer.from('{}'),
    caller: { gone: false, held: undefined },
    deadlines,
    names: new FieldNames(),
    ...more,
  });
}

function bodyOf(answer: Reply): (sink: Sink) => Flow {
  return answer.body as (sink: Sink) => Flow;
}

/** Reads a body to its end, or to where it broke. */
function read(answer: Reply): Promise<{ bytes: Buffer; failure?: Error }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const sink: Sink = {
      write: (chunk) => {
        chunks.push(chunk);
        return true;
      },
      end: (last) => resolve({ bytes: Buffer.concat([...chunks, ...(last ? [last] : [])]) }),
      fail: (failure) => resolve({ bytes: Buffer.concat(chunks), failure }),
    };
    bodyOf(answer)(sink);
  });
}

describe('an answer', () => {
  it('comes as it was sent: bytes, header order, case and repetition', async () => {
    const url = await listen(
      net.createServer((socket) => {
        socket.once('data', () =>
          socket.end('HTTP/1.1 207 X\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nContent-Length: 5\r\n\r\n\x00\x01\x02\x03\x04'),
        );
      }),
    );
    const answer = await send(url);
    expect(answer.status).toBe(207);
    expect(answer.headers).toEqual(['X-B', '1', 'x-a', '2', 'X-B', '3', 'Content-Length', '5']);
    expect((await read(answer)).bytes).toEqual(Buffer.from([0, 1, 2, 3, 4]));
  });

  it('waits where the sink is full: the upstream is stopped, not buffered', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    const url = await listen(
      http.createServer((_request, response) => {
        const more = () => {
          while (sent < 100 * 1024 * 1024) {
            sent += chunk.length;
            if (!response.write(chunk)) return void response.once('drain', more);
          }
          response.end();
        };
        more();
      }),
    );
    const answer = await send(url);
    let received = 0;
    const flow: Flow = bodyOf(answer)({
      write: (part) => {
        received += part.length;
        return false;
      },
      end() {},
      fail() {},
    });
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(received).toBeLessThan(1024 * 1024);
    expect(sent).toBeLessThan(30 * 1024 * 1024);
    flow.cancel();
  });

  it('that breaks off is told, with what came', async () => {
    const url = await listen(
      net.createServer((socket) => {
        socket.once('data', () => {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
          setTimeout(() => socket.destroy(), 30);
        });
      }),
    );
    const { bytes, failure } = await read(await send(url));
    expect(String(bytes)).toBe('half');
    expect(failure).toBeDefined();
  });

  it('that falls silent is cut, unless it is an event stream', async () => {
    const url = await listen(
      http.createServer((request, response) => {
        const type = request.url === '/mcp' ? 'application/json' : 'text/event-stream';
        response.writeHead(200, { 'content-type': type });
        response.write('a');
        setTimeout(() => response.end('b'), 400);
      }),
    );
    expect((await read(await send(url))).failure).toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
    expect(String((await read(await send(new URL('/events', url)))).bytes)).toBe('ab');
  });
});

describe('an upstream that does not answer', () => {
  it('was never sent anything where nobody listens', async () => {
    const url = await listen(net.createServer());
    await cleanups.pop()?.();
    await expect(send(url)).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE', neverSent: true });
  });

  it('may have done the work where it read the request', async () => {
    const url = await listen(net.createServer((socket) => socket.once('data', () => socket.destroy())));
    await expect(send(url)).rejects.toMatchObject({ code: 'UPSTREAM_BROKE', neverSent: false });
  });

  it('is out of time where it hangs', async () => {
    const url = await listen(net.createServer((socket) => socket.on('error', () => {})));
    await expect(send(url, { deadlines: { connectMs: 500, firstByteMs: 300, idleMs: 100 } })).rejects.toMatchObject({
      code: 'UPSTREAM_TIMEOUT',
      neverSent: false,
    });
  });

  it('is no HTTP server where it says something else', async () => {
    const url = await listen(
      net.createServer((socket) => socket.once('data', () => socket.end('SSH-2.0-OpenSSH\r\n'))),
    );
    await expect(send(url)).rejects.toMatchObject({ code: 'UPSTREAM_GARBAGE' });
  });
});

describe('a caller that leaves', () => {
  it.each([
    ['before the answer', 0],
    ['during the answer', 100],
  ])('%s: the upstream socket closes at once', async (_when, after) => {
    let closed: Promise<unknown> = Promise.reject(new Error('never asked'));
    closed.catch(() => {});
    const url = await listen(
      http.createServer((request, response) => {
        closed = new Promise((resolve) => request.socket.once('close', resolve));
        if (after) response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
      }),
    );
    const caller: Outgoing['caller'] = { gone: false, held: undefined };
    const answered = send(url, { caller });
    answered.then((answer) => bodyOf(answer)({ write: () => true, end() {}, fail() {} })).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    caller.held?.cancel();
    await closed;
  });
});
