import { GatewayError } from '../../src/core/errors.js';
import { parseCall } from '../../src/wire/mcp.js';
import { acceptedReply, jsonReply } from '../../src/wire/messages.js';
import { type Heard, ScriptedWorld, until } from './scriptedServer.js';

const META = 'io.modelcontextprotocol/';
const SERVER_INFO = { name: 'scripted', version: '1' };
let world: ScriptedWorld;

beforeEach(() => {
  world = new ScriptedWorld();
});
afterEach(() => world.bridge.close());

/** Answers every `tools/call` with these messages, the last of which gets its id. */
function answersCalls(...messages: readonly object[]): void {
  world.server.script = ({ message }, server) =>
    message.method === 'tools/call'
      ? server.stream(...messages.slice(0, -1), { id: message.id, ...messages.at(-1) }).reply
      : undefined;
}

describe('the session', () => {
  it('is begun with what the client says of itself, and named from then on', async () => {
    const capabilities = { sampling: {}, roots: { listChanged: true }, tasks: {}, extensions: { 'x/y': {} } };
    await world.call('tools/list', {}, { capabilities });
    const [initialize, initialized, ...later] = world.server.heard.filter(({ verb }) => verb === 'POST');
    expect(initialize?.message).toMatchObject({
      method: 'initialize',
      params: {
        protocolVersion: '2025-11-25',
        capabilities: { sampling: {}, roots: {}, extensions: { 'x/y': {} } },
        clientInfo: { name: 'test', version: '1' },
      },
    });
    expect(initialize?.message.params?.capabilities).not.toHaveProperty('tasks');
    expect(initialize?.header('mcp-session-id')).toBeUndefined();
    expect(initialized?.message).toEqual({ jsonrpc: '2.0', method: 'notifications/initialized' });
    for (const { header } of [initialized, ...later] as Heard[]) {
      expect([header('mcp-session-id'), header('mcp-protocol-version')]).toEqual(['s1', '2025-11-25']);
      expect([header('mcp-method'), header('mcp-name')]).toEqual([undefined, undefined]);
    }
  });

  it('is begun once for all that come at the same time, and used by all that come later', async () => {
    const calls = Array.from({ length: 10 }, () => world.call('tools/list', {}, { user: 'ada' }));
    await Promise.all(calls);
    await world.call('tools/list', {}, { user: 'ada' });
    expect(world.server.sessions).toBe(1);
    const ids = world.server.of('tools/list').map(({ message }) => message.id);
    expect(new Set(ids).size).toBe(11);
  });

  it.each([
    ['caller', { user: 'bob' }],
    ['declared capabilities', { user: 'ada', capabilities: { roots: {} } }],
    ['name of the client', { user: 'ada', name: 'another' }],
    ['log level', { user: 'ada', logLevel: 'info' }],
    ['key of the caller’s own', { user: 'ada', headers: ['X-Api-Key', 'k'] }],
    ['header that may matter', { user: 'ada', headers: ['X-Account', '7'] }],
  ])('is another one for another %s', async (_what, other) => {
    await world.call('tools/list', {}, { user: 'ada' });
    await world.call('tools/list', {}, other);
    expect(world.server.sessions).toBe(2);
  });

  it('is not shared by strangers from different places', async () => {
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.1']) await world.call('tools/list', {}, { address });
    expect(world.server.sessions).toBe(2);
    for (const address of ['192.0.2.1', '192.0.2.2']) await world.call('tools/list', {}, { user: 'ada', address });
    expect(world.server.sessions).toBe(3);
  });

  it('is shared whatever a caller shows us, and not where the server is shown it', async () => {
    const cookie = (value: string) =>
      world.call('tools/list', {}, { headers: ['Cookie', value, 'traceparent', value] });
    await cookie('a');
    await cookie('b');
    expect(world.server.sessions).toBe(1);
    world.server.personal = true;
    await cookie('a');
    await cookie('b');
    expect(world.server.sessions).toBe(3);
  });

  it.each([
    ['404', { status: 404, headers: [], body: null, origin: 'upstream' as const }],
    ['400 of the official SDK', jsonReply({ jsonrpc: '2.0', id: null, error: { code: -32000, message: '' } }, [], 400)],
  ])('that the server forgot is begun anew, and the call repeated (%s)', async (_how, forgotten) => {
    await world.call('tools/list');
    world.server.script = ({ header }) => (header('mcp-session-id') === 's1' ? forgotten : undefined);
    const calls = await Promise.all([world.call('tools/list'), world.call('tools/call', { name: 'a' })]);
    expect(calls.map(({ last }) => last.result?.resultType)).toEqual(['complete', 'complete']);
    expect(world.server.sessions).toBe(2);
    expect(world.signals.named('bridge.session-lost')).toEqual([{ destination: 'scripted' }]);
  });

  it('is not begun for ever', async () => {
    world.server.script = ({ message }) =>
      message.method === 'tools/list' ? { status: 404, headers: [], body: null, origin: 'upstream' } : undefined;
    await expect(world.call('tools/list')).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });
    expect(world.server.sessions).toBe(2);
  });

  it('that is refused is the answer of the call, whole, to all who wait, and is tried again', async () => {
    const challenge = ['www-authenticate', 'Bearer', 'mcp-session-id', 'no'];
    world.server.script = ({ message }) =>
      message.method === 'initialize' ? { ...jsonReply('{"error":"token"}', challenge, 401) } : undefined;
    const [one, other] = await Promise.all([world.call('tools/list'), world.call('tools/list')]);
    expect([one.status, other.status]).toEqual([401, 401]);
    expect(one.headers.join()).toContain('www-authenticate,Bearer');
    expect(one.headers.join()).not.toContain('mcp-session-id');
    expect(other.last).toEqual({ error: 'token' });
    world.server.script = () => undefined;
    expect((await world.call('tools/list')).status).toBe(200);
  });

  it('that is refused in JSON-RPC is so under the id of the call', async () => {
    world.server.script = ({ message: { id, method } }) =>
      method === 'initialize' ? jsonReply({ jsonrpc: '2.0', id, error: { code: -32602, message: 'no' } }) : undefined;
    const { last } = await world.call('tools/list', {}, { id: 'mine' });
    expect(last).toEqual({ jsonrpc: '2.0', id: 'mine', error: { code: -32602, message: 'no' } });
  });

  it('that could not be begun leaves the call unsent', async () => {
    world.server.script = () => Promise.reject(new GatewayError('UPSTREAM_BROKE', 'gone'));
    await expect(world.call('tools/list')).rejects.toMatchObject({ code: 'UPSTREAM_BROKE', neverSent: true });
  });

  it('must be of a revision that is known', async () => {
    world.server.script = ({ message }, server) =>
      message.method === 'initialize' ? server.result(message, { protocolVersion: '2031-01-01' }) : undefined;
    await expect(world.call('tools/list')).rejects.toMatchObject({ code: 'UPSTREAM_GARBAGE' });
  });

  it('ends at the server when nobody uses it', async () => {
    world = new ScriptedWorld({ idleMs: 50 });
    await world.call('tools/list');
    await until(() => world.server.of('DELETE').length === 1);
    expect(world.server.alive.size).toBe(0);
    expect(world.bridge.held.sessions).toBe(0);
  });

  it('is idle again whatever became of its calls', async () => {
    world = new ScriptedWorld({ idleMs: 50 });
    world.server.script = ({ message }, server) => {
      if (message.method !== 'tools/call') return undefined;
      const { reply, events } = server.stream({ method: 'notifications/x' });
      const { name } = message.params as { name: string };
      if (name === 'breaks') events.end();
      if (name === 'answers') events.send({ data: JSON.stringify({ jsonrpc: '2.0', id: message.id, result: {} }) });
      return reply;
    };
    const names = Array.from({ length: 60 }, (_, index) => ['breaks', 'answers', 'hangs'][index % 3]);
    const got = await Promise.all(names.map((name) => world.open('tools/call', { name })));
    expect(world.server.of('DELETE')).toEqual([]);
    for (const one of got) one.leave();
    await until(() => world.server.of('DELETE').length === 1);
    expect(world.server.of('notifications/cancelled')).toHaveLength(20);
  });

  it('makes room for another: an idle one of the same caller, never another caller’s', async () => {
    world = new ScriptedWorld({ sessions: 3, sessionsPerOwner: 2 });
    for (const name of ['a', 'b', 'c']) await world.call('tools/list', {}, { user: 'ada', name });
    await world.call('tools/list', {}, { user: 'bob' });
    expect(world.bridge.held.sessions).toBe(3);
    expect(world.server.of('DELETE').map(({ header }) => header('mcp-session-id'))).toEqual(['s1']);
  });

  it('is refused where all are in use', async () => {
    world = new ScriptedWorld({ sessions: 1 });
    world.server.script = ({ message }, server) =>
      message.method === 'tools/call' ? server.stream().reply : undefined;
    const running = world.bridge.send(world.exchange('tools/call', { name: 'a' }, { user: 'ada' }), world.attempt());
    await until(() => world.server.of('tools/call').length === 1);
    await expect(world.call('tools/list', {}, { user: 'bob' })).rejects.toMatchObject({ code: 'OVERLOADED' });
    running.catch(() => {});
  });

  it('has the level that its calls ask for', async () => {
    await world.call('tools/list', {}, { logLevel: 'warning' });
    expect(world.server.of('logging/setLevel').map(({ message }) => message.params)).toEqual([{ level: 'warning' }]);
  });

  it('ends with the bridge', async () => {
    await world.call('tools/list');
    await world.bridge.close();
    expect(world.server.alive.size).toBe(0);
  });
});

