import demo from '../../../src/connectors/demo/demo.js';
import type { Expansion, KindDeps } from '../../../src/contracts.js';
import { FakeClock } from '../../helpers/fakes.js';
import { rawRequest } from '../../helpers/raw.js';

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

interface Credential {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly origins: readonly string[];
}

let clock: FakeClock;
let running: Expansion;

beforeEach(async () => {
  clock = new FakeClock();
  running = await demo.create(demo.options.parse({}), { clock } as unknown as KindDeps);
});

afterEach(() => running.close?.());

const credential = () => running.credential as unknown as Credential;
const mcpUrl = () => running.destination.url as string;

interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly body: { readonly [key: string]: unknown };
}

async function got(answer: Response): Promise<Got> {
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? {} : JSON.parse(text) };
}

async function askToken(form: Record<string, string> | string, headers: Record<string, string> = {}): Promise<Got> {
  const body = new URLSearchParams(form);
  return got(await fetch(credential().tokenUrl, { method: 'POST', body, headers }));
}

async function token(): Promise<string> {
  const { clientId, clientSecret } = credential();
  const { body } = await askToken({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
  });
  return String(body.access_token);
}

async function post(body: unknown, headers: Record<string, string> = {}, bearer?: string): Promise<Response> {
  return fetch(mcpUrl(), {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${bearer ?? (await token())}`,
      ...headers,
    },
  });
}

/** A request of 2026-07-28 with the headers that it needs. */
async function modern(method: string, params: Record<string, unknown> = {}, headers: Record<string, string> = {}) {
  const named = typeof params.name === 'string' ? { 'Mcp-Name': params.name } : {};
  return got(
    await post(
      { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: META } },
      { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': method, ...named, ...headers },
    ),
  );
}

async function legacy(method: string, params?: Record<string, unknown>) {
  return got(await post({ jsonrpc: '2.0', id: 'a', method, ...(params ? { params } : {}) }));
}

describe('the demo', () => {
  it('stands for an http destination and the credential that it needs', () => {
    expect(running.destination).toEqual({
      kind: 'http',
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/mcp$/),
    });
    expect(running.credential).toMatchObject({ kind: 'client-credentials', origins: [new URL(mcpUrl()).origin] });
    expect(credential().clientSecret.length).toBeGreaterThan(40);
  });

  it('has another secret each time, and leaves nothing behind', async () => {
    const other = await demo.create({ tokenLifetimeSeconds: 5 }, { clock } as unknown as KindDeps);
    expect((other.credential as unknown as Credential).clientSecret).not.toBe(credential().clientSecret);
    await other.close?.();
    await expect(fetch(other.destination.url as string)).rejects.toThrow();
  });
});

describe('its token endpoint', () => {
  it('issues short-lived tokens, each with an id of its own', async () => {
    const { clientId, clientSecret } = credential();
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
    const one = await askToken(form);
    expect(one).toMatchObject({ status: 200, body: { token_type: 'Bearer', expires_in: 30 } });
    expect(one.headers.get('cache-control')).toBe('no-store');
    expect(await token()).not.toBe(one.body.access_token);
  });

  it('takes the secret by Basic too, but not in both ways at once', async () => {
    const { clientId, clientSecret } = credential();
    const headers = { Authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` };
    expect((await askToken({ grant_type: 'client_credentials' }, headers)).status).toBe(200);
    const both = await askToken({ grant_type: 'client_credentials', client_secret: clientSecret }, headers);
    expect(both).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  it('serves the key that its tokens are signed with', async () => {
    const { body } = await got(await fetch(new URL('/jwks', credential().tokenUrl)));
    expect(body).toMatchObject({ keys: [{ kty: 'EC', alg: 'ES256', use: 'sig' }] });
    expect(JSON.stringify(body)).not.toContain('"d"');
  });

  it.each([
    [
      'a wrong secret',
      401,
      'invalid_client',
      { grant_type: 'client_credentials', client_id: 'drawbridge-demo', client_secret: 'x' },
    ],
    ['no client', 401, 'invalid_client', { grant_type: 'client_credentials' }],
    ['a parameter twice', 400, 'invalid_request', 'grant_type=client_credentials&grant_type=client_credentials'],
  ])('refuses %s by the book', async (_what, status, error, form) => {
    expect(await askToken(form)).toMatchObject({ status, body: { error } });
  });

  it('refuses other grants, bodies and methods by the book', async () => {
    const { clientId, clientSecret, tokenUrl } = credential();
    const client = { client_id: clientId, client_secret: clientSecret };
    expect((await askToken(client)).body.error).toBe('invalid_request');
    expect((await askToken({ ...client, grant_type: 'password' })).body.error).toBe('unsupported_grant_type');
    const json = { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } };
    expect((await got(await fetch(tokenUrl, json))).body.error).toBe('invalid_request');
    expect((await fetch(tokenUrl)).status).toBe(405);
    expect((await fetch(new URL('/else', tokenUrl))).status).toBe(404);
  });
});

