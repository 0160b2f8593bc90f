import type { OutgoingHttpHeaders } from 'node:http';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { rawRequest } from '../helpers/raw.js';
import { json, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';
import { call, post } from './requests.js';

/** Answers that say no: they are the upstream's own, and pass byte for byte. */
let upstream: Upstream;
let elsewhere: Upstream;
let drawbridge: Drawbridge;

beforeAll(async () => {
  [upstream, elsewhere] = await Promise.all([startUpstream(json({})), startUpstream(json({}))]);
  drawbridge = await startDrawbridge({
    destinations: { tools: { kind: 'http', url: upstream.url } },
    resilience: { retry: { attempts: 1 }, circuitBreaker: { failures: 1000 } },
  });
});

beforeEach(() => {
  upstream.requests.length = 0;
});

afterAll(async () => {
  await drawbridge?.stop();
  await Promise.all([upstream?.close(), elsewhere?.close()]);
});

const CHALLENGE = 'Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource"';
const BYTES = Buffer.from([0x7b, 0x20, 0xff, 0xfe, 0x00, 0x0d, 0x0a, 0x7d]);

describe('an answer that says no', () => {
  it.each<[number, OutgoingHttpHeaders, string | Buffer]>([
    [
      400,
      { 'Content-Type': 'application/json' },
      '{ "jsonrpc":"2.0",\n\t"id" :1, "error":{"code":-32022,"message":"x"} }',
    ],
    [400, { 'Content-Type': 'text/plain' }, 'Bad Request: No valid session ID provided'],
    [401, { 'WWW-Authenticate': CHALLENGE, 'Content-Type': 'application/json' }, '{"error":"invalid_token"}'],
    [403, { 'WWW-Authenticate': 'Bearer error="insufficient_scope"' }, ''],
    [
      404,
      { 'Content-Type': 'application/json' },
      '{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}',
    ],
    [404, { 'Content-Type': 'text/html' }, '<h1>404</h1>\n'],
    [405, { Allow: 'POST' }, ''],
    [409, { 'Content-Type': 'application/octet-stream' }, BYTES],
    [418, { 'X-Odd': 'a', 'Set-Cookie': ['b=1', 'c=2'] }, 'short and stout'],
    [429, { 'Retry-After': '120' }, 'slow down'],
    [500, { 'Content-Type': 'text/plain' }, 'TypeError: at /srv/server.js:1:1'],
    [503, { 'Retry-After': '120' }, ''],
  ])('%i passes as it is: %j', async (code, headers, body) => {
    upstream.handler = status(code, headers, body);
    const answer = await rawRequest(drawbridge.port, post('/mcp/tools', call(1)));
    expect(answer.status).toBe(code);
    expect(answer.body).toEqual(Buffer.from(body));
    const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((each) => [name, each]));
    expect(answer.lines).toEqual(expect.arrayContaining(lines));
    expect(upstream.requests).toHaveLength(1);
  });

  it('a redirect passes, and nobody follows it', async () => {
    upstream.handler = status(307, { Location: elsewhere.url });
    const answer = await rawRequest(drawbridge.port, post('/mcp/tools', call(1)));
    expect([answer.status, answer.header('location')]).toEqual([307, elsewhere.url]);
    expect(elsewhere.requests).toEqual([]);
  });

  it('early hints go before the answer and do not stand for it', async () => {
    upstream.handler = (_seen, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.writeHead(200, { 'Content-Type': 'text/plain' }).end('the answer');
    };
    const answer = await rawRequest(drawbridge.port, post('/mcp/tools', call(1)));
    expect([answer.status, answer.body.toString()]).toEqual([200, 'the answer']);
  });
});
