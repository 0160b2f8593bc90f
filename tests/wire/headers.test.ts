import { FieldNames, requestLines, responseLines, retryAfterMs } from '../../src/wire/headers.js';

const none = new Set<string>();
const names = new FieldNames();

describe('the lines of a request', () => {
  it('lose what belongs to one connection, to us, and to the caller alone', () => {
    const lines = [
      ...['Host', 'a', 'Connection', 'keep-alive, X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=5', 'TE', 'trailers'],
      ...['Transfer-Encoding', 'chunked', 'Content-Length', '3', 'Upgrade', 'h2c', 'Expect', '100-continue'],
      ...[
        'x-btp-destination',
        'ai',
        'X-SAP-Destination',
        'ai',
        'x-mcp-destination',
        'ai',
        'x-mcp-url',
        'u',
        'x-target-url',
        'u',
      ],
      ...['Authorization', 'Bearer caller', 'Cookie', 'a=b', 'DPoP', 'p', 'Proxy-Authorization', 'q', 'Proxy-Foo', 'r'],
      ...['Mcp-Session-Id', 's', 'Mcp-Param-Region', 'eu', 'Last-Event-ID', '7', 'X-Custom', 'kept'],
    ];
    expect(requestLines(lines, names, none, [], [])).toEqual([
      'Mcp-Session-Id',
      's',
      'Mcp-Param-Region',
      'eu',
      'Last-Event-ID',
      '7',
      'X-Custom',
      'kept',
    ]);
  });

  it('lose what is said to us by name, even where a destination says to forward it', () => {
    const lines = ['X-Drawbridge-Authorization', 'Bearer x', 'x-drawbridge-other', 'y', 'x-drawbridg', 'kept'];
    const forward = new Set(['x-drawbridge-authorization', 'x-drawbridge-other']);
    expect(requestLines(lines, names, forward, [], [])).toEqual(['x-drawbridg', 'kept']);
  });

  it('keep a secret of the caller where the destination says so, except the one we replace', () => {
    const lines = ['cookie', 'a=b', 'authorization', 'Bearer caller'];
    expect(requestLines(lines, names, new Set(['cookie', 'authorization']), [], [])).toEqual(lines);
    expect(
      requestLines(lines, names, new Set(['cookie', 'authorization']), ['Authorization', 'Bearer ours'], []),
    ).toEqual([...['Authorization', 'Bearer ours'], ...['cookie', 'a=b']]);
  });

  it("take a default only where the caller has no line of that name, and keep the caller's repeated lines", () => {
    expect(requestLines(['X-A', '1', 'x-a', '2'], names, none, [], ['x-a', 'default', 'x-b', 'default'])).toEqual([
      'X-A',
      '1',
      'x-a',
      '2',
      'x-b',
      'default',
    ]);
  });

  it('never let a default stand beside the credential', () => {
    expect(requestLines([], names, none, ['Authorization', 'Bearer ours'], ['authorization', 'default'])).toEqual([
      'Authorization',
      'Bearer ours',
    ]);
  });
});

describe('the lines of an answer', () => {
  it('keep order, case and repetition, and lose what belongs to one connection', () => {
    const raw = [
      'Set-Cookie',
      'a',
      'Connection',
      'close, x-hop',
      'X-Hop',
      '1',
      'Set-Cookie',
      'b',
      'Transfer-Encoding',
      'chunked',
      'ETag',
      '"x"',
    ];
    expect(
      responseLines(
        raw.map((part) => Buffer.from(part)),
        names,
      ),
    ).toEqual(['Set-Cookie', 'a', 'Set-Cookie', 'b', 'ETag', '"x"']);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-11-21T00:00:00Z');
  it.each([
    ['2', 2000],
    ['0', 0],
    ['Sat, 21 Nov 2026 00:00:05 GMT', 5000],
    ['Fri, 20 Nov 2026 00:00:00 GMT', 0],
    ['soon', undefined],
    ['-1', undefined],
    [undefined, undefined],
  ])('%s is %s ms', (value, ms) => {
    expect(retryAfterMs(value, now)).toBe(ms);
  });
});
