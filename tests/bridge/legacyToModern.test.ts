import { callerLeft } from '../../src/wire/explain.js';
import { EventStream, jsonReply } from '../../src/wire/messages.js';
import {
  complete,
  DISCOVERED,
  failed,
  type Got,
  listenTo,
  result,
  ScriptedModern,
  said,
  settled,
} from './scriptedModern.js';

/** The bridge in front of a server that does as a test says. */
const META = 'io.modelcontextprotocol/';
const request = (id: unknown, method: string, params?: object) => ({ jsonrpc: '2.0', id, method, params });
const call = (name: string, args: object = {}) => request(1, 'tools/call', { name, arguments: args });
const code = (name: string) => expect.objectContaining({ code: name });

let modern: ScriptedModern;
let session: string;

beforeEach(async () => {
  modern = new ScriptedModern();
  session = await modern.begin({ sampling: {}, elicitation: {}, roots: { listChanged: true }, tasks: { list: {} } });
});
afterEach(() => modern.bridge.close());

describe('initialize', () => {
  it('says what discovery says, without tasks', async () => {
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
    const reply = await modern.post(request('a', 'initialize', params));
    expect(JSON.parse(await said(reply))).toEqual({
      jsonrpc: '2.0',
      id: 'a',
      result: {
        protocolVersion: '2025-06-18',
        capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
        serverInfo: { name: 'scripted', version: '3' },
        instructions: 'Ask away.',
      },
    });
    expect(modern.bridge.owns(reply.headers[reply.headers.indexOf('mcp-session-id') + 1] as string)).toBe(true);
    expect(modern.bridge.owns('8c1f')).toBe(false);
  });

  it('begins no session where discovery is refused, and passes what is no JSON-RPC', async () => {
    const send = modern.send.bind(modern);
    const answers = [
      { status: 401, headers: ['www-authenticate', 'Bearer'], body: null, origin: 'upstream' } as const,
      { status: 503, headers: ['retry-after', '3'], body: Buffer.from('later'), origin: 'upstream' } as const,
    ];
    for (const answer of answers) {
      modern.send = async () => answer;
      expect(await modern.post(request(1, 'initialize', {}))).toBe(answer);
    }
    modern.send = async () => failed({ id: 'x' } as Got, { code: -32022, message: 'no' }, 400);
    const reply = await modern.post(request(1, 'initialize', {}));
    expect([reply.status, reply.headers.includes('mcp-session-id')]).toEqual([200, false]);
    expect(await said(reply)).toContain('-32603');
    modern.send = async () => jsonReply('Not here', [], 404);
    await expect(modern.post(request(1, 'initialize', {}))).rejects.toEqual(code('UPSTREAM_GARBAGE'));
    modern.send = async (exchange) =>
      complete(JSON.parse(String(exchange.call?.body)), { ...DISCOVERED, supportedVersions: ['2027-01-01'] });
    expect(await said(modern.post(request(1, 'initialize', {})))).toContain("doesn't speak 2026-07-28");
    modern.send = send;
  });
});

