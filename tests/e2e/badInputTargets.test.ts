import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type RawAnswer, rawRequest } from '../helpers/raw.js';
import { type Provider, sendJson, startTokenServer } from '../helpers/tokenServer.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { expectRefusal, type Refusal } from './refusals.js';
import { call, type Lines, post } from './requests.js';

/**
 * URLs in a header. `inside` stands for what only this machine may reach; the destination `strict` lists every way to write
 * its address, and its credential may be shown there, so that nothing but the rule on addresses stands between.
 */
let inside: Upstream;
let upstream: Upstream;
let provider: Provider;
let drawbridge: Drawbridge;

/** The ways to write a loopback address that a URL parser or a resolver sees through. */
const LITERALS = [
  '127.0.0.1',
  '127.0.0.1.',
  '127.1',
  '2130706433',
  '0x7f000001',
  '0177.0.0.1',
  '127.0.0.2',
  '0.0.0.0',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[64:ff9b::127.0.0.1]',
  '%31%32%37.0.0.1',
];
const NAMES = ['localhost', 'LOCALHOST'];
/** Rooted, as DNS has it; not every resolver knows it. */
const ROOTED = 'localhost.';
/** Where clouds keep the secrets of a machine, and networks that are nobody else's. */
const PRIVATE = ['169.254.169.254', '10.0.0.1', '172.16.0.1', '192.168.0.1', '100.64.0.1', '[fd00::1]', '[fe80::1]'];

const SECRET = 'canary-client-secret';
const TOKEN = 'canary-token';

beforeAll(async () => {
  [inside, upstream] = await Promise.all([startUpstream(json({ from: 'inside' })), startUpstream(json({ ok: true }))]);
  provider = await startTokenServer({
    tokenPath: '/token',
    handler: () => (_request, response) => sendJson(response, 200, { access_token: TOKEN, expires_in: 3600 }),
  });
  const everywhere = [
    ...[...LITERALS, ...NAMES, ROOTED].map((host) => `http://${host}:${inside.port}`),
    ...PRIVATE.map((host) => `http://${host}`),
  ];
  const strict = { kind: 'http', url: upstream.url, allowedUrls: everywhere };
  const bearer = (origins: readonly string[]) => ({
    kind: 'client-credentials',
    tokenUrl: provider.tokenUrl,
    clientId: 'drawbridge',
    clientSecret: SECRET,
    origins,
  });
  const config = {
    destinations: {
      strict: { ...strict, credential: 'everywhere' },
      lenient: { ...strict, allowPrivate: true },
      own: { kind: 'http', url: upstream.url, allowedUrls: [inside.origin], allowPrivate: true, credential: 'home' },
    },
    credentials: { everywhere: bearer([upstream.origin, ...everywhere]), home: bearer([upstream.origin]) },
  };
  drawbridge = await startDrawbridge(config, { args: ['--allow-http'] });
});

beforeEach(() => {
  inside.requests.length = 0;
  upstream.requests.length = 0;
});

afterAll(async () => {
  await drawbridge?.stop();
  await Promise.all([inside?.close(), upstream?.close(), provider?.close()]);
});

function ask(destination: string, url: string, lines: Lines = {}): Promise<RawAnswer> {
  return rawRequest(drawbridge.port, post(`/mcp/${destination}`, call(5), { 'x-mcp-url': url, ...lines }));
}

const ADDRESS: Refusal = { status: 403, code: 'ADDRESS_NOT_ALLOWED', id: 5 };
const ORIGIN: Refusal = { status: 403, code: 'TARGET_NOT_ALLOWED' };
const INVALID: Refusal = { status: 400, code: 'INVALID_TARGET_URL' };

function expectNothingToldAnybody(): void {
  expect([...inside.requests, ...upstream.requests, ...provider.requests]).toEqual([]);
}

