import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NewKey } from '../../src/contracts/callers.js';
import { systemClock } from '../../src/core/async.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { type Answer, codeOf, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSignals } from '../helpers/fakes.js';
import { openSse, type SseReader } from '../helpers/sseReader.js';
import { hang, json, sse, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

const JSON_TYPE = { 'content-type': 'application/json' };

describe('the door of HTTP+SSE, towards whoever attacks it', () => {
  let folder: string;
  let upstream: Upstream;
  let drawbridge: Drawbridge;
  let keys: Record<'ada' | 'bob', string>;
  const readers: SseReader[] = [];

  const shown = (key: string) => ({ authorization: `Bearer ${key}` });

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-sse-'));
    upstream = await startUpstream(json({ done: true }));
    const keyFile = path.join(folder, 'keys.json');
    const ring = openKeyRing(keyFile, { clock: systemClock, signals: new FakeSignals() });
    const make = async (wanted: NewKey) => (await ring.create(wanted)).key;
    keys = { ada: await make({ name: 'ada' }), bob: await make({ name: 'bob' }) };
    drawbridge = await startDrawbridge({
      server: { keyFile, maxBodyBytes: 10_000, drainMs: 2000 },
      destinations: { common: { kind: 'http', url: upstream.url }, secret: { kind: 'http', url: upstream.url } },
      identity: { keys: { kind: 'api-key' } },
      permissions: {
        roles: { reader: { allow: ['common/initialize', 'common/notifications/*', 'common/tools/call:echo'] } },
        default: ['reader'],
      },
    });
  });
  afterEach(async () => {
    upstream.handler = json({ done: true });
    await Promise.all(readers.splice(0).map((reader) => reader.close()));
  });
  afterAll(async () => {
    await drawbridge?.stop();
    await upstream?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const at = (place: string) => new URL(place, drawbridge.url).href;

  async function open(key = keys.ada, place = '/sse/common'): Promise<SseReader> {
    const reader = await openSse(at(place), shown(key));
    readers.push(reader);
    return reader;
  }

  function post(
    reader: SseReader,
    message: object | string,
    headers: Record<string, string> = shown(keys.ada),
  ): Promise<Answer> {
    const body = typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message });
    return request(at(reader.endpoint), { method: 'POST', headers: { ...JSON_TYPE, ...headers }, body });
  }

  const calls = (id: number, name: string) => ({ id, method: 'tools/call', params: { name, arguments: {} } });

  it('opens nothing for who is not known, or wants what he may not see', async () => {
    const unknown = await request(at('/sse/common'), { headers: { accept: 'text/event-stream' } });
    expect([unknown.status, unknown.headers.get('www-authenticate')]).toEqual([401, expect.stringMatching(/^Bearer/)]);
    for (const headers of [{ host: 'evil.example.com' }, { origin: 'https://evil.example.com' }])
      await expect(openSse(at('/sse/common'), { ...shown(keys.ada), ...headers })).rejects.toThrow(
        /^403: .*_NOT_ALLOWED/,
      );
    expect((await request(at('/sse/secret'), { headers: shown(keys.ada) })).status).toBe(403);
    expect((await request(at('/sse/missing'), { headers: shown(keys.ada) })).status).toBe(403);
    expect((await request(at('/sse/common'), { method: 'DELETE', headers: shown(keys.ada) })).status).toBe(405);
  });

  it('gives each session an id that nobody can guess, on its own origin', async () => {
    const [one, other] = [await open(), await open()];
    const ids = [one, other].map(
      ({ endpoint }) => new URL(endpoint, 'http://here').searchParams.get('sessionId') ?? '',
    );
    expect(one.endpoint).toMatch(/^\/messages\?sessionId=[\w-]{43}$/);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it("is 404 for another caller's session, and nothing of it is heard there", async () => {
    const reader = await open();
    const before = upstream.requests.length;
    for (const message of [
      calls(1, 'echo'),
      { method: 'notifications/cancelled', params: { requestId: 1 } },
      { id: 2, method: 'initialize', params: {} },
    ]) {
      const answer = await post(reader, message, shown(keys.bob));
      expect([answer.status, codeOf(answer)]).toEqual([404, 'SESSION_LOST']);
    }
    expect((await post(reader, 'garbage', shown(keys.bob))).status).toBe(404);
    expect(upstream.requests.length).toBe(before);
    expect((await post(reader, calls(3, 'echo'))).status).toBe(202);
    expect(await reader.message()).toMatchObject({ id: 3, result: { done: true } });
    expect(reader.messages).toHaveLength(1);
  });

  it('asks every message who sent it', async () => {
    const reader = await open();
    expect((await post(reader, calls(1, 'echo'), {})).status).toBe(401);
    expect((await post(reader, calls(1, 'echo'), shown('dbk_wrong'))).status).toBe(401);
    const gone = await request(at('/messages?sessionId=unknown'), {
      method: 'POST',
      headers: { ...JSON_TYPE, ...shown(keys.ada) },
      body: '{}',
    });
    expect(gone.status).toBe(404);
    expect((await request(at('/messages?sessionId=unknown'), { method: 'POST', body: '{}' })).status).toBe(401);
  });

  it('answers the POST where the message can not be taken, and on the stream where it may not be', async () => {
    const reader = await open();
    expect((await post(reader, 'garbage')).status).toBe(400);
    expect((await post(reader, { id: 1 })).status).toBe(400);
    expect((await post(reader, calls(1, 'x'.repeat(20_000)))).status).toBe(413);
    expect((await post(reader, calls(1, 'echo'), { ...shown(keys.ada), 'content-type': 'text/plain' })).status).toBe(
      415,
    );
    expect(
      (await post(reader, calls(1, 'echo'), { ...shown(keys.ada), origin: 'https://evil.example.com' })).status,
    ).toBe(403);
    expect(reader.messages).toEqual([]);
    const refused = await post(reader, calls(7, 'drop_all'));
    expect([refused.status, refused.text]).toEqual([202, 'Accepted']);
    expect(await reader.message()).toMatchObject({ id: 7, error: { data: { code: 'NOT_PERMITTED' } } });
  });

  it('lets a browser of an allowed origin ask first, and read', async () => {
    const origin = 'http://localhost:5173';
    const reader = await openSse(at('/sse/common'), { ...shown(keys.ada), origin });
    readers.push(reader);
    for (const place of ['/sse/common', reader.endpoint]) {
      const headers = {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization',
      };
      const preflight = await request(at(place), { method: 'OPTIONS', headers });
      expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, origin]);
    }
    const taken = await post(reader, calls(1, 'echo'), { ...shown(keys.ada), origin });
    expect([taken.status, taken.headers.get('access-control-allow-origin')]).toEqual([202, origin]);
    const refused = await post(reader, calls(1, 'echo'), { ...shown(keys.bob), origin });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([404, origin]);
  });

  it('keeps what is said to us from the server', async () => {
    const reader = await open();
    const before = upstream.requests.length;
    const session = new URL(reader.endpoint, 'http://here').searchParams.get('sessionId') as string;
    await request(at('/mcp/messages'), {
      method: 'POST',
      headers: {
        ...JSON_TYPE,
        ...shown(keys.ada),
        'x-session-id': session,
        'x-kept': 'yes',
        'x-btp-destination': 'secret',
      },
      body: JSON.stringify({ jsonrpc: '2.0', ...calls(1, 'echo') }),
    });
    const seen = await upstream.arrived(before + 1);
    expect(seen.header('x-kept')).toBe('yes');
    expect(seen.url).toBe('/mcp');
    expect(seen.rawHeaders.join('\n')).not.toContain(session);
    expect(seen.rawHeaders.join('\n')).not.toContain(keys.ada);
    expect(await reader.message()).toMatchObject({ id: 1 });
  });

  it('answers the POST at once, however long the call takes, and cuts the call when the client leaves', async () => {
    const reader = await open();
    const before = upstream.requests.length;
    upstream.handler = hang();
    expect((await post(reader, calls(1, 'echo'))).status).toBe(202);
    const seen = await upstream.arrived(before + 1);
    expect(seen.closedAt).toBeUndefined();
    await reader.close();
    await seen.closed;
    const record = await drawbridge.record(({ rpc, status }) => rpc === 'tools/call' && status === 499);
    expect(record).toMatchObject({ destination: 'common', door: 'mcp' });
    const answer = await post(reader, calls(2, 'echo'));
    expect(answer.status).toBe(404);
  });

  it('cuts off a client that does not read', async () => {
    const reader = await open();
    reader.pause();
    const event = { data: { jsonrpc: '2.0', method: 'notifications/message', params: { data: 'x'.repeat(900_000) } } };
    upstream.handler = sse(Array.from({ length: 40 }, () => event));
    expect((await post(reader, calls(1, 'echo'))).status).toBe(202);
    await drawbridge.record(({ method, outcome }) => method === 'GET' && outcome === 'upstream-broke', 15_000);
    for (;;) {
      if ((await post(reader, calls(2, 'echo'))).status === 404) break;
      await sleep(20);
    }
  });

  it('lets what is under way end when the process stops', async () => {
    const other = await startDrawbridge({
      server: { drainMs: 5000 },
      destinations: { common: { kind: 'http', url: upstream.url } },
    });
    const reader = await openSse(new URL('/sse/common', other.url).href);
    const idle = await openSse(new URL('/sse/common', other.url).href);
    upstream.handler = async (seen, response, incoming) => {
      await idle.closed;
      return json({ done: true })(seen, response, incoming);
    };
    await request(new URL(reader.endpoint, other.url).href, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify({ jsonrpc: '2.0', ...calls(5, 'echo') }),
    });
    const began = Date.now();
    const stopped = other.stop();
    expect(await reader.message()).toMatchObject({ id: 5, result: { done: true } });
    await reader.closed;
    expect(await stopped).toEqual({ code: 0, signal: null });
    expect(Date.now() - began).toBeLessThan(4500);
  });
});
