import type { Exchange, Reply } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import { RequestIds } from '../../src/edge/exchanges.js';
import { MessageCaller, type MessageCallerDeps } from '../../src/edge/messageCaller.js';
import { acceptedReply, EventStream, jsonReply } from '../../src/wire/messages.js';

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
}

/** A chain that a test plays: it is asked with what was said, and every exchange is kept. */
function playing(answer: (message: Message, exchange: Exchange) => Reply, more: Partial<MessageCallerDeps> = {}) {
  const exchanges: Exchange[] = [];
  const heard: Record<string, unknown>[] = [];
  const waiting: (() => void)[] = [];
  const caller = new MessageCaller({
    handler: async (exchange) => {
      exchanges.push(exchange);
      if (exchange.request.method === 'GET') return { status: 405, headers: [], body: null, origin: 'upstream' };
      if (exchange.request.method === 'DELETE') return acceptedReply();
      const body = await exchange.request.body(0, (bytes) => bytes);
      return answer(JSON.parse(body.toString()) as Message, exchange);
    },
    door: 'stdio',
    clock: systemClock,
    ids: new RequestIds(),
    target: '/mcp',
    headers: ['X-Own', 'yes', 'Mcp-Session-Id', 'not-this-one'],
    remoteAddress: '',
    heal: true,
    apartMs: 0,
    deliver: (text) => {
      heard.push(JSON.parse(text) as Record<string, unknown>);
      for (const proceed of waiting.splice(0)) proceed();
    },
    ...more,
  });
  const hears = async (count: number) => {
    while (heard.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    return heard;
  };
  const say = (message: object, headers?: readonly string[]) =>
    caller.receive(JSON.stringify({ jsonrpc: '2.0', ...message }), headers);
  return { caller, exchanges, heard, hears, say };
}

const INITIALIZE = { id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {} } };
const INITIALIZED = { method: 'notifications/initialized' };
const result = (id: unknown, value: object, headers: string[] = []) =>
  jsonReply({ jsonrpc: '2.0', id, result: value }, headers);
const modern = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } };

describe('a session', () => {
  const server = (name: string) => ({
    protocolVersion: '2025-06-18',
    capabilities: { tools: { listChanged: true }, prompts: {} },
    serverInfo: { name, version: '1' },
  });

  it('is named in what follows, and begun anew where another server answers, which the caller is told', async () => {
    let session = 'a';
    const { say, exchanges, hears, caller } = playing(({ id, method }, { request }) => {
      if (method === 'initialize') return result(id, server(session), ['mcp-session-id', session]);
      if (request.header('mcp-session-id') !== session)
        return jsonReply({ jsonrpc: '2.0', error: { code: -32001, message: 'gone' }, id: null }, [], 404);
      return id === undefined ? acceptedReply() : result(id, {});
    });
    await Promise.all([say(INITIALIZE), say(INITIALIZED), say({ id: 2, method: 'tools/list' })]);
    await hears(2);
    session = 'b';
    await Promise.all([3, 4, 5].map((id) => say({ id, method: 'tools/call', params: { name: 'x' } })));
    const heard = await hears(6);
    expect(heard.map(({ id, method }) => id ?? method).sort()).toEqual([
      1,
      2,
      3,
      4,
      5,
      'notifications/tools/list_changed',
    ]);
    expect(exchanges.filter(({ call }) => call?.method === 'initialize')).toHaveLength(2);
    await caller.close();
    const last = exchanges.at(-1)?.request;
    expect([last?.method, last?.header('mcp-session-id'), last?.header('mcp-protocol-version')]).toEqual([
      'DELETE',
      'b',
      '2025-06-18',
    ]);
    expect(exchanges.every(({ request }) => request.header('x-own') === 'yes')).toBe(true);
  });

  it('that is lost before its stream was ever opened is begun anew; one of a server without such a stream is not', async () => {
    let session = 'a';
    const said: string[] = [];
    const gone: Reply = { status: 404, headers: [], body: null, origin: 'upstream' };
    const handler = async ({ request, call }: Exchange): Promise<Reply> => {
      said.push(`${call?.method ?? request.method} ${request.header('mcp-session-id') ?? ''}`);
      if (call?.method === 'initialize') return result(call.id, server('x'), ['mcp-session-id', session]);
      if (request.method === 'DELETE') return acceptedReply();
      if (call?.kind === 'notification') {
        // It restarts just then.
        session = 'b';
        return acceptedReply();
      }
      return request.method === 'POST' && request.header('mcp-session-id') === session ? result(call?.id, {}) : gone;
    };
    const { say, caller } = playing(() => gone, { handler });
    await say(INITIALIZE);
    await say(INITIALIZED);
    while (!said.includes('ping b')) await new Promise(setImmediate);
    await caller.close();
    expect(said).toEqual([
      'initialize ',
      'notifications/initialized a',
      'GET a',
      'ping a',
      'initialize ',
      'notifications/initialized b',
      'GET b',
      'ping b',
      'DELETE b',
    ]);
  });

  it('that can not be begun anew is told as lost, once for each call', async () => {
    let alive = true;
    const { say, hears, caller } = playing(({ id, method }) => {
      if (method === 'initialize' && alive) return result(id, server('a'), ['mcp-session-id', 'a']);
      return id === undefined ? acceptedReply() : { status: 404, headers: [], body: null, origin: 'upstream' };
    });
    await say(INITIALIZE);
    alive = false;
    await Promise.all([say({ id: 2, method: 'ping' }), say({ id: 3, method: 'ping' })]);
    const heard = await hears(3);
    expect(heard.slice(1)).toMatchObject([2, 3].map((id) => ({ id, error: { data: { code: 'SESSION_LOST' } } })));
    await caller.close();
  });
});