describe('its MCP server: who may in', () => {
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };

  it('lets a good token in until it expires', async () => {
    const bearer = await token();
    expect((await post(ping, {}, bearer)).status).toBe(200);
    clock.time += 31_000;
    const late = await post(ping, {}, bearer);
    expect(late.status).toBe(401);
    expect(late.headers.get('www-authenticate')).toContain('Bearer realm="demo", error="invalid_token"');
  });

  it('refuses whoever shows nothing without calling it wrong', async () => {
    const answer = await fetch(mcpUrl(), { method: 'POST', body: '{}' });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="demo"');
  });

  it('refuses what it did not issue, and what was changed', async () => {
    const other = await demo.create({ tokenLifetimeSeconds: 30 }, { clock } as unknown as KindDeps);
    const mine = credential();
    const foreign = other.credential as unknown as Credential;
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: foreign.clientId,
      client_secret: foreign.clientSecret,
    });
    const { access_token } = (await got(await fetch(foreign.tokenUrl, { method: 'POST', body }))).body;
    expect((await post(ping, {}, String(access_token))).status).toBe(401);
    const [head, , signature] = (await token()).split('.');
    const claims = { iss: new URL(mine.tokenUrl).origin, aud: 'urn:drawbridge:demo', exp: 9_999_999_999 };
    const forged = Buffer.from(JSON.stringify(claims)).toString('base64url');
    expect((await post(ping, {}, `${head}.${forged}.${signature}`)).status).toBe(401);
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    expect((await post(ping, {}, `${none}.${forged}.`)).status).toBe(401);
    await other.close?.();
  });
});

describe('its MCP server: 2026-07-28', () => {
  it('discovers, lists and calls', async () => {
    const discovered = await modern('server/discover');
    expect(discovered.body.result).toMatchObject({
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {} },
      ttlMs: 300_000,
      cacheScope: 'public',
      resultType: 'complete',
    });
    const listed = await modern('tools/list');
    expect(listed.body.result).toMatchObject({
      tools: [{ name: 'echo' }, { name: 'whoami' }, { name: 'countdown' }],
      ttlMs: expect.any(Number),
      cacheScope: 'public',
      resultType: 'complete',
    });
    const called = await modern('tools/call', { name: 'echo', arguments: { text: 'Grüezi' } });
    expect(called.body).toMatchObject({ id: 1, result: { content: [{ text: 'Grüezi' }], resultType: 'complete' } });
  });

  it('shows the token, so that a renewal is seen', async () => {
    const whoami = async () => {
      const { body } = await modern('tools/call', { name: 'whoami' });
      return JSON.parse((body.result as { content: [{ text: string }] }).content[0].text);
    };
    const one = await whoami();
    expect(one).toMatchObject({
      subject: 'drawbridge-demo',
      issuedAt: '2026-11-21T00:00:00.000Z',
      expiresAt: '2026-11-21T00:00:30.000Z',
    });
    expect((await whoami()).id).not.toBe(one.id);
  });

  const call = { name: 'echo', arguments: { text: '' } };
  it.each([
    ['a missing version', 'tools/list', {}, { 'MCP-Protocol-Version': '' }, 400, -32020],
    ['a missing method', 'tools/list', {}, { 'Mcp-Method': '' }, 400, -32020],
    ['another method', 'tools/list', {}, { 'Mcp-Method': 'tools/call' }, 400, -32020],
    ['another name', 'tools/call', call, { 'Mcp-Name': 'whoami' }, 400, -32020],
    ['an unknown method', 'tools/invent', {}, {}, 404, -32601],
    ['a method of the old revisions', 'ping', {}, {}, 404, -32601],
    ['an unknown tool', 'tools/call', { name: 'rm' }, {}, 200, -32602],
    ['a prototype’s property', 'constructor', {}, {}, 404, -32601],
  ])('refuses %s', async (_what, method, params, headers, status, code) => {
    expect(await modern(method, params, headers)).toMatchObject({ status, body: { id: 1, error: { code } } });
  });

  it('takes a name in base64', async () => {
    const encoded = `=?base64?${Buffer.from('echo').toString('base64')}?=`;
    expect((await modern('tools/call', call, { 'Mcp-Name': encoded })).status).toBe(200);
  });

  it('names what it supports to other revisions, and asks for capabilities', async () => {
    const ask = (meta: object, version: string) =>
      post(
        { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: meta } },
        { 'MCP-Protocol-Version': version, 'Mcp-Method': 'tools/list' },
      ).then(got);
    const key = 'io.modelcontextprotocol/protocolVersion';
    expect(await ask({ ...META, [key]: '2099-01-01' }, '2099-01-01')).toMatchObject({
      status: 400,
      body: { error: { code: -32022, data: { supported: ['2026-07-28'], requested: '2099-01-01' } } },
    });
    expect(await ask({ [key]: '2026-07-28' }, '2026-07-28')).toMatchObject({
      status: 400,
      body: { error: { code: -32602 } },
    });
    expect(await ask({}, '2026-07-28')).toMatchObject({ status: 400, body: { error: { code: -32602 } } });
  });

  it('answers wrong arguments as the tool', async () => {
    const { status, body } = await modern('tools/call', { name: 'echo', arguments: { text: 1 } });
    expect([status, body.result]).toMatchObject([200, { isError: true, resultType: 'complete' }]);
  });

  it('streams progress to whoever wants it, five times a second', async () => {
    const params = { name: 'countdown', arguments: { from: 3 }, _meta: { ...META, progressToken: 'p' } };
    const headers = {
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': 'tools/call',
      'Mcp-Name': 'countdown',
      Accept: 'application/json, text/event-stream',
    };
    const answer = await post({ jsonrpc: '2.0', id: 7, method: 'tools/call', params }, headers);
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    const events = (await answer.text()).trim().split('\n\n').map(dataOf);
    expect(events).toEqual([
      ...[1, 2, 3].map((progress) => ({
        jsonrpc: '2.0',
        method: 'notifications/progress',
        params: { progressToken: 'p', progress, total: 3, message: String(3 - progress) },
      })),
      { jsonrpc: '2.0', id: 7, result: expect.objectContaining({ resultType: 'complete' }) },
    ]);
    expect(clock.slept).toEqual([200, 200, 200]);
  });

  it('counts in silence for whoever does not', async () => {
    const { body } = await modern('tools/call', { name: 'countdown', arguments: { from: 2 } });
    expect(body.result).toMatchObject({ content: [{ text: 'Lift-off' }] });
  });

  function dataOf(event: string): unknown {
    return JSON.parse(event.slice(event.indexOf('data: ') + 6));
  }
});