describe('an origin that the destination does not list', () => {
  it.each([
    'http://evil.example.com/',
    'http://169.254.170.2/latest/meta-data/',
    'https://127.0.0.1/',
    'http://127.0.0.1:1/',
    'http://localhost.evil.example.com/',
  ])('%s', async (url) => {
    expectRefusal(await ask('strict', url), ORIGIN);
    expectNothingToldAnybody();
  });

  it("another destination's own", async () => {
    expectRefusal(await ask('own', `http://localhost:${inside.port}/mcp`), ORIGIN);
    expectNothingToldAnybody();
  });

  it('a listed one whose port the caller takes for its own', async () => {
    expectRefusal(await ask('strict', `http://localhost:${drawbridge.port}/mcp/strict`), ORIGIN);
    expectNothingToldAnybody();
  });

  it('one that nobody lists, with no destination named', async () => {
    const bytes = post('/mcp', call(5), { 'x-mcp-url': 'http://169.254.170.2/latest/meta-data/' });
    expectRefusal(await rawRequest(drawbridge.port, bytes), ORIGIN);
    expectNothingToldAnybody();
  });

  it('one that several list, with no destination named', async () => {
    const bytes = post('/mcp', call(5), { 'x-mcp-url': inside.url });
    expectRefusal(await rawRequest(drawbridge.port, bytes), { status: 400, code: 'AMBIGUOUS_TARGET_URL' });
    expectNothingToldAnybody();
  });
});

describe('a URL that is none for us', () => {
  const password = 'canary-password';

  it.each([
    `http://admin:${password}@127.0.0.1/`,
    `http://${password}@127.0.0.1/`,
    `http://127.0.0.1/#${password}`,
    `file:///etc/${password}`,
    `gopher://127.0.0.1/${password}`,
    `//127.0.0.1/${password}`,
    `/mcp/${password}`,
    `http://[::1/${password}`,
    password,
  ])('%s, and it is not repeated', async (url) => {
    const answer = await ask('strict', url);
    expectRefusal(answer, INVALID);
    expect(answer.body.toString()).not.toContain(password);
    expectNothingToldAnybody();
    expect(drawbridge.stderr()).not.toContain(password);
  });
});

describe('an address that is not public', () => {
  it.each(LITERALS)('%s', async (host) => {
    expectRefusal(await ask('strict', `http://${host}:${inside.port}/mcp`), ADDRESS);
    expectNothingToldAnybody();
  });

  it.each(PRIVATE)('%s', async (host) => {
    expectRefusal(await ask('strict', `http://${host}/latest/meta-data/`), ADDRESS);
    expectNothingToldAnybody();
  });

  it('is reached where the destination says allowPrivate', async () => {
    const answer = await ask('lenient', inside.url);
    expect([answer.status, answer.body.toString()]).toEqual([200, expect.stringContaining('inside')]);
    expect(inside.requests).toHaveLength(1);
  });
});

describe('a name that resolves to an address that is not public', () => {
  // The name is judged where it is resolved, at the connection, so the token may have been fetched; it is never shown.
  it.each(NAMES)('%s', async (host) => {
    expectRefusal(await ask('strict', `http://${host}:${inside.port}/mcp`), ADDRESS);
    expect([...inside.requests, ...upstream.requests]).toEqual([]);
  });

  it('a name with a trailing dot, whether it resolves or not', async () => {
    const { status } = await ask('strict', `http://${ROOTED}:${inside.port}/mcp`);
    expect([403, 502]).toContain(status);
    expect([...inside.requests, ...upstream.requests]).toEqual([]);
  });

  it('is reached where the destination says allowPrivate', async () => {
    const answer = await ask('lenient', `http://localhost:${inside.port}/mcp`);
    expect([answer.status, answer.body.toString()]).toEqual([200, expect.stringContaining('inside')]);
  });
});

describe("a credential's origins", () => {
  it('a token is not fetched for an origin that its credential does not list', async () => {
    const before = provider.requests.length;
    expectRefusal(await ask('own', inside.url), { status: 403, code: 'CREDENTIAL_ORIGIN_NOT_ALLOWED', id: 5 });
    expect(inside.requests).toEqual([]);
    expect(provider.requests).toHaveLength(before);
  });

  it('a token that is held is not shown to an origin that its credential does not list', async () => {
    const answer = await rawRequest(drawbridge.port, post('/mcp/own', call(6)));
    expect(answer.status).toBe(200);
    expect(upstream.requests[0]?.header('authorization')).toBe(`Bearer ${TOKEN}`);
    expectRefusal(await ask('own', inside.url), { status: 403, code: 'CREDENTIAL_ORIGIN_NOT_ALLOWED', id: 5 });
    expect(inside.requests).toEqual([]);
  });

  it('neither answers nor the log say the secret or the token', () => {
    expect(drawbridge.stderr()).not.toMatch(new RegExp(`${SECRET}|${TOKEN}`));
  });
});