describe('a request', () => {
  it('loses the envelope of 2026 and nothing else', async () => {
    const _meta = { traceparent: '00-1', 'com.example/x': 1 };
    const params = { name: 'a', arguments: { big: '9007199254740993' }, 'x-field': true, _meta };
    await world.call('tools/call', params, { progressToken: 'mine' });
    const [{ message, text }] = world.server.of('tools/call') as [Heard];
    expect(text).toContain('"big":9007199254740993}');
    expect(message).toMatchObject({ params: { arguments: { big: 2 ** 53 } } });
    expect(message).toEqual({
      jsonrpc: '2.0',
      id: message.id,
      method: 'tools/call',
      params: { ...params, arguments: { big: 2 ** 53 }, _meta: { ..._meta, progressToken: message.id } },
    });
  });

  it('gets a result with what 2026 asks of one', async () => {
    world.server.script = ({ message }, server) =>
      message.method?.startsWith('tools/') ? server.result(message, { x: 1, _meta: { own: 2 } }) : undefined;
    const _meta = { [`${META}serverInfo`]: SERVER_INFO, own: 2 };
    const list = await world.call('tools/list', {}, { id: 'a' });
    const result = { resultType: 'complete', x: 1, _meta };
    expect(list.last).toEqual({
      jsonrpc: '2.0',
      id: 'a',
      result: { ...result, ttlMs: 0, cacheScope: 'private' },
    });
    expect((await world.call('tools/call', { name: 'a' })).last.result).toEqual(result);
  });

  it('for what the server is gets it from the handshake', async () => {
    const { last } = await world.call('server/discover');
    expect(last.result).toEqual({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
      instructions: 'Hello',
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { [`${META}serverInfo`]: SERVER_INFO },
    });
  });

  it.each(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe', 'tasks/get'])(
    'of a method that 2026 no longer has (%s) is not one',
    async (method) => {
      const { status, last } = await world.call(method, {}, { id: 7 });
      expect([status, last.id, last.error?.code]).toEqual([404, 7, -32601]);
      expect(world.server.heard).toEqual([]);
    },
  );

  it('must say what the client can do, and be of a revision that is served', async () => {
    const send = (meta: object) => {
      const exchange = world.exchange('tools/list');
      const text = exchange.call?.body
        ?.toString()
        .replace(/"_meta":\{[^}]*\}[^}]*\}[^}]*\}/, `"_meta":${JSON.stringify(meta)}`);
      exchange.call = parseCall(Buffer.from(text ?? ''), exchange.request);
      return world.bridge.send(exchange, world.attempt());
    };
    const version = `${META}protocolVersion`;
    const said = async (meta: object) => {
      const { status, body } = await send(meta);
      return [status, JSON.parse((body as Buffer).toString()).error];
    };
    expect(await said({ [version]: '2026-07-28' })).toMatchObject([400, { code: -32602 }]);
    const unknown = { [version]: '2099-01-01', [`${META}clientCapabilities`]: {} };
    const data = { supported: ['2026-07-28'], requested: '2099-01-01' };
    expect(await said(unknown)).toMatchObject([400, { code: -32022, data }]);
    expect(world.server.heard).toEqual([]);
  });

  it('repeats in headers what the tool wants to see there, once its list was read', async () => {
    const region = { type: 'string', 'x-mcp-header': 'Region' };
    const tools = [{ name: 'a', inputSchema: { type: 'object', properties: { region } } }];
    world.server.script = ({ message }, server) =>
      message.method === 'tools/list' ? server.result(message, { tools }) : undefined;
    await world.call('tools/list');
    const params = { name: 'a', arguments: { region: 'eu' } };
    for (const headers of [[], ['Mcp-Param-Region', 'us'], ['Mcp-Param-Region', '=?base64?!?=']]) {
      const { status, last } = await world.call('tools/call', params, { headers });
      expect([status, last.error?.code]).toEqual([400, -32020]);
    }
    expect(world.server.of('tools/call')).toEqual([]);
    expect((await world.call('tools/call', params, { headers: ['Mcp-Param-Region', 'eu'] })).status).toBe(200);
    expect(world.server.of('tools/call')[0]?.header('mcp-param-region')).toBeUndefined();
  });

  it.each([
    [-32601, 404, -32601],
    [-32002, 200, -32602],
    [-32042, 200, -32603],
    [-32022, 200, -32603],
    [-32001, 200, -32001],
    [7, 200, 7],
  ])('that fails with %i gets %i and %i', async (code, status, modern) => {
    answersCalls({ error: { code, message: 'why', data: { x: 1 } } });
    const got = await world.call('tools/call', { name: 'a' });
    expect([got.status, got.last.error]).toMatchObject([status, { code: modern, message: 'why' }]);
  });

  it('gets what the server refuses in HTTP as it is, under its own id', async () => {
    world.server.script = ({ message: { id, method } }) =>
      method === 'tools/call'
        ? jsonReply({ jsonrpc: '2.0', id, error: { code: 1, message: 'slow down' } }, ['retry-after', '3'], 429)
        : undefined;
    const got = await world.call('tools/call', { name: 'a' }, { id: 'mine' });
    expect([got.status, got.last.id, got.headers.includes('retry-after')]).toEqual([429, 'mine', true]);
  });

  it('is told of its own progress only, by its own token', async () => {
    world.server.script = ({ message }, server) => {
      if (message.method !== 'tools/call') return undefined;
      const progress = (progressToken: unknown) => ({
        method: 'notifications/progress',
        params: { progressToken, progress: 1 },
      });
      const { name } = message.params as { name: string };
      return server.stream(progress('mine'), progress(message.id), { id: message.id, result: { name } }).reply;
    };
    const calls = ['a', 'b'].map((name) => world.call('tools/call', { name }, { id: 1, progressToken: 'mine' }));
    for (const { messages } of await Promise.all(calls)) {
      expect(messages.slice(0, -1)).toEqual([
        { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'mine', progress: 1 } },
      ]);
    }
    expect((await Promise.all(calls)).map(({ last }) => last.result?.name)).toEqual(['a', 'b']);
    expect((await world.call('tools/call', { name: 'c' })).messages).toHaveLength(1);
  });

  it('gets log messages from the level on that it names', async () => {
    const log = (level: string) => ({ method: 'notifications/message', params: { level, data: level } });
    answersCalls(log('debug'), log('warning'), log('error'), { result: {} });
    const { messages } = await world.call('tools/call', { name: 'a' }, { logLevel: 'warning' });
    expect(messages.map(({ params }) => params?.data)).toEqual(['warning', 'error', undefined]);
    expect((await world.call('tools/call', { name: 'a' })).messages).toHaveLength(1);
  });

  it('gets notifications that only an extension knows', async () => {
    answersCalls(
      { method: 'notifications/x/y', params: { z: 1 } },
      { method: 'notifications/elicitation/complete' },
      { result: {} },
    );
    const { messages } = await world.call('tools/call', { name: 'a' });
    expect(messages.map(({ method }) => method)).toEqual(['notifications/x/y', undefined]);
  });

  it('that is cut is cancelled at the server', async () => {
    world.server.script = ({ message }, server) =>
      message.method === 'tools/call' ? server.stream().reply : undefined;
    const exchange = world.exchange('tools/call', { name: 'a' });
    const reply = world.bridge.send(exchange, world.attempt());
    await until(() => world.server.of('tools/call').length === 1);
    await new Promise(setImmediate);
    exchange.leave(new GatewayError('CALLER_LEFT', 'left'));
    await expect(reply).rejects.toMatchObject({ code: 'CALLER_LEFT' });
    await until(() => world.server.of('notifications/cancelled').length === 1);
    const [called] = world.server.of('tools/call') as [Heard];
    expect(world.server.of('notifications/cancelled')[0]?.message.params).toMatchObject({
      requestId: called.message.id,
    });
    expect(world.server.cut).toEqual(['stream']);
  });

  it('goes on where a stream with event ids broke', async () => {
    world.server.script = ({ message, verb, header }, server) => {
      if (verb === 'GET' && header('last-event-id') === 'e1') {
        return server.stream({ id: server.of('tools/call')[0]?.message.id, result: { x: 1 } }).reply;
      }
      if (message.method !== 'tools/call') return undefined;
      const { reply, events } = server.stream();
      events.send({ id: 'e1', retry: 20, data: '' });
      events.end();
      return reply;
    };
    expect((await world.call('tools/call', { name: 'a' })).last.result).toMatchObject({ x: 1 });
  });

  it('fails where a stream without event ids broke', async () => {
    world.server.script = ({ message }, server) => {
      if (message.method !== 'tools/call') return undefined;
      const { reply, events } = server.stream();
      events.end();
      return reply;
    };
    await expect(world.call('tools/call', { name: 'a' })).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });
  });

  it('fails in its stream where that has begun', async () => {
    world.server.script = ({ message }, server) => {
      if (message.method !== 'tools/call') return undefined;
      const { reply, events } = server.stream({ method: 'notifications/x' });
      events.end();
      return reply;
    };
    const { status, last } = await world.call('tools/call', { name: 'a' }, { id: 'mine' });
    expect([status, last.id, last.error?.data]).toMatchObject([200, 'mine', { code: 'UPSTREAM_BROKE' }]);
  });

  it('that is slow begins its stream, and shows that it lives', async () => {
    world = new ScriptedWorld({ keepAliveMs: 50 });
    const { reply, events } = world.server.stream();
    world.server.script = ({ message }) => (message.method === 'tools/call' ? reply : undefined);
    const got = await world.open('tools/call', { name: 'a' });
    expect([got.status, got.messages, got.ended]).toEqual([200, [], false]);
    const { id } = (world.server.of('tools/call')[0] as Heard).message;
    events.send({ data: JSON.stringify({ jsonrpc: '2.0', id, result: { x: 1 } }) });
    await until(() => got.ended);
    expect(got.messages[0]?.result).toMatchObject({ x: 1 });
  });
});

