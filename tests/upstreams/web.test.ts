import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import type {
  Attempt,
  Exchange,
  RawExchange,
  TakeOver,
  UpstreamDeps,
  Upstream as WebUpstream,
} from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import web from '../../src/upstreams/web.js';
import { RawClient, rawRequest } from '../helpers/raw.js';
import { type Handler, pattern, slowBody, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

const DEADLINES = { connectMs: 2000, firstByteMs: 2000, idleMs: 2000 };

/** How one exchange ended, as the edge would see it. */
type End = number | GatewayError;

/** A bare edge: every request goes to one web upstream. */
interface Door {
  readonly port: number;
  readonly ends: End[];
  /** Resolves once `count` exchanges have ended, with the last one's end. */
  ended(count: number): Promise<End>;
  upstream: WebUpstream;
  readonly server: Server;
}

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function fixture(handler: Handler, eager = false): Promise<Upstream> {
  const upstream = await startUpstream(handler, { eager });
  closers.push(() => upstream.close());
  return upstream;
}

async function door(given: Record<string, unknown>, deadlines = DEADLINES, body: Buffer | null = null): Promise<Door> {
  const options = web.options.parse(given);
  const upstream = await web.create(options, { name: 'website', deadlines } as UpstreamDeps);
  const server = createServer();
  const ends: End[] = [];
  const pass = async (request: IncomingMessage, response: ServerResponse | Duplex, head?: Buffer) => {
    if (body) for await (const _chunk of request);
    ends.push(await run(upstream, exchangeOf(request, response, head, body)));
    server.emit('exchange ended');
  };
  server.on('request', (request, response) => void pass(request, response));
  server.on('upgrade', (request, socket, head) => void pass(request, socket, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
    await upstream.close();
  });
  const ended = async (count: number) => {
    while (ends.length < count) await once(server, 'exchange ended');
    return ends[count - 1] as End;
  };
  return { port: (server.address() as AddressInfo).port, ends, ended, upstream, server };
}

function exchangeOf(
  request: IncomingMessage,
  response: ServerResponse | Duplex,
  head: Buffer | undefined,
  body: Buffer | null,
): Exchange {
  const leaving = new AbortController();
  response.once('close', () => leaving.abort());
  return {
    request: {
      method: request.method as string,
      target: request.url as string,
      headerLines: request.rawHeaders,
      raw: { request, response, ...(head ? { head } : {}) },
    },
    ...(body ? { call: { kind: 'request', era: 'legacy', body } } : {}),
    signal: leaving.signal,
  } as unknown as Exchange;
}

async function run(upstream: WebUpstream, exchange: Exchange): Promise<End> {
  const { response } = exchange.request.raw as RawExchange;
  try {
    const reply = await upstream.send(exchange, { number: 1 } as Attempt);
    return await (reply.body as TakeOver).takeOver();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    render(error, response);
    return error;
  }
}

function render(error: GatewayError, response: ServerResponse | Duplex): void {
  const body = JSON.stringify({ error: { code: error.code, message: error.message, details: {} } });
  if (!(response instanceof ServerResponse)) {
    response.end(`HTTP/1.1 ${error.status} Error\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  } else if (!response.headersSent) {
    response.writeHead(error.status, { 'Content-Type': 'application/json' }).end(body);
  }
}

describe('what passes', () => {
  it('keeps the request line and every header line as it was written', async () => {
    const site = await fixture(status(200));
    const { port } = await door({ url: site.origin });
    const client = await RawClient.open(port);
    client.send(
      [
        "GET /a//b/../c%2Fd/'x'?q=1&q=%20|2 HTTP/1.1",
        'hOST: shop.example.com:8443',
        'X-Custom: one',
        'Cookie: session=abc; theme=dark',
        'x-custom: two',
        'Authorization: Basic dXNlcjpwYXNz',
        'Connection: keep-alive',
        'X-Forwarded-For: 10.0.0.1',
        'x-late: ünï',
        '\r\n',
      ].join('\r\n'),
    );
    await client.answer();
    client.destroy();
    const seen = site.requests[0];
    expect(seen?.url).toBe("/a//b/../c%2Fd/'x'?q=1&q=%20|2");
    expect(seen?.rawHeaders).toEqual([
      ...['hOST', 'shop.example.com:8443', 'x-custom', 'one', 'x-custom', 'two'],
      ...['Cookie', 'session=abc; theme=dark', 'Authorization', 'Basic dXNlcjpwYXNz'],
      ...['X-Forwarded-For', '10.0.0.1', 'x-late', 'ünï', 'Connection', 'keep-alive'],
    ]);
  });

  it('takes our own headers out, and nothing else', async () => {
    const site = await fixture(status(200));
    const { port } = await door({ url: site.origin });
    const ours = ['X-BTP-Destination', 'x-sap-destination', 'x-mcp-destination', 'x-mcp-url', 'x-target-url'];
    const lines = ours.map((name) => `${name}: canary\r\n`).join('');
    await rawRequest(port, `GET / HTTP/1.1\r\nHost: a\r\n${lines}x-mcp-other: kept\r\n\r\n`);
    expect(site.requests[0]?.rawHeaders.slice(0, 4)).toEqual(['Host', 'a', 'x-mcp-other', 'kept']);
    expect(site.requests[0]?.rawHeaders.join()).not.toContain('canary');
  });

  it('does not pass on what concerns the caller’s connection only', async () => {
    const site = await fixture(status(200));
    const { port } = await door({ url: site.origin });
    const own = ['Keep-Alive: 5', 'TE: gzip', 'Trailer: X-Sum', 'Proxy-Connection: keep-alive', 'Upgrade: h2c'];
    const named = [
      'x-foo: named below',
      'Connection: close, X-FOO',
      'Connection:TE,http2-settings',
      'HTTP2-Settings: A',
    ];
    const lines = [...own, ...named, 'Proxy-Authorization: Basic eA==', 'x-fool: kept', 'Cookie: close'];
    await rawRequest(port, ['GET / HTTP/1.1', 'Host: a', ...lines, '', ''].join('\r\n'));
    expect(site.requests[0]?.rawHeaders).toEqual([
      ...['Host', 'a', 'x-fool', 'kept', 'Cookie', 'close', 'Connection', 'keep-alive'],
    ]);
  });

  it('lets no caller smuggle a request by having Connection name the framing', async () => {
    const site = await fixture(status(200));
    const { port } = await door({ url: site.origin });
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    const length = `Content-Length: ${smuggled.length}`;
    const head = 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: content-length, transfer-encoding, host\r\n';
    await rawRequest(port, `${head}${length}\r\n\r\n${smuggled}`);
    const chunk = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`;
    await rawRequest(port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}`);
    expect(site.requests.map((seen) => [seen.url, seen.header('host'), seen.body.toString()])).toEqual([
      ['/x', 'a', smuggled],
      ['/x', 'a', smuggled],
    ]);
  });

  it('keeps the lines of the answer, repeated ones and the reason included', async () => {
    const site = await fixture((seen) => {
      seen.socket.end(
        'HTTP/1.1 404 Nope\r\nDATE: Sat, 21 Nov 2026 00:00:00 GMT\r\nSet-Cookie: a=1\r\nX-Thing: 1\r\nSet-Cookie: b=2\r\nX-Thing: 2\r\nContent-Length: 2\r\nKeep-Alive: timeout=99\r\n\r\nno',
      );
    });
    const { port, ended } = await door({ url: site.origin });
    const answer = await rawRequest(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect([answer.status, answer.reason, answer.body.toString()]).toEqual([404, 'Nope', 'no']);
    expect(answer.lines.slice(0, 12)).toEqual([
      ...['DATE', 'Sat, 21 Nov 2026 00:00:00 GMT', 'Set-Cookie', 'a=1', 'X-Thing', '1'],
      ...['Set-Cookie', 'b=2', 'X-Thing', '2', 'Content-Length', '2'],
    ]);
    expect(answer.header('keep-alive')).toBeUndefined();
    expect(await ended(1)).toBe(404);
  });

  it('puts the path of the url before the request’s own, and its host in Host where asked', async () => {
    const site = await fixture(status(200));
    const { port, upstream } = await door({ url: `${site.origin}/shop/`, changeOrigin: 'true' });
    await rawRequest(port, 'GET //evil.example.com/x?y HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(site.requests.map((seen) => seen.url)).toEqual(['/shop//evil.example.com/x?y']);
    expect(site.requests[0]?.rawHeaders.slice(0, 2)).toEqual(['Host', `127.0.0.1:${site.port}`]);
    const target = { target: '//evil.example.com/x' } as Exchange['request'];
    expect(upstream.resolve(new URL('http://elsewhere'), target).href).toBe(`${site.origin}/shop//evil.example.com/x`);
  });

  it('answers HTTP/1.0 without a chunked coding, and gives the website a Host', async () => {
    const site = await fixture((_seen, response) => {
      response.write('part');
      response.end();
    });
    const { port } = await door({ url: site.origin });
    const answer = await rawRequest(port, 'GET / HTTP/1.0\r\n\r\n');
    expect(answer.header('transfer-encoding')).toBeUndefined();
    expect(answer.body.toString()).toBe('part');
    expect(site.requests[0]?.header('host')).toBe(`127.0.0.1:${site.port}`);
  });
});

