import type { ServerResponse } from 'node:http';
import type { Exchange, Reply } from '../../src/contracts.js';
import type { GatewayError } from '../../src/core/errors.js';
import type { Carrying } from '../../src/upstreams/channel.js';
import { SseChannel } from '../../src/upstreams/sseChannel.js';
import { createDispatchers, type Dispatchers } from '../../src/wire/dispatchers.js';
import { FieldNames } from '../../src/wire/headers.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';
import { type Handler, hang, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

describe('HTTP+SSE as a channel', () => {
  let upstream: Upstream;
  let dispatchers: Dispatchers;
  let stream: ServerResponse;
  let answer: Handler;
  let heard: string[];
  let reasons: GatewayError[];
  let channel: SseChannel;

  beforeAll(async () => {
    dispatchers = createDispatchers(1000);
    upstream = await startUpstream((seen, response, request) => {
      if (seen.method === 'POST') return answer(seen, response, request);
      stream = response;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: endpoint\ndata: /messages?sessionId=1\n\ndata: {"early":1}\n\n');
    });
  });
  beforeEach(() => {
    answer = status(202, {}, 'Accepted');
    heard = [];
    reasons = [];
    channel = create();
  });
  afterEach(() => channel.close());
  afterAll(async () => {
    await dispatchers.close();
    await upstream.close();
  });

  function create(path = '/sse'): SseChannel {
    return new SseChannel(
      {
        url: new URL(path, upstream.origin),
        dispatcher: dispatchers.open,
        deadlines: { connectMs: 1000, firstByteMs: 2000, idleMs: 1000 },
        names: new FieldNames(),
        lines: ({ exchange }) => exchange.request.headerLines,
      },
      {
        message: (text) => heard.push(text) > 0,
        closed: (reason) => void reasons.push(reason),
      },
    );
  }

  function carrying(headers: Record<string, string> = {}, origin = upstream.origin): Carrying & { exchange: Exchange } {
    const url = new URL('/sse', origin);
    const route = { destination: 'old', upstream: {} as never, url, publicOnly: false, credential: undefined };
    return {
      exchange: fakeExchange(fakeInbound('/mcp', headers)),
      attempt: { number: 1, route, credential: undefined },
    };
  }

  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise(setImmediate);
  };
  const last = () => upstream.requests.at(-1);

  it('shows the GET what its exchange shows, and each POST what that of its own shows', async () => {
    const MCP = { 'MCP-Session-Id': 'of-the-face', 'Mcp-Method': 'x', 'Mcp-Name': 'y', 'Mcp-Param-Region': 'z' };
    await channel.open(
      carrying({ Authorization: 'Bearer one', ...MCP, Accept: 'application/json, text/event-stream' }),
    );
    expect([last()?.header('authorization'), last()?.header('accept')]).toEqual(['Bearer one', 'text/event-stream']);
    const shown = {
      Authorization: 'Bearer two',
      'MCP-Protocol-Version': '2024-11-05',
      'Content-Type': 'text/odd',
      ...MCP,
    };
    expect(await channel.send('{"a":"ü"}', carrying(shown))).toBeUndefined();
    const seen = last();
    expect([seen?.url, seen?.body.toString()]).toEqual(['/messages?sessionId=1', '{"a":"ü"}']);
    expect(seen?.header('authorization')).toBe('Bearer two');
    expect(seen?.header('content-type')).toBe('application/json');
    expect(seen?.header('mcp-protocol-version')).toBe('2024-11-05');
    for (const name of Object.keys(MCP)) expect(seen?.header(name.toLowerCase())).toBeUndefined();
    await channel.send(Buffer.from('{}'));
    expect(last()?.header('authorization')).toBe('Bearer two');
  });

  it('hands on what came with the first event only once somebody listens', async () => {
    await channel.open(carrying());
    expect(heard).toEqual([]);
    stream.write('data: {"late":1}\n\n');
    await until(() => heard.length === 2);
    expect(heard).toEqual(['{"early":1}', '{"late":1}']);
  });

  it('gives back an answer that is no success, and lives on', async () => {
    await channel.open(carrying());
    answer = status(401, { 'www-authenticate': 'Bearer' });
    expect(await channel.send('{}', carrying())).toMatchObject({ status: 401 });
    answer = status(503);
    expect(await channel.send('{}', carrying())).toMatchObject({ status: 503 });
    expect(await channel.send('{}')).toBeUndefined();
    answer = status(200, {}, 'x'.repeat(200_000));
    expect(await channel.send('{}', carrying())).toBeUndefined();
    expect(reasons).toEqual([]);
  });

  it('is over when the server has forgotten the session, ends the stream or breaks', async () => {
    await channel.open(carrying());
    answer = status(404);
    expect(await channel.send('{}', carrying())).toMatchObject({ status: 404 });
    await until(() => reasons.length === 1);
    await expect(channel.send('{}', carrying())).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });

    for (const end of [() => stream.end(), () => stream.socket?.resetAndDestroy()]) {
      channel = create();
      await channel.open(carrying());
      end();
      await until(() => reasons.length === 2);
      expect(reasons.pop()).toMatchObject({ code: 'UPSTREAM_BROKE' });
      await expect(channel.send('{}', carrying())).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });
    }
  });

  it('sends nothing that is shown for another origin', async () => {
    await channel.open(carrying());
    const before = upstream.requests.length;
    const elsewhere = channel.send('{}', carrying({}, 'https://other.example.com'));
    await expect(elsewhere).rejects.toMatchObject({ code: 'SESSION_LOST' });
    expect(upstream.requests.length).toBe(before);
  });

  it('lets go of stream and POSTs at once', async () => {
    await channel.open(carrying());
    const get = last();
    answer = hang();
    const before = upstream.requests.length;
    const sent = channel.send('{}', carrying());
    const post = await upstream.arrived(before + 1);
    await channel.close();
    await expect(sent).rejects.toMatchObject({ code: 'CALLER_LEFT' });
    await Promise.all([get?.closed, post.closed]);
    expect(reasons).toEqual([]);
    await channel.close();
  });

  it('is let go of while it opens, when the caller leaves', async () => {
    const { handler } = upstream;
    upstream.handler = hang();
    const before = upstream.requests.length;
    const leaving = carrying();
    const opened = channel.open(leaving).catch((reason: unknown) => reason);
    const seen = await upstream.arrived(before + 1);
    leaving.exchange.held?.cancel();
    expect(await opened).toMatchObject({ code: 'CALLER_LEFT' });
    await seen.closed;
    upstream.handler = status(401);
    expect(((await create().open(carrying())) as Reply).status).toBe(401);
    upstream.handler = handler;
  });
});