describe('a notification', () => {
  const notify = (method: string) => world.bridge.send(world.exchange(method, { a: 1 }, {}, true), world.attempt());

  it('passes, without the envelope', async () => {
    expect((await notify('notifications/x')).status).toBe(202);
    expect(world.server.of('notifications/x')[0]?.message.params).toEqual({ a: 1 });
  });

  it('that the older revisions would take for another is taken and goes nowhere', async () => {
    for (const method of ['notifications/cancelled', 'notifications/initialized']) await notify(method);
    expect(world.server.heard).toEqual([]);
  });
});

it('answers a ping of the server', async () => {
  answersCalls({ id: 'p', method: 'ping' }, { result: {} });
  await world.call('tools/call', { name: 'a' });
  await until(() => world.server.responses.length === 1);
  expect(world.server.responses).toEqual([{ jsonrpc: '2.0', id: 'p', result: {} }]);
});

it('takes a batch of 2025-03-26 for what is in it', async () => {
  world.server.script = ({ message: { id, method } }) =>
    method === 'tools/call' ? jsonReply(JSON.stringify([{ jsonrpc: '2.0', id, result: { x: 1 } }])) : undefined;
  expect((await world.call('tools/call', { name: 'a' })).last.result).toMatchObject({ x: 1 });
});

it('knows when a request was answered with nothing', async () => {
  world.server.script = ({ message }) => (message.method === 'tools/call' ? acceptedReply() : undefined);
  await expect(world.call('tools/call', { name: 'a' })).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });
});