describe('a request', () => {
  it('goes in an envelope, with the headers that repeat it', async () => {
    const { id, params, header } = modern.last;
    expect(modern.last.method).toBe('server/discover');
    await modern.post(
      request(7, 'tools/call', { name: 'Grüße', arguments: {}, _meta: { progressToken: 3, 'com.example/x': 1 } }),
      session,
      ['authorization', 'Bearer x', 'mcp-protocol-version', '2025-11-25', 'x-own', 'kept'],
    );
    const { last } = modern;
    expect(last.params).toEqual({
      name: 'Grüße',
      arguments: {},
      _meta: {
        progressToken: 3,
        'com.example/x': 1,
        [`${META}protocolVersion`]: '2026-07-28',
        [`${META}clientCapabilities`]: { sampling: {}, elicitation: { form: {} }, roots: {} },
        [`${META}clientInfo`]: { name: 'c', version: '1' },
        [`${META}logLevel`]: 'info',
      },
    });
    expect(last.header('mcp-protocol-version')).toBe('2026-07-28');
    expect(last.header('mcp-method')).toBe('tools/call');
    expect(last.header('mcp-name')).toBe('=?base64?R3LDvMOfZQ==?=');
    expect(last.header('mcp-session-id')).toBeUndefined();
    expect(last.header('x-own')).toBe('kept');
    expect(last.exchange.call?.era).toBe('modern');
    expect([id === last.id, header('mcp-name'), params.name]).toEqual([false, undefined, undefined]);
  });

  it('keeps what a caller may not say for itself out of the envelope', async () => {
    const forged = { [`${META}clientCapabilities`]: { evil: {} }, [`${META}clientInfo`]: { name: 'root' } };
    await modern.post(request(1, 'prompts/list', { _meta: forged }), session);
    expect(modern.last.params._meta).toMatchObject({
      [`${META}clientCapabilities`]: { sampling: {} },
      [`${META}clientInfo`]: { name: 'c' },
    });
  });

  it('comes back under its own id, and neither way loses a digit', async () => {
    modern.script = (got) => complete(got, '{"resultType":"complete","big":9007199254740993,"content":[]}');
    const text =
      '{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":"a","arguments":{"n":12345678901234567890}}}';
    expect(await said(modern.post(text, session))).toBe(
      '{"jsonrpc":"2.0","id":9007199254740993,"result":{"big":9007199254740993,"content":[]}}',
    );
    expect(modern.last.text).toContain('"n":12345678901234567890');
  });

  it('loses what belongs to the way, in results that must be empty above all', async () => {
    modern.script = (got) => complete(got, { resultType: 'complete', _meta: { [`${META}serverInfo`]: {} } });
    expect(await said(modern.post(request(1, 'x/y'), session))).toBe('{"jsonrpc":"2.0","id":1,"result":{}}');
    modern.script = (got) => complete(got, { _meta: { [`${META}serverInfo`]: {}, kept: 1 }, ttlMs: 5 });
    expect(JSON.parse(await said(modern.post(request(1, 'x/y'), session))).result).toEqual({
      _meta: { kept: 1 },
      ttlMs: 5,
    });
  });

  it('wishes for no task', async () => {
    await modern.post(request(1, 'tools/call', { name: 'a', task: { ttl: 1 } }), session);
    expect(modern.last.params).not.toHaveProperty('task');
  });

  it('is answered here where it is about the session', async () => {
    const before = modern.got.length;
    for (const own of [request(1, 'ping'), request(1, 'logging/setLevel', { level: 'error' })]) {
      expect(await said(modern.post(own, session))).toBe('{"jsonrpc":"2.0","id":1,"result":{}}');
    }
    expect((await modern.post({ jsonrpc: '2.0', method: 'notifications/initialized' }, session)).status).toBe(202);
    expect(modern.got.length).toBe(before);
    await modern.post(call('a'), session);
    expect(modern.last.params._meta).toMatchObject({ [`${META}logLevel`]: 'error' });
  });

  it('passes what no revision knows, notifications too', async () => {
    modern.script = (got) =>
      got.method === 'x/gone' ? failed(got, { code: -32601, message: 'no' }, 404) : complete(got, { own: [1] });
    expect(await said(modern.post(request(1, 'x/y', { a: 1 }), session))).toContain('{"own":[1]}');
    expect((await modern.post({ jsonrpc: '2.0', method: 'notifications/x', params: { b: 2 } }, session)).status).toBe(
      200,
    );
    expect(modern.last).toMatchObject({ method: 'notifications/x', id: undefined, params: { b: 2 } });
    expect((await modern.post({ jsonrpc: '2.0', method: 'x/gone' }, session)).status).toBe(202);
  });

  it.each([
    ['an unknown method', 'x/y', -32601, 404, -32601],
    ['a bad request', 'x/y', -32600, 400, -32600],
    ['bad params', 'prompts/get', -32602, 200, -32602],
    ['a missing resource', 'resources/read', -32602, 200, -32002],
    ['a capability', 'x/y', -32021, 400, -32603],
    ['the revision', 'x/y', -32022, 400, -32603],
  ])('fails for %s with status 200', async (_, method, theirs, status, ours) => {
    modern.script = (got) =>
      failed(got, { code: theirs, message: 'no', data: { requiredCapabilities: { sampling: { tools: {} } } } }, status);
    const reply = await modern.post(request(1, method, { uri: 'a://b' }), session);
    const { error } = JSON.parse(await said(reply));
    expect([reply.status, error.code]).toEqual([200, ours]);
    if (theirs === -32021) expect(error).toEqual({ code: ours, message: expect.stringMatching(/sampling\.tools$/) });
  });

  it('passes what is no JSON-RPC, but no 404', async () => {
    for (const status of [400, 401, 403, 429, 503]) {
      modern.script = () => ({ status, headers: ['x-a', '1'], body: Buffer.from('no'), origin: 'upstream' });
      const reply = await modern.post(call('a'), session);
      expect([reply.status, reply.headers, String(reply.body)]).toEqual([status, ['x-a', '1'], 'no']);
    }
    modern.script = () => ({ status: 404, headers: [], body: Buffer.from('no'), origin: 'upstream' });
    await expect(modern.post(call('a'), session)).rejects.toEqual(code('UPSTREAM_GARBAGE'));
  });

  it('fails where the server breaks off, before or within a stream', async () => {
    modern.script = () => ({
      status: 200,
      headers: ['content-type', 'application/json'],
      body: Buffer.alloc(0),
      origin: 'upstream',
    });
    await expect(modern.post(call('a'), session)).rejects.toEqual(code('UPSTREAM_BROKE'));
    const stream = new EventStream();
    modern.script = () => stream.reply();
    const reply = await modern.post(call('a'), session);
    stream.send({ data: '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}' });
    stream.fail(new Error('gone'));
    const { heard, state } = listenTo(reply);
    await settled();
    expect(heard).toMatchObject([
      { method: 'notifications/progress' },
      { id: 1, error: { code: -31000, data: { code: 'UPSTREAM_BROKE' } } },
    ]);
    expect(state.ended).toBe(true);
  });

  it('hears what comes before its answer, and nothing that a server may not say', async () => {
    const stream = new EventStream();
    modern.script = (got) => {
      stream.send({
        data: '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3,"progress":1}}',
      });
      stream.send({ data: '{"jsonrpc":"2.0","id":5,"method":"sampling/createMessage","params":{}}' });
      stream.send({ data: result(got, { resultType: 'complete', content: [] }) });
      stream.end();
      return stream.reply();
    };
    const { heard } = listenTo(await modern.post(call('a'), session));
    await settled();
    expect(heard).toEqual([
      { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 3, progress: 1 } },
      { jsonrpc: '2.0', id: 1, result: { content: [] } },
    ]);
  });

  it('is told apart from extensions that only one side knows', async () => {
    modern.script = (got) => complete(got, { resultType: 'task', task: {} });
    expect(await said(modern.post(call('a'), session))).toContain('-32603');
    const knowing = await modern.begin({ extensions: { 'io.modelcontextprotocol/tasks': {} } });
    expect(await said(modern.post(call('a'), knowing))).toContain('"resultType":"task"');
    expect(await said(modern.post(request(1, 'tasks/get', { taskId: 't' }), knowing))).toContain('result');
    expect(await said(modern.post(request(1, 'tasks/get', { taskId: 't' }), session))).toContain('-32601');
  });
});