describe('bodies', () => {
  it('streams both ways at once', async () => {
    const site = await fixture((_seen, response, request) => void request.pipe(response), true);
    const { port, ended } = await door({ url: site.origin });
    const client = await RawClient.open(port);
    client.send('POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n');
    await client.receives('first');
    client.send('6\r\nsecond\r\n');
    await client.receives('second');
    client.send('0\r\n\r\n');
    expect((await client.answer()).body.toString()).toBe('firstsecond');
    client.destroy();
    expect(await ended(1)).toBe(200);
  });

  it('passes event streams as they come, the head before the first event', async () => {
    let emit = (_text: string) => {};
    const site = await fixture((_seen, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
      emit = (text) => void response.write(text);
    });
    const { port } = await door({ url: site.origin }, { ...DEADLINES, idleMs: 50 });
    const client = await RawClient.open(port);
    client.send('GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
    expect((await client.head()).status).toBe(200);
    // Longer than any deadline: a living stream isn't cut.
    await delay(150);
    emit('data: 1\n\n');
    await client.receives('data: 1\n\n');
    client.destroy();
  });

  it('passes a large body whole', async () => {
    const size = 3_000_000;
    const site = await fixture(slowBody(size, { everyMs: 0 }));
    const { port } = await door({ url: site.origin });
    const answer = await rawRequest(port, 'GET /big HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(answer.body.equals(pattern(0, size))).toBe(true);
  });

  it('does not let the chunked body of a DELETE pass for a second request', async () => {
    const site = await fixture(status(200));
    const { port } = await door({ url: site.origin });
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    await rawRequest(
      port,
      `DELETE /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
    );
    expect(site.requests.map((seen) => [seen.url, seen.body.toString()])).toEqual([['/x', smuggled]]);
    expect(site.requests[0]?.header('content-length')).toBeUndefined();
  });

  it('answers Expect itself and still takes our own headers out', async () => {
    const site = await fixture(status(200));
    const { port } = await door({ url: site.origin });
    const client = await RawClient.open(port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nx-mcp-url: canary\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    expect((await client.answer()).status).toBe(100);
    client.send('hi');
    expect((await client.answer()).status).toBe(200);
    client.destroy();
    expect(site.requests[0]?.rawHeaders).toEqual(['Host', 'a', 'Content-Length', '2', 'Connection', 'keep-alive']);
    expect(site.requests[0]?.body.toString()).toBe('hi');
  });

  it('sends a body again that somebody has read before', async () => {
    const site = await fixture(status(200));
    const { port } = await door({ url: site.origin }, DEADLINES, Buffer.from('hello'));
    await rawRequest(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello');
    await rawRequest(port, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n');
    expect(site.requests.map((seen) => seen.body.toString())).toEqual(['hello', 'hello']);
  });

  it('keeps the connection to the website for the next request', async () => {
    const site = await fixture(status(200, {}, 'x'));
    const { port } = await door({ url: site.origin });
    for (let i = 0; i < 3; i++) await rawRequest(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(site.connections).toBe(1);
  });
});

describe('WebSocket', () => {
  async function echoSite(): Promise<Upstream> {
    const site = await fixture(status(404, { 'Content-Type': 'text/plain' }, 'no such page'));
    const sockets = new WebSocketServer({ noServer: true });
    site.server.on('upgrade', (request, socket, head) => {
      if (request.url === '/refused') return void socket.end(REFUSAL);
      sockets.handleUpgrade(request, socket, head, (peer) => {
        peer.send(JSON.stringify(request.rawHeaders));
        peer.on('message', (data, binary) => peer.send(data, { binary }));
      });
    });
    closers.push(async () => {
      for (const peer of sockets.clients) peer.terminate();
    });
    return site;
  }

  const REFUSAL = 'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n';

  it('echoes both ways and takes our own headers out', async () => {
    const site = await echoSite();
    const { port, ended } = await door({ url: site.origin });
    const headers = { 'x-btp-destination': 'canary', Cookie: 'a=b', Origin: 'http://shop.example.com' };
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat?room=1`, { headers });
    const [hello] = await once(socket, 'message');
    expect(JSON.parse(String(hello))).toEqual(expect.arrayContaining(['Cookie', 'a=b', 'Host', `127.0.0.1:${port}`]));
    expect(String(hello)).not.toContain('canary');
    const text = 'x'.repeat(200_000);
    socket.send(text);
    expect(String((await once(socket, 'message'))[0])).toBe(text);
    socket.close();
    expect(await ended(1)).toBe(101);
  });

  it('lets go of the website when the caller vanishes', async () => {
    const site = await echoSite();
    let closed: Promise<unknown> | undefined;
    site.server.on('upgrade', (_request, socket) => {
      closed = once(socket, 'close');
    });
    const { port } = await door({ url: site.origin });
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    await once(socket, 'message');
    socket.terminate();
    await closed;
  });

  it('passes a refusal whole', async () => {
    const site = await echoSite();
    const { port, ended } = await door({ url: site.origin });
    const answer = await rawRequest(port, upgrade('/refused'));
    expect([answer.status, answer.body.toString()]).toEqual([403, 'no']);
    expect(await ended(1)).toBe(403);
  });

  it('names nothing but the upgrade in Connection, and drops what the caller named there', async () => {
    const site = await fixture(status(200));
    const seen = new Promise<IncomingMessage>((resolve) => {
      site.server.on('upgrade', (request, socket) => {
        resolve(request);
        socket.end(REFUSAL);
      });
    });
    const { port } = await door({ url: site.origin });
    const named = upgrade('/').replace('Connection: Upgrade', 'Connection: keep-alive, Upgrade, X-Foo\r\nX-Foo: 1');
    await rawRequest(port, named);
    expect((await seen).rawHeaders).toEqual([
      ...['Host', 'a', 'Sec-WebSocket-Version', '13', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
      ...['Connection', 'Upgrade', 'Upgrade', 'websocket'],
    ]);
  });

  it('puts no second answer behind a refusal that breaks', async () => {
    const site = await fixture(status(200));
    const { port, ended } = await door({ url: site.origin });
    site.server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n');
      setTimeout(() => socket.end('this is no chunk\r\n'), 30);
    });
    const client = await RawClient.open(port);
    client.send(upgrade('/'));
    expect((await client.head()).status).toBe(403);
    await client.gone();
    // Neither an end, which would make a whole of it, nor another head.
    expect(client.pending.toString()).toBe('2\r\nhi\r\n');
    expect(await ended(1)).toBe(403);
  });

  it('puts no answer into a WebSocket that the website resets', async () => {
    const site = await fixture(status(200));
    const { port, ended } = await door({ url: site.origin });
    site.server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      setTimeout(() => (socket as Socket).resetAndDestroy(), 30);
    });
    const client = await RawClient.open(port);
    client.send(upgrade('/'));
    expect((await client.head()).status).toBe(101);
    await client.gone();
    expect(client.pending.toString()).toBe('');
    expect(await ended(1)).toBe(101);
  });

  it('passes a large refusal whole to a slow reader', async () => {
    const site = await fixture(status(200));
    const { port } = await door({ url: site.origin });
    const size = 3_000_000;
    site.server.on('upgrade', (_request, socket) => {
      socket.write(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${size}\r\n\r\n`);
      socket.end(pattern(0, size));
    });
    const client = await RawClient.open(port);
    client.socket.pause();
    client.send(upgrade('/'));
    await delay(50);
    client.socket.resume();
    expect((await client.answer()).body.equals(pattern(0, size))).toBe(true);
    await client.gone();
  });

  it('leaves the socket to the edge when the website is down', async () => {
    const site = await fixture(status(200));
    await site.close();
    const { port } = await door({ url: `http://127.0.0.1:${await freePort()}` });
    const answer = await rawRequest(port, upgrade('/'));
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body.toString()).error.code).toBe('UPSTREAM_UNREACHABLE');
  });

  it('refuses to upgrade to anything else', async () => {
    const site = await echoSite();
    const { port } = await door({ url: site.origin });
    const answer = await rawRequest(port, upgrade('/', 'h2c'));
    expect(answer.status).toBe(501);
    expect(site.requests).toEqual([]);
  });
});

