import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { GatewayError } from '../../src/core/errors.js';
import { SseStream } from '../../src/upstreams/sseStream.js';
import { createDispatchers, type Dispatchers } from '../../src/wire/dispatchers.js';
import { FieldNames } from '../../src/wire/headers.js';
import { type Handler, hang, json, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

describe('the event stream of an HTTP+SSE server', () => {
  let upstream: Upstream;
  let dispatchers: Dispatchers;
  let streams: SseStream[];

  beforeAll(async () => {
    upstream = await startUpstream(hang());
    dispatchers = createDispatchers(1000);
  });
  beforeEach(() => {
    streams = [];
  });
  afterEach(() => {
    for (const stream of streams) stream.close();
  });
  afterAll(async () => {
    await dispatchers.close();
    await upstream.close();
  });

  /** The server says these pieces, one after the other, and keeps the stream open. */
  const says =
    (...pieces: readonly string[]): Handler =>
    async (_seen, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const piece of pieces) {
        response.write(piece);
        await new Promise(setImmediate);
      }
    };

  function start(handler: Handler, firstByteMs = 2000) {
    upstream.handler = handler;
    const heard: string[] = [];
    let tell: (reason: Error) => void = () => {};
    const closed = new Promise<Error>((resolve) => {
      tell = resolve;
    });
    const deadlines = { connectMs: 1000, firstByteMs, idleMs: 100 };
    const stream = new SseStream(
      {
        url: new URL('/sse?team=blue', upstream.origin),
        headers: ['accept', 'text/event-stream'],
        dispatcher: dispatchers.open,
        deadlines,
        names: new FieldNames(),
      },
      { message: (text) => heard.push(text), closed: tell },
    );
    streams.push(stream);
    return { stream, heard, closed };
  }

  const failureOf = async (stream: SseStream) => {
    const error: unknown = await stream.open().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GatewayError);
    return error as GatewayError;
  };

  it.each([
    ['a path', '/messages?sessionId=1', '/messages?sessionId=1'],
    ['a relative path', 'messages?sessionId=1', '/messages?sessionId=1'],
    ['a query alone', '?sessionId=1', '/sse?sessionId=1'],
  ])('leads to where its first event says: %s', async (_name, said, path) => {
    const { stream } = start(says(`event: endpoint\ndata: ${said}\n\n`));
    expect(String(await stream.open())).toBe(upstream.origin + path);
  });

  it('leads to a whole URL on its own origin', async () => {
    const { stream } = start(says(`event: endpoint\ndata: ${upstream.origin}/m\n\n`));
    expect(String(await stream.open())).toBe(`${upstream.origin}/m`);
  });

  it.each([
    ['another origin', 'http://127.0.0.1:1/messages'],
    ['another host without a scheme', '//evil.example.com/messages'],
    ['another scheme', 'file:///etc/passwd'],
    ['a user', 'http://user:secret@HOST/messages'],
    ['no place at all', 'http://['],
    ['more than a path', `/${'a'.repeat(5000)}`],
  ])('refuses to be led to %s', async (_name, said) => {
    const host = new URL(upstream.origin).host;
    const { stream } = start(says(`event: endpoint\ndata: ${said.replace('HOST', host)}\n\n`));
    expect((await failureOf(stream)).code).toBe('UPSTREAM_GARBAGE');
    const seen = upstream.requests.at(-1);
    await seen?.closed;
  });

  it('hands on messages, however they are cut, and neither comments nor foreign events', async () => {
    let response: ServerResponse | undefined;
    const { stream, heard } = start((_seen, given) => {
      response = given;
      given.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      given.write('data: {"too":"early"}\n\n: hello\n\nevent: endpoint\ndata: /m\n\ndata: {"a"');
    });
    await stream.open();
    response?.write(':1}\n\n: ping\n\nevent: message\r\ndata: {"b":2}\r\n\r\nevent: other\ndata: {"c":3}\n\n');
    response?.write('event: endpoint\ndata: http://127.0.0.1:1/elsewhere\n\ndata: {"d":4}\n\n');
    while (heard.length < 3) await new Promise(setImmediate);
    expect(heard).toEqual(['{"a":1}', '{"b":2}', '{"d":4}']);
  });

  it('may be silent for longer than any answer', async () => {
    let response: ServerResponse | undefined;
    const { stream, heard } = start((_seen, given) => {
      response = given;
      given.writeHead(200, { 'content-type': 'text/event-stream' });
      given.write('event: endpoint\ndata: /m\n\n');
    });
    await stream.open();
    await new Promise((resolve) => setTimeout(resolve, 300));
    response?.write('data: {}\n\n');
    while (heard.length < 1) await new Promise(setImmediate);
    expect(heard).toEqual(['{}']);
  });

  it('tells its owner when the server ends it, and when it breaks', async () => {
    const ended = start(async (_seen, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end('event: endpoint\ndata: /m\n\n');
    });
    await ended.stream.open();
    expect(await ended.closed).toMatchObject({ code: 'UPSTREAM_BROKE' });
    const broken = start(says('event: endpoint\ndata: /m\n\n'));
    await broken.stream.open();
    upstream.requests.at(-1)?.socket.resetAndDestroy();
    await broken.closed;
  });

  it('breaks off at an event that is larger than anything honest', async () => {
    const { stream, closed } = start(says('event: endpoint\ndata: /m\n\n', `data: ${'x'.repeat(5 * 1024 * 1024)}\n\n`));
    await stream.open();
    expect(await closed).toMatchObject({ code: 'UPSTREAM_GARBAGE' });
    await upstream.requests.at(-1)?.closed;
  });

  it('is the answer of the server where that opens none', async () => {
    const refused = start(status(401, { 'www-authenticate': 'Bearer' }));
    expect(await refused.stream.open()).toMatchObject({ status: 401 });
    expect((await failureOf(start(json({})).stream)).code).toBe('UPSTREAM_GARBAGE');
    expect((await failureOf(start(says('event: message\ndata: {}\n\n'), 150).stream)).code).toBe('UPSTREAM_TIMEOUT');
    expect((await failureOf(start(hang(), 150).stream)).code).toBe('UPSTREAM_TIMEOUT');
    const early = (await failureOf(
      start((_seen, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).end()).stream,
    )) as GatewayError;
    expect(early.code).toBe('UPSTREAM_BROKE');
  });

  it('is let go of at once, before and after it is open', async () => {
    const waiting = start(hang());
    const failure = failureOf(waiting.stream);
    await once(upstream.server, 'request');
    waiting.stream.close();
    expect((await failure).code).toBe('CALLER_LEFT');
    const open = start(says('event: endpoint\ndata: /m\n\n'));
    await open.stream.open();
    open.stream.close();
    await upstream.requests.at(-1)?.closed;
  });
});