describe('tools with headers of their own', () => {
  const tool = (name: string, header: string, more: object = {}) => ({
    name,
    inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': header } } },
    ...more,
  });

  it('are learnt from lists, and those that break the rules are left out', async () => {
    const odd = { name: 'odd', inputSchema: { type: 'object' }, outputSchema: { type: 'array' } };
    modern.script = (got) =>
      complete(got, { resultType: 'complete', tools: [tool('a', 'Region'), tool('b', 'not a token'), odd] });
    const { tools } = JSON.parse(await said(modern.post(request(1, 'tools/list'), session))).result;
    expect(tools).toEqual([tool('a', 'Region'), { name: 'odd', inputSchema: { type: 'object' } }]);
    await modern.post(call('a', { region: 'west' }), session);
    expect(modern.last.header('mcp-param-region')).toBe('west');
  });

  it('are looked up once where the server misses them, through all pages', async () => {
    modern.script = (got) => {
      if (got.method === 'tools/list') {
        return got.params.cursor === 'more'
          ? complete(got, { tools: [tool('a', 'Region')] })
          : complete(got, { tools: [], nextCursor: 'more' });
      }
      if (got.header('mcp-param-region') === 'west') return complete(got, { content: [] });
      return failed(got, { code: -32020, message: 'Mcp-Param-Region is missing' }, 400);
    };
    expect(await said(modern.post(call('a', { region: 'west' }), session))).toContain('"content":[]');
    const methods = ['tools/call', 'tools/list', 'tools/list', 'tools/call'];
    expect(modern.got.slice(-4).map(({ method }) => method)).toEqual(methods);
    const before = modern.got.length;
    expect(await said(modern.post(call('b', { region: 'west' }), session))).toContain('refuses the headers');
    expect(modern.got.length).toBe(before + 4);
  });
});

