import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type RawAnswer, RawClient } from '../helpers/raw.js';
import { hang, json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { expectPlainRefusal, expectRefusal } from './refusals.js';
import { call, get, post } from './requests.js';

/**
 * Requests whose end two readers could see in different places (RFC 9112 section 11.2). What hides in them is a call of the
 * tool `erase`: it must never be seen by the upstream, and never be answered.
 */
let upstream: Upstream;
let drawbridge: Drawbridge;

beforeAll(async () => {
  upstream = await startUpstream(json({ ok: true }));
  drawbridge = await startDrawbridge({ destinations: { tools: { kind: 'http', url: upstream.url } } });
});

beforeEach(() => {
  upstream.requests.length = 0;
});

afterAll(async () => {
  await drawbridge?.stop();
  await upstream?.close();
});

const BODY = call(1);
const SMUGGLED = post('/mcp/tools', call(666).replace('count', 'erase')).toString();
const HEAD = 'POST /mcp/tools HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
const LENGTH = `Content-Length: ${BODY.length}\r\n`;
const CHUNKED = `Transfer-Encoding: chunked\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
/** Ends the body at once for whoever reads chunks, and hides a call behind it for whoever counts bytes. */
const HIDDEN = `0\r\n\r\n${SMUGGLED}`;
const ALL = `Content-Length: ${HIDDEN.length}\r\n`;

interface Conversation {
  readonly answers: readonly RawAnswer[];
  readonly closed: boolean;
}

/** Sends the bytes, and a second request behind them, and takes whatever comes back until silence or the end. */
async function converse(bytes: string): Promise<Conversation> {
  const client = await RawClient.open(drawbridge.port);
  client.send(bytes);
  const answers: RawAnswer[] = [];
  for (;;) {
    try {
      answers.push(await client.answer({ timeoutMs: 250 }));
    } catch {
      const { closed } = client;
      client.destroy();
      return { answers, closed };
    }
  }
}

describe('a framing in doubt: refused, and the connection closes', () => {
  it.each<[string, string]>([
    ['two lengths', `${HEAD}${LENGTH}${ALL}\r\n${BODY}${SMUGGLED}`],
    ['the same length twice', `${HEAD}${LENGTH}${LENGTH}\r\n${BODY}${SMUGGLED}`],
    ['two lengths in one line', `${HEAD}Content-Length: ${BODY.length}, 0\r\n\r\n${BODY}${SMUGGLED}`],
    ['a length with a sign', `${HEAD}Content-Length: +${BODY.length}\r\n\r\n${BODY}${SMUGGLED}`],
    ['a negative length', `${HEAD}Content-Length: -1\r\n\r\n${SMUGGLED}`],
    ['a hexadecimal length', `${HEAD}Content-Length: 0x10\r\n\r\n${SMUGGLED}`],
    ['an empty length', `${HEAD}Content-Length:\r\n\r\n${SMUGGLED}`],
    ['a length past all numbers', `${HEAD}Content-Length: 18446744073709551617\r\n\r\n${SMUGGLED}`],
    ['CL.TE', `${HEAD}${ALL}Transfer-Encoding: chunked\r\n\r\n${HIDDEN}`],
    ['TE.CL', `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${HIDDEN}`],
    ['xchunked', `${HEAD}${ALL}Transfer-Encoding: xchunked\r\n\r\n${HIDDEN}`],
    ['xchunked alone', `${HEAD}Transfer-Encoding: xchunked\r\n\r\n${HIDDEN}`],
    ['chunked, but not last', `${HEAD}Transfer-Encoding: chunked, identity\r\n\r\n${HIDDEN}`],
    ['chunked behind a vertical tab', `${HEAD}${ALL}Transfer-Encoding: \x0bchunked\r\n\r\n${HIDDEN}`],
    ['chunked in quotes', `${HEAD}${ALL}Transfer-Encoding: "chunked"\r\n\r\n${HIDDEN}`],
    ['chunked, then identity', `${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n${HIDDEN}`],
    ['obs-fold', `${HEAD}${LENGTH}X-Folded: a\r\n Transfer-Encoding: chunked\r\n\r\n${BODY}${SMUGGLED}`],
    ['chunked by obs-fold', `${HEAD}${ALL}Transfer-Encoding:\r\n chunked\r\n\r\n${HIDDEN}`],
    ['a bare LF between lines', `${HEAD}${LENGTH}X-Bare: a\nTransfer-Encoding: chunked\r\n\r\n${BODY}${SMUGGLED}`],
    ['bare LFs throughout', `${HEAD}${LENGTH}\r\n`.replaceAll('\r\n', '\n') + BODY + SMUGGLED],
    ['a bare CR between lines', `${HEAD}${LENGTH}X-Bare: a\rTransfer-Encoding: chunked\r\n\r\n${BODY}${SMUGGLED}`],
    ['a space before the colon', `${HEAD}${ALL}Transfer-Encoding : chunked\r\n\r\n${HIDDEN}`],
    ['a tab before the colon', `${HEAD}Content-Length\t: ${HIDDEN.length}\r\n\r\n${HIDDEN}`],
    ['a space before the first line', `${HEAD.replace('\r\n', '\r\n ')}${LENGTH}\r\n${BODY}${SMUGGLED}`],
    ['a line without a colon', `${HEAD}${LENGTH}Transfer-Encoding chunked\r\n\r\n${BODY}${SMUGGLED}`],
    ['a line without a name', `${HEAD}${LENGTH}: chunked\r\n\r\n${BODY}${SMUGGLED}`],
    ['NUL in a value', `${HEAD}${LENGTH}X-Nul: a\0b\r\n\r\n${BODY}${SMUGGLED}`],
    ['a chunk whose size is no number', `${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n${SMUGGLED}`],
    ['a chunk whose size has a sign', `${HEAD}Transfer-Encoding: chunked\r\n\r\n-1\r\n${SMUGGLED}`],
    ['a chunk size past all numbers', `${HEAD}Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\n${SMUGGLED}`],
    ['a chunk longer than its size', `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\n${BODY}\r\n${HIDDEN}`],
    ['a chunk line that ends in a bare LF', `${HEAD}Transfer-Encoding: chunked\r\n\r\n0\n\r\n${SMUGGLED}`],
    ['HTTP/0.9', `POST /mcp/tools\r\n${SMUGGLED}`],
    ['HTTP/2 over its preface', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${SMUGGLED}`],
    ['HTTP/1.7', `${HEAD.replace('HTTP/1.1', 'HTTP/1.7')}${LENGTH}\r\n${BODY}${SMUGGLED}`],
    ['a TLS hello', `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${SMUGGLED}`],
  ])('%s', async (_what, bytes) => {
    const { answers, closed } = await converse(bytes);
    expect(upstream.requests).toHaveLength(0);
    expect(answers).toHaveLength(1);
    expectPlainRefusal(answers[0] as RawAnswer, { status: 400, code: 'MALFORMED_HTTP' });
    expect(closed).toBe(true);
  });
});

