import { setInterval as every, setTimeout as sleep } from 'node:timers/promises';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { RawClient, rawRequest } from '../helpers/raw.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { expectRefusal, hintOf, type Refusal } from './refusals.js';
import { call, get, type Lines, post } from './requests.js';

const MIB = 1024 * 1024;

/** Bodies that nobody should have to look at; the upstream never does. */
let upstream: Upstream;
let drawbridge: Drawbridge;

beforeAll(async () => {
  upstream = await startUpstream(json({ ok: true }, { Connection: 'close' }));
  drawbridge = await startDrawbridge({ destinations: { tools: { kind: 'http', url: upstream.url } } });
});

afterEach(async () => {
  expect(upstream.requests).toHaveLength(0);
  const answer = await rawRequest(drawbridge.port, post('/mcp/tools', call('after')));
  expect([answer.status, answer.body.toString()]).toEqual([200, '{"jsonrpc":"2.0","id":"after","result":{"ok":true}}']);
  upstream.requests.length = 0;
});

afterAll(async () => {
  await drawbridge?.stop();
  await upstream?.close();
});

const PARSE_ERROR: Refusal = { status: 400, code: 'PARSE_ERROR', rpc: -32700 };
const INVALID_REQUEST: Refusal = { status: 400, code: 'INVALID_REQUEST', rpc: -32600 };
const HEADER_MISMATCH: Refusal = { status: 400, code: 'HEADER_MISMATCH', rpc: -32020 };
const UNSUPPORTED: Refusal = { status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' };
const TOO_LARGE: Refusal = { status: 413, code: 'BODY_TOO_LARGE' };

const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
const batch = `[${ping}]`;

function modern(method: string, name?: string): string {
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
  return JSON.stringify({ jsonrpc: '2.0', id: 9, method, params: { ...(name ? { name } : {}), _meta } });
}

describe('a body that says nothing', () => {
  it.each<[string, string | Buffer, Refusal]>([
    ['no body', '', PARSE_ERROR],
    ['half a JSON text', '{"jsonrpc":"2.0","id":1,', PARSE_ERROR],
    ['JSON with a comment', `${ping}// why not`, PARSE_ERROR],
    ['two JSON texts', ping + ping, PARSE_ERROR],
    ['a byte order mark', `\ufeff${ping}`, PARSE_ERROR],
    ['Latin-1', Buffer.from('{"jsonrpc":"2.0","id":1,"method":"gr\u00fc\u00df"}', 'latin1'), PARSE_ERROR],
    ['UTF-16', Buffer.from(ping, 'utf16le'), PARSE_ERROR],
    ['nesting a hundred thousand deep', '['.repeat(100_000), PARSE_ERROR],
    ['text', '"ping"', INVALID_REQUEST],
    ['null', 'null', INVALID_REQUEST],
    ['an object without jsonrpc', '{"id":1,"method":"ping"}', INVALID_REQUEST],
    ['JSON-RPC 1.0', '{"jsonrpc":"1.0","id":1,"method":"ping"}', INVALID_REQUEST],
    ['a method that is no text', '{"jsonrpc":"2.0","id":1,"method":{}}', INVALID_REQUEST],
    ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"ping"}', INVALID_REQUEST],
    ['neither method, result nor error', '{"jsonrpc":"2.0","id":1}', INVALID_REQUEST],
    ['an empty batch', '[]', INVALID_REQUEST],
    ['a batch of text', '["ping"]', INVALID_REQUEST],
    ['a modern request in a batch', `[${modern('tools/list')}]`, INVALID_REQUEST],
  ])('%s', async (_what, body, refusal) => {
    expectRefusal(await rawRequest(drawbridge.port, post('/mcp/tools', body)), refusal);
  });

  it.each(['2025-06-18', '2025-11-25', '2026-07-28'])('a batch in %s, which has none', async (revision) => {
    const answer = await rawRequest(drawbridge.port, post('/mcp/tools', batch, { 'MCP-Protocol-Version': revision }));
    expectRefusal(answer, INVALID_REQUEST);
  });
});