describe('its MCP server: the revisions of 2025', () => {
  it.each(['2025-11-25', '2025-06-18', '2025-03-26'])('speaks %s when asked to', async (protocolVersion) => {
    const { body } = await legacy('initialize', { protocolVersion, capabilities: {}, clientInfo: {} });
    expect(body.result).toMatchObject({ protocolVersion, capabilities: { tools: {} } });
    expect(body.result).not.toHaveProperty('resultType');
  });

  it('offers the newest of them to a client that asks for another', async () => {
    const { body } = await legacy('initialize', { protocolVersion: '2024-11-05' });
    expect(body.result).toMatchObject({ protocolVersion: '2025-11-25' });
  });

  it('takes notifications and answers without a word', async () => {
    const note = await post({ jsonrpc: '2.0', method: 'notifications/initialized' });
    expect([note.status, await note.text()]).toEqual([202, '']);
    expect((await post({ jsonrpc: '2.0', id: 1, result: {} })).status).toBe(202);
  });

  it('pings, lists and calls', async () => {
    expect(await legacy('ping')).toMatchObject({ status: 200, body: { id: 'a', result: {} } });
    expect((await legacy('tools/list')).body.result).not.toHaveProperty('ttlMs');
    const { body } = await legacy('tools/call', { name: 'echo', arguments: { text: 'hi' } });
    expect(body.result).toEqual({ content: [{ type: 'text', text: 'hi' }] });
    expect(await legacy('server/discover')).toMatchObject({ status: 200, body: { error: { code: -32601 } } });
  });

  it('has no stream of its own and no sessions', async () => {
    const headers = { Authorization: `Bearer ${await token()}` };
    for (const method of ['GET', 'DELETE']) {
      const answer = await fetch(mcpUrl(), { method, headers });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
    }
  });
});

describe('its MCP server: nonsense', () => {
  it.each([
    ['nothing', '', 400, -32700],
    ['half an object', '{"jsonrpc":', 400, -32700],
    ['a word', '"hello"', 400, -32600],
    ['null', 'null', 400, -32600],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', 400, -32600],
    ['JSON-RPC 1', '{"id":1,"method":"ping"}', 400, -32600],
    ['an id that is null', '{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600],
    ['params that are a list', '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', 400, -32600],
    ['more than 1 MiB', ' '.repeat(1_048_577), 413, -32600],
  ])('survives %s', async (_what, body, status, code) => {
    const answer = await got(await post(body));
    expect(answer).toMatchObject({ status, body: { error: { code } } });
    expect(answer.body).not.toHaveProperty('id');
  });

  it('survives other media types, bytes that are no text, and no HTTP at all', async () => {
    expect((await post('{}', { 'Content-Type': 'text/plain' })).status).toBe(415);
    const bearer = await token();
    const { port } = new URL(mcpUrl());
    const head = `POST /mcp HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${bearer}\r\nContent-Type: application/json\r\n`;
    expect((await rawRequest(Number(port), `${head}Content-Length: 2\r\n\r\n\xff\xfe`)).status).toBe(400);
    expect((await rawRequest(Number(port), 'hello\r\n\r\n')).status).toBe(400);
    expect((await legacy('ping')).status).toBe(200);
  });
});
