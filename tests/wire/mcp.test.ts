import { assertAgreement, parseCall } from '../../src/wire/mcp.js';

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

function headers(lines: Record<string, string> = {}) {
  return { header: (name: string) => lines[name] };
}

function parse(body: unknown, lines: Record<string, string> = {}) {
  return parseCall(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), headers(lines));
}

function refusal(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return undefined;
}

describe('what a body says', () => {
  it('names a legacy and a modern request', () => {
    expect(parse({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'echo' } })).toMatchObject({
      kind: 'request',
      era: 'legacy',
      id: 7,
      method: 'tools/call',
      name: 'echo',
    });
    expect(
      parse({ jsonrpc: '2.0', id: 'a', method: 'resources/read', params: { uri: 'x://y', _meta: META } }),
    ).toMatchObject({
      era: 'modern',
      revision: '2026-07-28',
      name: 'x://y',
    });
  });

  it('tells notifications and responses apart', () => {
    expect(parse({ jsonrpc: '2.0', method: 'notifications/initialized' }).kind).toBe('notification');
    expect(parse({ jsonrpc: '2.0', id: 1, result: {} }).kind).toBe('response');
    expect(parse({ jsonrpc: '2.0', id: null, error: { code: 1, message: 'x' } }).kind).toBe('response');
  });

  it.each(['', '{', 'nope', '{"jsonrpc":"2.0","id":1,"method":"a"}x'])('%j is not JSON', (body) => {
    expect(refusal(() => parse(body))).toBe('PARSE_ERROR');
  });

  it('bytes that are not UTF-8 are not JSON', () => {
    expect(refusal(() => parseCall(Buffer.from([0x22, 0xff, 0x22]), headers()))).toBe('PARSE_ERROR');
  });

  it.each([
    [1],
    ['"text"'],
    [null],
    [{}],
    [{ jsonrpc: '1.0', id: 1, method: 'a' }],
    [{ jsonrpc: '2.0', id: 1 }],
    [{ jsonrpc: '2.0', id: 1, method: 5 }],
    [{ jsonrpc: '2.0', id: {}, method: 'a' }],
    [{ jsonrpc: '2.0', id: null, method: 'a' }],
  ])('%j is not JSON-RPC', (body) => {
    expect(refusal(() => parse(body))).toBe('INVALID_REQUEST');
  });

  it('a batch is one of 2025-03-26 only', () => {
    const batch = [{ jsonrpc: '2.0', id: 1, method: 'ping' }];
    expect(parse(batch).kind).toBe('batch');
    expect(parse(batch, { 'mcp-protocol-version': '2025-03-26' }).kind).toBe('batch');
    for (const revision of ['2025-06-18', '2025-11-25', '2026-07-28']) {
      expect(refusal(() => parse(batch, { 'mcp-protocol-version': revision }))).toBe('INVALID_REQUEST');
    }
    expect(refusal(() => parse([]))).toBe('INVALID_REQUEST');
    expect(refusal(() => parse([{ jsonrpc: '2.0', id: 1, method: 'a', params: { _meta: META } }]))).toBe(
      'INVALID_REQUEST',
    );
  });

  it('a deeply nested body is parsed or refused, never a crash', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    expect(refusal(() => parse(deep))).toBe('INVALID_REQUEST');
  });
});

describe('headers that repeat the body', () => {
  const modern = (method: string, params: object = {}) =>
    parse({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: META } });
  const said = (method: string, name?: string) => ({
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(name === undefined ? {} : { 'mcp-name': name }),
  });
  const agrees = (call: ReturnType<typeof parse>, lines: Record<string, string>) =>
    refusal(() => assertAgreement(call, headers(lines))) ?? 'agrees';

  it('agree', () => {
    expect(agrees(modern('tools/list'), said('tools/list'))).toBe('agrees');
    expect(agrees(modern('tools/call', { name: 'echo' }), said('tools/call', 'echo'))).toBe('agrees');
    expect(agrees(modern('resources/read', { uri: 'x://y' }), said('resources/read', 'x://y'))).toBe('agrees');
    expect(agrees(modern('tasks/get', { taskId: 't1' }), said('tasks/get', 't1'))).toBe('agrees');
  });

  it('carry other than ASCII in base64', () => {
    const name = 'größe';
    const encoded = `=?base64?${Buffer.from(name).toString('base64')}?=`;
    expect(agrees(modern('tools/call', { name }), said('tools/call', encoded))).toBe('agrees');
    expect(agrees(modern('tools/call', { name: encoded }), said('tools/call', encoded))).toBe('HEADER_MISMATCH');
  });

  it.each([
    ['another method', said('tools/call', 'echo'), 'tools/list', {}],
    ['another name', said('tools/call', 'echo'), 'tools/call', { name: 'rm' }],
    ['a name in other case', said('tools/call', 'Echo'), 'tools/call', { name: 'echo' }],
    ['no name', said('tools/call'), 'tools/call', { name: 'echo' }],
    ['another task', said('tasks/get', 't2'), 'tasks/get', { taskId: 't1' }],
    ['another revision', { ...said('tools/list'), 'mcp-protocol-version': '2025-11-25' }, 'tools/list', {}],
    ['no revision', { 'mcp-method': 'tools/list' }, 'tools/list', {}],
    ['no method', { 'mcp-protocol-version': '2026-07-28' }, 'tools/list', {}],
  ])('say %s: refused', (_what, lines, method, params) => {
    expect(agrees(modern(method, params), lines)).toBe('HEADER_MISMATCH');
  });

  it('are not asked of a legacy request, but must not lie there either', () => {
    const legacy = parse({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'rm' } });
    expect(agrees(legacy, {})).toBe('agrees');
    expect(agrees(legacy, { 'mcp-method': 'tools/list' })).toBe('HEADER_MISMATCH');
    expect(agrees(legacy, { 'mcp-name': 'echo' })).toBe('HEADER_MISMATCH');
  });
});