describe('a body that its headers contradict', () => {
  const said = { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'tools/call', 'Mcp-Name': 'count' };

  it.each<[string, Lines]>([
    ['Mcp-Method of another call', { ...said, 'Mcp-Method': 'tools/list' }],
    ['Mcp-Name of another tool', { ...said, 'Mcp-Name': 'erase' }],
    ['Mcp-Name in another case', { ...said, 'Mcp-Name': 'Count' }],
    ['Mcp-Name of another tool in base64', { ...said, 'Mcp-Name': '=?base64?ZXJhc2U=?=' }],
    ['two Mcp-Names', { ...said, 'mcp-name': 'erase' }],
    ['MCP-Protocol-Version of another revision', { ...said, 'MCP-Protocol-Version': '2025-11-25' }],
    ['no Mcp-Method', { ...said, 'Mcp-Method': undefined }],
    ['no Mcp-Name', { ...said, 'Mcp-Name': undefined }],
    ['no MCP-Protocol-Version', { ...said, 'MCP-Protocol-Version': undefined }],
  ])('%s', async (_what, lines) => {
    const answer = await rawRequest(drawbridge.port, post('/mcp/tools', modern('tools/call', 'count'), lines));
    expectRefusal(answer, { ...HEADER_MISMATCH, id: 9 });
  });

  it('Mcp-Method of another call, from a client of an older revision', async () => {
    const answer = await rawRequest(drawbridge.port, post('/mcp/tools', call('old'), { 'Mcp-Method': 'tools/list' }));
    expectRefusal(answer, { ...HEADER_MISMATCH, id: 'old' });
  });
});

describe('a body of another kind', () => {
  it.each<[string, Lines]>([
    ['text', { 'Content-Type': 'text/plain' }],
    ['a form', { 'Content-Type': 'application/x-www-form-urlencoded' }],
    ['what only begins like JSON', { 'Content-Type': 'application/json-patch+json' }],
    ['no media type', { 'Content-Type': undefined }],
    ['gzip', { 'Content-Encoding': 'gzip' }],
    ['two codings', { 'Content-Encoding': 'identity, br' }],
  ])('%s', async (_what, lines) => {
    expectRefusal(await rawRequest(drawbridge.port, post('/mcp/tools', ping, lines)), UNSUPPORTED);
  });

  it('a method that MCP has not', async () => {
    const answer = await rawRequest(drawbridge.port, get('/mcp/tools', {}, 'PATCH'));
    expectRefusal(answer, { status: 405, code: 'METHOD_NOT_ALLOWED' });
    expect(answer.header('allow')).toBe('GET, POST, DELETE');
  });
});

describe('a body that is too large', () => {
  const large = Buffer.alloc(5 * MIB, ' ');

  it('5 MB that were announced: the 413 is there to be read', async () => {
    const answer = await rawRequest(drawbridge.port, post('/mcp/tools', large));
    expectRefusal(answer, TOO_LARGE);
    expect(hintOf(answer)).toContain('server.maxBodyBytes');
  });

  it('5 MB that were announced, of which none comes before the 413', async () => {
    const announced = post('/mcp/tools', '', { 'Content-Length': String(5 * MIB), Expect: '100-continue' });
    const client = await RawClient.open(drawbridge.port);
    client.send(announced);
    let answer = await client.answer();
    if (answer.status === 100) answer = await client.answer();
    expectRefusal(answer, TOO_LARGE);
    client.destroy();
  });

  it('5 MB in chunks: the 413 is there to be read', async () => {
    const client = await RawClient.open(drawbridge.port);
    client.send(post('/mcp/tools', '', { 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' }));
    client.send(Buffer.concat([Buffer.from(`${large.length.toString(16)}\r\n`), large, Buffer.from('\r\n0\r\n\r\n')]));
    expectRefusal(await client.answer(), TOO_LARGE);
    client.destroy();
  });

  it('a call with 5 MB of blanks behind it: what was refused as too large is not called all the same', async () => {
    const client = await RawClient.open(drawbridge.port);
    client.send(post('/mcp/tools', '', { 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' }));
    client.send(`${ping.length.toString(16)}\r\n${ping}\r\n`);
    await sleep(50);
    client.send(Buffer.concat([Buffer.from(`${large.length.toString(16)}\r\n`), large, Buffer.from('\r\n0\r\n\r\n')]));
    expectRefusal(await client.answer(), TOO_LARGE);
    await sleep(300);
    client.destroy();
  });

  it('a body that never ends: the 413 is there to be read, and the socket is cut soon after', async () => {
    const client = await RawClient.open(drawbridge.port);
    client.send(post('/mcp/tools', '', { 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' }));
    const chunk = Buffer.concat([Buffer.from('40000\r\n'), Buffer.alloc(256 * 1024, ' '), Buffer.from('\r\n')]);
    const flood = (async () => {
      for await (const _ of every(5)) {
        if (client.closed) return;
        client.send(chunk);
      }
    })();
    expectRefusal(await client.answer(), TOO_LARGE);
    const refusedAt = Date.now();
    await client.gone();
    expect(Date.now() - refusedAt).toBeLessThan(4000);
    await flood;
  });
});