describe('a server that asks', () => {
  const ASK =
    '{"who":{"method":"sampling/createMessage","params":{"big":9007199254740993,"messages":[],"maxTokens":1}}}';

  it('gets the answers under their keys and its state byte for byte, under a new id', async () => {
    const state = '"\\u00fc \\/ ü"';
    modern.script = (got) =>
      got.params.requestState === undefined
        ? complete(got, `{"resultType":"input_required","inputRequests":${ASK},"requestState":${state}}`)
        : complete(got, { resultType: 'complete', content: [] });
    const { heard } = listenTo(await modern.post(call('a', { x: 1 }), session));
    const first = modern.last;
    expect(heard).toEqual([
      { jsonrpc: '2.0', id: expect.any(String), method: 'sampling/createMessage', params: expect.anything() },
    ]);
    const answer = `{"jsonrpc":"2.0","id":${JSON.stringify(heard[0]?.id)},"result":{"role":"assistant","n":9007199254740993}}`;
    expect((await modern.post(answer, session)).status).toBe(202);
    await settled();
    expect(modern.last.text).toContain(`"requestState":${state}`);
    expect(modern.last.text).toContain('"inputResponses":{"who":{"role":"assistant","n":9007199254740993}}');
    expect(modern.last.params).toMatchObject({ name: 'a', arguments: { x: 1 } });
    expect(modern.last.id).not.toBe(first.id);
    expect(heard.at(-1)).toEqual({ jsonrpc: '2.0', id: 1, result: { content: [] } });
    expect(modern.clock.sleeping).toBe(0);
  });

  it('is asked again after a pause where it wants nothing but that, and not for ever', async () => {
    modern.script = (got) => complete(got, { resultType: 'input_required', requestState: 's' });
    const { heard, state } = listenTo(await modern.post(call('a'), session));
    for (let round = 0; round < 40; round++) {
      await settled();
      await modern.clock.pass(1_000);
    }
    expect(state.ended).toBe(true);
    expect(heard).toMatchObject([{ id: 1, error: { message: expect.stringMatching(/again and again/) } }]);
    expect(modern.got.length).toBeLessThan(40);
  });

  it.each([
    ['nothing at all', '{"resultType":"input_required"}'],
    ['what is no request', '{"resultType":"input_required","inputRequests":{"a":7}}'],
    ['a method that nobody knows', '{"resultType":"input_required","inputRequests":{"a":{"method":"x/y"}}}'],
    [
      'tools that the client lacks',
      ASK.replace('{"who"', '{"resultType":"input_required","inputRequests":{"who"')
        .replace('"messages"', '"tools":[],"messages"')
        .concat('}'),
    ],
    [
      'too much',
      `{"resultType":"input_required","inputRequests":${JSON.stringify(Object.fromEntries(Array.from({ length: 33 }, (_, i) => [i, { method: 'roots/list' }])))}}`,
    ],
  ])('is refused for asking %s', async (_, text) => {
    modern.script = (got) => complete(got, text);
    const { heard, state } = listenTo(await modern.post(call('a'), session));
    await settled();
    expect(heard).toMatchObject([{ id: 1, error: { code: -32603 } }]);
    expect(state.ended).toBe(true);
  });

  it('is not asked again once the caller has left', async () => {
    modern.script = (got) => complete(got, `{"resultType":"input_required","inputRequests":${ASK}}`);
    const { heard, cancel } = listenTo(await modern.post(call('a'), session));
    const before = modern.got.length;
    cancel();
    await settled();
    await modern.post({ jsonrpc: '2.0', id: heard[0]?.id, result: {} }, session);
    await settled();
    expect(modern.got.length).toBe(before);
    expect(modern.clock.sleeping).toBe(0);
  });

  it('keeps its client awake meanwhile', async () => {
    modern.script = (got) => complete(got, `{"resultType":"input_required","inputRequests":${ASK}}`);
    const reply = await modern.post(call('a'), session);
    const chunks: string[] = [];
    const body = reply.body as (sink: object) => { cancel(): void };
    const flow = body({ write: (chunk: Buffer) => chunks.push(String(chunk)) > 0, end() {}, fail() {} });
    await modern.clock.pass(25_000);
    expect(chunks.at(-1)).toBe(':\n\n');
    flow.cancel();
  });

  it('fails in words where the next round is refused', async () => {
    modern.script = (got) =>
      got.params.inputResponses
        ? { status: 401, headers: [], body: null, origin: 'upstream' }
        : complete(got, `{"resultType":"input_required","inputRequests":${ASK}}`);
    const { heard } = listenTo(await modern.post(call('a'), session));
    await modern.post({ jsonrpc: '2.0', id: heard[0]?.id, result: {} }, session);
    await settled();
    expect(heard.at(-1)).toMatchObject({ id: 1, error: { code: -32603, message: expect.stringMatching(/401/) } });
  });
});