describe('what Node will not write', () => {
  const ODD = {
    'a control character in the reason': 'HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok',
    'status 099': 'HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nok',
    'status 000': 'HTTP/1.1 000 None\r\nContent-Length: 2\r\n\r\nok',
  };
  const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

  it.each(Object.entries(ODD))('does not end the process as an answer: %s', async (_what, bytes) => {
    const site = await fixture((seen) => void seen.socket.write(bytes));
    const { port, ended } = await door({ url: site.origin });
    const answer = await rawRequest(port, GET);
    expect([answer.status, answer.reason]).toEqual([502, 'Bad Gateway']);
    expect(await ended(1)).toMatchObject({ code: 'UPSTREAM_GARBAGE', neverSent: false });
    await (await site.arrived(1)).closed;
    site.handler = status(200, {}, 'x');
    expect((await rawRequest(port, GET)).status).toBe(200);
  });

  it.each(Object.entries(ODD))('does not end the process as an answer to an upgrade: %s', async (_what, bytes) => {
    const site = await fixture(status(200));
    const released = new Promise((resolve) => {
      site.server.on('upgrade', (_request, socket) => {
        socket.on('error', () => {}).on('close', resolve);
        socket.on('end', () => socket.end()).resume();
        socket.write(bytes);
      });
    });
    const { port, ended } = await door({ url: site.origin });
    const answer = await rawRequest(port, upgrade('/'));
    expect(answer.status).toBe(502);
    expect(await ended(1)).toMatchObject({ code: 'UPSTREAM_GARBAGE' });
    await released;
  });

  it('does not end the process as a request, and sends none of it', async () => {
    const site = await fixture(status(200));
    const { port, ended, server } = await door({ url: site.origin });
    const spoil = (request: IncomingMessage) => void request.rawHeaders.push('X-Odd', 'a\nb');
    server.prependListener('request', spoil).prependListener('upgrade', spoil);
    expect((await rawRequest(port, GET)).status).toBe(500);
    expect(await ended(1)).toMatchObject({ code: 'INTERNAL' });
    expect((await rawRequest(port, upgrade('/'))).status).toBe(500);
    expect(await ended(2)).toMatchObject({ code: 'INTERNAL' });
    server.off('request', spoil).off('upgrade', spoil);
    expect((await rawRequest(port, GET)).status).toBe(200);
    expect(site.requests).toHaveLength(1);
  });

  it('does not hold a caller behind a switch of protocols that nobody asked for', async () => {
    const site = await fixture((seen) => {
      seen.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    });
    const { port, ended } = await door({ url: site.origin });
    expect((await rawRequest(port, GET)).status).toBe(502);
    expect(await ended(1)).toMatchObject({ code: 'UPSTREAM_BROKE', neverSent: false });
  });
});