it('hands a 401 to a door that wants to answer with it', async () => {
  const challenge = ['www-authenticate', 'Bearer'];
  const refuse = (_: Message, { request }: Exchange): Reply =>
    request.header('authorization')
      ? result(1, {})
      : { status: 401, headers: challenge, body: null, origin: 'gateway' };
  const { say, heard, caller } = playing(refuse, { refusals: 'answer' });
  expect(await say({ id: 1, method: 'ping' })).toMatchObject({ status: 401, headers: challenge });
  expect(heard).toEqual([]);
  expect(await say({ id: 1, method: 'ping' }, ['Authorization', 'Bearer t'])).toBeUndefined();
  expect(heard).toMatchObject([{ id: 1, result: {} }]);
  await caller.close();
});

describe('a message of 2026-07-28', () => {
  it('repeats in its headers what it says, and what the tool asks for once the server missed it', async () => {
    const inputSchema = { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } };
    const { say, exchanges, hears, caller } = playing(({ id, method }, { request }) => {
      if (method === 'tools/list') return result(id, { tools: [{ name: 'näme', inputSchema }] });
      if (request.header('mcp-param-region') === 'eu') return result(id, {});
      return jsonReply({ jsonrpc: '2.0', id, error: { code: -32020, message: 'mismatch' } }, [], 400);
    });
    await say({ id: 1, method: 'tools/call', params: { ...modern, name: 'näme', arguments: { region: 'eu' } } });
    expect(await hears(1)).toMatchObject([{ id: 1, result: {} }]);
    expect(exchanges.map(({ call }) => call?.method)).toEqual(['tools/call', 'tools/list', 'tools/call']);
    const { request } = exchanges[0] as Exchange;
    expect(request.header('mcp-protocol-version')).toBe('2026-07-28');
    expect(request.header('mcp-method')).toBe('tools/call');
    expect(request.header('mcp-name')).toBe(`=?base64?${Buffer.from('näme').toString('base64')}?=`);
    expect(request.header('mcp-session-id')).toBeUndefined();
    await caller.close();
  });

  it('that listens is said again when its stream ends, and acknowledged once', async () => {
    const streams: EventStream[] = [];
    const acknowledged = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged' });
    const { say, hears, heard, caller } = playing(() => {
      const stream = new EventStream();
      streams.push(stream);
      stream.send({ data: acknowledged });
      stream.send({
        data: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/n', params: { n: streams.length } }),
      });
      return stream.reply();
    });
    await say({ id: 1, method: 'subscriptions/listen', params: modern });
    await hears(2);
    streams[0]?.end();
    await hears(3);
    expect(heard.map(({ method }) => method)).toEqual([
      'notifications/subscriptions/acknowledged',
      'notifications/n',
      'notifications/n',
    ]);
    await say({ method: 'notifications/cancelled', params: { requestId: 1 } });
    expect(streams[1]?.over).toBe(true);
    await caller.close();
    expect(heard).toHaveLength(3);
  });
});

it('lets time pass between what was told of a call and its answer, which SDKs would else read in one piece', async () => {
  const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 7, progress: 1 } };
  const slept: number[] = [];
  let pass = () => {};
  const clock = {
    ...systemClock,
    monotonic: () => 1_000,
    sleep: (ms: number) => {
      slept.push(ms);
      return new Promise<void>((resolve) => {
        pass = resolve;
      });
    },
  };
  const server = ({ id, params }: Message) => {
    if (params?.name === 'quiet') return result(id, {});
    const stream = new EventStream();
    stream.send({ data: JSON.stringify(progress) });
    stream.send({ data: JSON.stringify({ jsonrpc: '2.0', id, result: {} }) });
    stream.end();
    return stream.reply();
  };
  const { say, heard, caller, hears } = playing(server, { clock, apartMs: 10 });
  const call = (id: number, name: string) => say({ id, method: 'tools/call', params: { ...modern, name } });
  await call(1, 'telling');
  await call(2, 'quiet');
  expect(heard.map(({ id, method }) => id ?? method)).toEqual(['notifications/progress', 2]);
  expect(slept).toEqual([10]);
  pass();
  expect((await hears(3))[2]).toMatchObject({ id: 1 });
  await caller.close();
});
