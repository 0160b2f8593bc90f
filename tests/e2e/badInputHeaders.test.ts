import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type RawAnswer, RawClient, rawRequest } from '../helpers/raw.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { expectPlainRefusal, expectRefusal } from './refusals.js';
import { call, get, type Lines, post } from './requests.js';

/** Heads: too many lines, foreign hosts, foreign pages. */
let upstream: Upstream;
let drawbridge: Drawbridge;

beforeAll(async () => {
  upstream = await startUpstream(json({ ok: true }, { Connection: 'close', 'Access-Control-Allow-Origin': '*' }));
  // It shall see every line that is passed on.
  upstream.server.maxHeadersCount = 0;
  drawbridge = await startDrawbridge({
    server: { allowedOrigins: ['https://app.example.com'] },
    destinations: { tools: { kind: 'http', url: upstream.url } },
  });
});

beforeEach(() => {
  upstream.requests.length = 0;
});

afterAll(async () => {
  await drawbridge?.stop();
  await upstream?.close();
});

const ask = (lines: Lines) => rawRequest(drawbridge.port, post('/mcp/tools', call(1), lines));

describe('many header lines', () => {
  const many = (count: number, value: string) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`a${index}`, value]));

  it.each<[string, number, string]>([
    ['10,000 lines', 10_000, 'some value'],
    ['10,000 empty lines', 10_000, ''],
    ['one line of 8 MB', 1, 'x'.repeat(8 * 1024 * 1024)],
  ])('%s: the 431 is there to be read, and the connection closes', async (_what, count, value) => {
    const client = await RawClient.open(drawbridge.port);
    client.send(post('/mcp/tools', call(1), many(count, value)));
    expectPlainRefusal(await client.answer(), { status: 431, code: 'HEADERS_TOO_LARGE' });
    await client.gone();
    expect(upstream.requests).toHaveLength(0);
  });

  it('3,000 tiny lines: all of them count, the last as much as the first', async () => {
    const tiny = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [index.toString(16), '']));
    const answer = await rawRequest(drawbridge.port, post('/mcp', call(1), { ...tiny, 'x-btp-destination': 'tools' }));
    expect(answer.status).toBe(200);
    const arrived = new Set(upstream.requests[0]?.rawHeaders);
    expect(Object.keys(tiny).filter((name) => !arrived.has(name))).toEqual([]);
  });
});

describe('a foreign Host, as DNS rebinding brings it', () => {
  it.each([
    'evil.example.com',
    'evil.example.com:3001',
    'localhost.evil.example.com',
    '127.0.0.1.evil.example.com',
    'localhost@evil.example.com',
    '',
    'localhost, evil.example.com',
  ])('%s', async (host) => {
    expectRefusal(await ask({ Host: host }), { status: 403, code: 'HOST_NOT_ALLOWED' });
    expect(upstream.requests).toHaveLength(0);
  });

  it.each(['localhost', 'localhost:9', '127.0.0.1:3001', '[::1]:3001', 'LOCALHOST'])(
    '%s is not foreign',
    async (host) => {
      expect((await ask({ Host: host })).status).toBe(200);
    },
  );
});

describe('a foreign Origin', () => {
  it.each([
    'https://evil.example.com',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com.evil.example',
    'http://localhost.evil.example.com',
    'null',
    '',
  ])('%s', async (origin) => {
    const answer = await ask({ Origin: origin });
    expectRefusal(answer, { status: 403, code: 'ORIGIN_NOT_ALLOWED' });
    expect(corsOf(answer)).toEqual({});
    expect(upstream.requests).toHaveLength(0);
  });

  it('is refused to ask first, too', async () => {
    const answer = await preflight({ Origin: 'https://evil.example.com' });
    expectRefusal(answer, { status: 403, code: 'ORIGIN_NOT_ALLOWED' });
    expect(corsOf(answer)).toEqual({});
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('an allowed Origin', () => {
  const Origin = 'https://app.example.com';

  it('gets leave for what it may send, and for nothing else', async () => {
    const asked = 'content-type, mcp-protocol-version, Mcp-Param-City, x-evil, cookie, mcp-param-';
    const answer = await preflight({ Origin, 'Access-Control-Request-Headers': asked });
    expect(answer.status).toBe(204);
    expect(corsOf(answer)).toMatchObject({
      'access-control-allow-origin': Origin,
      'access-control-allow-methods': 'GET, POST, DELETE',
      'access-control-allow-headers': 'content-type, mcp-protocol-version, mcp-param-city',
    });
    expect(upstream.requests).toHaveLength(0);
  });

  it("reads answers, under our own line and not the upstream's", async () => {
    expect(allowedIn(await ask({ Origin }))).toEqual([Origin]);
  });

  it.each<[string, number, () => Buffer]>([
    ['broken JSON', 400, () => post('/mcp/tools', '{', { Origin })],
    ['an unknown destination', 403, () => post('/mcp/nobody', call(1), { Origin })],
    ['a body that is too large', 413, () => post('/mcp/tools', ' '.repeat(5_000_000), { Origin })],
    ['another media type', 415, () => post('/mcp/tools', '', { Origin, 'Content-Type': 'text/plain' })],
    ['a path where nothing is', 404, () => get('/nothing', { Origin })],
  ])('reads why it was refused: %s', async (_what, status, bytes) => {
    const answer = await rawRequest(drawbridge.port, bytes());
    expect(answer.status).toBe(status);
    expect(allowedIn(answer)).toEqual([Origin]);
    expect(answer.header('vary')).toBe('Origin');
    expect(answer.header('access-control-expose-headers')).toContain('x-request-id');
  });
});

function preflight(lines: Lines): Promise<RawAnswer> {
  return rawRequest(
    drawbridge.port,
    get('/mcp/tools', { 'Access-Control-Request-Method': 'POST', ...lines }, 'OPTIONS'),
  );
}

function corsOf({ lines }: RawAnswer): Record<string, string> {
  const pairs = lines.flatMap((name, index) => (index % 2 === 0 ? [[name.toLowerCase(), lines[index + 1]]] : []));
  return Object.fromEntries(pairs.filter(([name]) => name?.startsWith('access-control-')));
}

function allowedIn({ lines }: RawAnswer): (string | undefined)[] {
  return lines.flatMap((name, index) =>
    index % 2 === 0 && name.toLowerCase() === 'access-control-allow-origin' ? [lines[index + 1]] : [],
  );
}
