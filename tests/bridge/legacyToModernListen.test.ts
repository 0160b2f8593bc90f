import type { Reply } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { callerLeft } from '../../src/wire/explain.js';
import { EventStream } from '../../src/wire/messages.js';
import { complete, DISCOVERED, failed, type Got, listenTo, ScriptedModern, settled } from './scriptedModern.js';

/** The stream that a client of old keeps open by GET, and the subscriptions at the server that feed it. */
const ID = 'io.modelcontextprotocol/subscriptionId';

let modern: ScriptedModern;
let session: string;
let streams: EventStream[];
/** What becomes of the next subscriptions; those behind are acknowledged. */
let next: ((got: Got) => Reply)[];

const listens = () => modern.got.filter(({ method }) => method === 'subscriptions/listen');

function say(stream: EventStream | undefined, method: string, params: object = {}): void {
  stream?.send({ data: JSON.stringify({ jsonrpc: '2.0', method, params: { ...params, _meta: { [ID]: 'x' } } }) });
}

function acknowledged(): Reply {
  const stream = new EventStream();
  streams.push(stream);
  say(stream, 'notifications/subscriptions/acknowledged', { notifications: {} });
  return stream.reply();
}

beforeEach(async () => {
  modern = new ScriptedModern();
  streams = [];
  next = [];
  modern.script = (got) =>
    got.method === 'subscriptions/listen' ? (next.shift() ?? acknowledged)(got) : complete(got, {});
  session = await modern.begin();
});
afterEach(() => modern.bridge.close());

const open = () => modern.exchange('GET', undefined, ['mcp-session-id', session]);
const subscribe = (uri: string, verb = 'subscribe') =>
  modern.post({ jsonrpc: '2.0', id: 1, method: `resources/${verb}`, params: { uri } }, session);

describe('the stream by GET', () => {
  it('asks for what the server tells of, and passes it on as clients of old know it', async () => {
    const { heard } = listenTo(await modern.serve(open()));
    expect(listens()[0]?.params.notifications).toEqual({ toolsListChanged: true });
    say(streams[0], 'notifications/tools/list_changed');
    say(streams[0], 'notifications/resources/updated', { uri: 'a://b' });
    await settled();
    expect(heard).toEqual([
      { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: {} },
      { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'a://b' } },
    ]);
  });

  it('is 405 where the server tells of nothing', async () => {
    const send = modern.send.bind(modern);
    modern.send = async (exchange) =>
      complete(JSON.parse(String(exchange.call?.body)), { ...DISCOVERED, capabilities: { tools: {} } });
    session = await modern.begin();
    modern.send = send;
    await expect(modern.serve(open())).rejects.toMatchObject({ code: 'METHOD_NOT_ALLOWED', status: 405 });
  });

  it.each([401, 403])('is refused as the server refuses, by %s', async (status) => {
    const refusal: Reply = { status, headers: ['www-authenticate', 'Bearer'], body: null, origin: 'upstream' };
    next = [() => refusal];
    expect(await modern.serve(open())).toBe(refusal);
    expect((await modern.serve(open())).status).toBe(200);
  });

  it('lets go of the server when its client leaves, and ends with the session', async () => {
    const exchange = open();
    const { state } = listenTo(await modern.serve(exchange));
    const inner = modern.last.exchange;
    exchange.leave(callerLeft());
    await settled();
    expect([inner.gone, state.ended, modern.clock.sleeping]).toEqual([true, true, 0]);
    const again = listenTo(await modern.serve(open()));
    await modern.serve(modern.exchange('DELETE', undefined, ['mcp-session-id', session]));
    await settled();
    expect([again.state.ended, modern.last.exchange.gone]).toEqual([true, true]);
    await expect(modern.serve(open())).rejects.toMatchObject({ code: 'SESSION_LOST' });
  });
});