describe('a caller that leaves', () => {
  it('takes its exchange upstream with it', async () => {
    modern.script = () => new EventStream().reply();
    const exchange = modern.exchange('POST', call('a'), ['mcp-session-id', session]);
    const { state } = listenTo(await modern.serve(exchange));
    const inner = modern.last.exchange;
    expect(inner.gone).toBe(false);
    exchange.leave(callerLeft());
    await settled();
    expect([inner.gone, state.ended]).toEqual([true, true]);
  });

  it('is noticed before the server has answered', async () => {
    modern.script = ({ exchange }) =>
      new Promise((_, reject) => exchange.signal.addEventListener('abort', () => reject(callerLeft())));
    const exchange = modern.exchange('POST', call('a'), ['mcp-session-id', session]);
    const reply = modern.serve(exchange);
    await settled();
    exchange.leave(callerLeft());
    await expect(reply).rejects.toEqual(code('CALLER_LEFT'));
  });

  it('and one that cancels gets no answer, before or within a stream', async () => {
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };
    modern.script = ({ exchange }) =>
      new Promise((_, reject) => exchange.signal.addEventListener('abort', () => reject(callerLeft())));
    const early = modern.post(call('a'), session);
    await settled();
    await modern.post(cancelled, session);
    expect(await said(early)).toBe('');
    modern.script = () => new EventStream().reply();
    const { heard, state } = listenTo(await modern.post(call('a'), session));
    await modern.post(cancelled, session);
    await settled();
    expect([heard, state.ended, modern.last.exchange.gone]).toEqual([[], true, true]);
  });
});