describe('what is no request, behind a call that is under way', () => {
  it('breaks the connection: a refusal would be taken for the answer to the call', async () => {
    upstream.handler = hang();
    const client = await RawClient.open(drawbridge.port);
    client.send(post('/mcp/tools', BODY));
    const seen = await upstream.arrived(1);
    client.send('no request\r\n\r\n');
    await client.gone();
    await seen.closed;
    upstream.handler = json({ ok: true });
    expect(client.pending).toHaveLength(0);
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('a request for whom', () => {
  it.each<[string, string]>([
    ['two Host lines', `${HEAD}Host: evil.example.com\r\n${LENGTH}\r\n${BODY}`],
    ['the same Host twice', `${HEAD}host: localhost\r\n${LENGTH}\r\n${BODY}`],
    ['no Host', `${HEAD.replace('Host: localhost\r\n', '')}${LENGTH}\r\n${BODY}`],
    ['no Host, in HTTP/1.0', `${HEAD.replace('Host: localhost\r\n', '').replace('1.1', '1.0')}${LENGTH}\r\n${BODY}`],
  ])('%s', async (_what, bytes) => {
    const { answers } = await converse(bytes);
    expect(upstream.requests).toHaveLength(0);
    expect(answers).toHaveLength(1);
    expectRefusal(answers[0] as RawAnswer, { status: 400, code: 'MALFORMED_HTTP' });
  });

  it.each(['*', 'mcp/tools', 'ftp://localhost/mcp/tools'])('the target %s, which is no path', async (target) => {
    const { answers } = await converse(`${HEAD.replace('/mcp/tools', target)}${LENGTH}\r\n${BODY}`);
    expect(upstream.requests).toHaveLength(0);
    expect(answers).toHaveLength(1);
    expectPlainRefusal(answers[0] as RawAnswer, { status: 400, code: 'MALFORMED_HTTP' });
  });

  it('CONNECT, as to a forward proxy', async () => {
    const { answers, closed } = await converse(
      `CONNECT evil.example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n${SMUGGLED}`,
    );
    expect(upstream.requests).toHaveLength(0);
    expect(answers.every(({ status }) => status >= 400)).toBe(true);
    expect(closed).toBe(true);
  });
});

describe('what is well framed', () => {
  it('chunks arrive as one body, with one framing', async () => {
    const { answers } = await converse(`${HEAD}${CHUNKED}`);
    expect(answers.map(({ status }) => status)).toEqual([200]);
    const [seen] = upstream.requests;
    expect(seen?.body.toString()).toBe(BODY);
    expect([seen?.header('content-length'), seen?.header('transfer-encoding')]).toEqual([
      String(BODY.length),
      undefined,
    ]);
  });

  it('what follows a body is a request of its own, and answered second', async () => {
    const { answers } = await converse(`${HEAD}${LENGTH}\r\n${BODY}${post('/mcp/tools', call(2))}`);
    expect(answers.map(({ body }) => (JSON.parse(body.toString()) as { id: number }).id)).toEqual([1, 2]);
  });

  it('a body of a GET is nobody’s: it is neither passed on nor taken for a request', async () => {
    const { answers } = await converse(get('/mcp/tools', { 'Content-Length': String(SMUGGLED.length) }) + SMUGGLED);
    expect(answers).toHaveLength(1);
    expect(upstream.requests).toMatchObject([{ method: 'GET', body: Buffer.alloc(0) }]);
  });

  it('chunk extensions and trailers end with the hop', async () => {
    const trailers = `${HEAD}Transfer-Encoding: chunked\r\nTrailer: X-Evil\r\n\r\n${BODY.length.toString(16)};x=y\r\n${BODY}\r\n0\r\nX-Evil: 1\r\n\r\n`;
    const { answers } = await converse(trailers);
    expect(answers.map(({ status }) => status)).toEqual([200]);
    const [seen] = upstream.requests;
    expect([seen?.body.toString(), seen?.header('x-evil'), seen?.header('trailer')]).toEqual([
      BODY,
      undefined,
      undefined,
    ]);
  });

  it('a line that Connection declares ends with the hop', async () => {
    await converse(`${HEAD}${LENGTH}Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\r\n${BODY}`);
    const [seen] = upstream.requests;
    expect([seen?.header('x-hop'), seen?.header('keep-alive')]).toEqual([undefined, undefined]);
  });
});