describe('subscriptions to resources', () => {
  it('are those of the session, and a new list is on before the old one ends', async () => {
    await subscribe('a://1');
    const { heard } = listenTo(await modern.serve(open()));
    expect(listens()[0]?.params.notifications).toEqual({ toolsListChanged: true, resourceSubscriptions: ['a://1'] });
    const silent = new EventStream();
    next = [() => silent.reply()];
    const answer = subscribe('a://2');
    await settled();
    expect(listens()[1]?.params.notifications).toMatchObject({ resourceSubscriptions: ['a://1', 'a://2'] });
    expect(listens()[0]?.exchange.gone).toBe(false);
    say(streams[0], 'notifications/resources/updated', { uri: 'a://1' });
    say(silent, 'notifications/subscriptions/acknowledged');
    expect((await answer).status).toBe(200);
    expect([listens()[0]?.exchange.gone, listens()[1]?.exchange.gone]).toEqual([true, false]);
    say(silent, 'notifications/resources/updated', { uri: 'a://2' });
    await settled();
    expect(heard.map(({ params }) => params)).toEqual([{ uri: 'a://1' }, { uri: 'a://2' }]);
    await subscribe('a://1', 'unsubscribe');
    expect(listens()[2]?.params.notifications).toMatchObject({ resourceSubscriptions: ['a://2'] });
    await subscribe('a://none', 'unsubscribe');
    expect(listens()).toHaveLength(3);
  });

  it('that come at once cost one list more, not one each', async () => {
    await modern.serve(open());
    await Promise.all(Array.from({ length: 50 }, (_, index) => subscribe(`a://${index}`)));
    expect(listens().length).toBeLessThanOrEqual(3);
    const { notifications } = modern.last.params as { notifications: { resourceSubscriptions: string[] } };
    expect(notifications.resourceSubscriptions).toHaveLength(50);
  });

  it('wait for no server that never acknowledges', async () => {
    await modern.serve(open());
    next = [() => new EventStream().reply()];
    const answer = subscribe('a://1');
    await settled();
    await modern.clock.pass(6_000);
    expect((await answer).status).toBe(200);
  });

  it('have a limit', async () => {
    for (let index = 0; index < 1_000; index++) await subscribe(`a://${index}`);
    const { body } = await subscribe('a://more');
    expect(String(body)).toContain('too many subscriptions');
    expect(String((await subscribe('a://0')).body)).toContain('result');
  });

  it('are not to be had from a server without', async () => {
    const send = modern.send.bind(modern);
    modern.send = async (exchange) =>
      complete(JSON.parse(String(exchange.call?.body)), { ...DISCOVERED, capabilities: { tools: {} } });
    session = await modern.begin();
    modern.send = send;
    expect(String((await subscribe('a://1')).body)).toContain('-32601');
  });
});

describe('a server that ends a subscription', () => {
  const endings: [string, (stream: EventStream) => void][] = [
    [
      'by its response',
      (stream) => stream.send({ data: '{"jsonrpc":"2.0","id":"x","result":{"resultType":"complete"}}' }),
    ],
    ['by a cancellation', (stream) => say(stream, 'notifications/cancelled', { requestId: 'x' })],
    ['by breaking off', (stream) => stream.fail(new Error('gone'))],
    ['by ending', (stream) => stream.end()],
  ];

  it.each(endings)('%s is asked again after a pause, and clients look again', async (_, end) => {
    await subscribe('a://1');
    const { heard } = listenTo(await modern.serve(open()));
    end(streams[0] as EventStream);
    await settled();
    expect(listens()).toHaveLength(1);
    await modern.clock.pass(1_000);
    expect(listens()).toHaveLength(2);
    expect(heard.map(({ method, params }) => [method, params])).toEqual([
      ['notifications/tools/list_changed', undefined],
      ['notifications/resources/updated', { uri: 'a://1' }],
    ]);
  });

  it('is asked ever less often, and the stream stays open', async () => {
    const unreachable = () => {
      throw new GatewayError('UPSTREAM_UNREACHABLE', 'nobody there', { neverSent: true });
    };
    next = Array.from({ length: 10 }, () => unreachable);
    const { state } = listenTo(await modern.serve(open()));
    const pauses: number[] = [];
    for (let tries = 1; tries < 9; tries++) {
      const since = modern.clock.time;
      while (listens().length === tries) await modern.clock.pass(500);
      pauses.push(modern.clock.time - since);
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    expect(state.ended).toBe(false);
  });

  it('and refuses the next one has its client come back, with a fresh credential', async () => {
    const { state } = listenTo(await modern.serve(open()));
    next = [() => ({ status: 401, headers: [], body: null, origin: 'upstream' })];
    streams[0]?.end();
    await settled();
    await modern.clock.pass(1_000);
    expect(state.ended).toBe(true);
    expect(modern.clock.sleeping).toBe(0);
  });

  it('and knows no such method is left alone', async () => {
    next = [(got) => failed(got, { code: -32601, message: 'no' }, 404)];
    const { state } = listenTo(await modern.serve(open()));
    await modern.clock.pass(600_000);
    expect(listens()).toHaveLength(1);
    expect(state.ended).toBe(false);
  });
});