describe('when something breaks', () => {
  it('says that nothing listens there', async () => {
    const { port, ended } = await door({ url: `http://127.0.0.1:${await freePort()}` });
    const answer = await rawRequest(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi');
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body.toString()).error.code).toBe('UPSTREAM_UNREACHABLE');
    expect(await ended(1)).toMatchObject({ code: 'UPSTREAM_UNREACHABLE', neverSent: true });
  });

  it('tells a reset, something that is not HTTP, and silence apart', async () => {
    const site = await fixture((seen) => void seen.socket.resetAndDestroy());
    const { port, ended } = await door({ url: site.origin }, { ...DEADLINES, firstByteMs: 50 });
    const get = () => rawRequest(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await get();
    expect(await ended(1)).toMatchObject({ code: 'UPSTREAM_BROKE', neverSent: false });
    site.handler = (seen) => void seen.socket.end('220 mail ESMTP\r\n');
    await get();
    expect(await ended(2)).toMatchObject({ code: 'UPSTREAM_GARBAGE' });
    site.handler = () => {};
    expect((await get()).status).toBe(504);
    expect(await ended(3)).toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
    await (await site.arrived(3)).closed;
  });

  it('does not let a part pass for the whole', async () => {
    const site = await fixture((seen, response) => {
      response.write('half');
      setTimeout(() => seen.socket.destroy(), 20);
    });
    const { port, ended } = await door({ url: site.origin });
    const client = await RawClient.open(port);
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect(client.answer()).rejects.toThrow('closed before');
    expect(await ended(1)).toMatchObject({ code: 'UPSTREAM_BROKE' });
  });

  it('cuts an answer that stalls, unless it is an event stream', async () => {
    const site = await fixture((_seen, response) => void response.write('half'));
    const { port, ended } = await door({ url: site.origin }, { ...DEADLINES, idleMs: 50 });
    const client = await RawClient.open(port);
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.gone();
    expect(await ended(1)).toBeInstanceOf(GatewayError);
  });

  it('tells the website at once that the caller has left, before and after the head', async () => {
    const site = await fixture(() => {});
    const { port, ended } = await door({ url: site.origin });
    const early = await RawClient.open(port);
    early.send('GET /early HTTP/1.1\r\nHost: a\r\n\r\n');
    const seen = await site.arrived(1);
    early.destroy();
    await seen.closed;
    expect(await ended(1)).toMatchObject({ code: 'UPSTREAM_BROKE', message: 'the caller left' });
    site.handler = (_seen, response) => void response.write('half');
    const late = await RawClient.open(port);
    late.send('GET /late HTTP/1.1\r\nHost: a\r\n\r\n');
    await late.receives('half');
    late.destroy();
    await (await site.arrived(2)).closed;
    expect(await ended(2)).toBe(200);
  });
});

function upgrade(target: string, protocol = 'websocket'): string {
  return `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const site = await startUpstream(status(200));
  const { port } = site;
  await site.close();
  return port;
}
