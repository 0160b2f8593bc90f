import type { Limits } from '../../src/bridge/modernToLegacyLimits.js';
import { type EventStream, jsonReply } from '../../src/wire/messages.js';
import { type Caller, type Got, ScriptedWorld, until } from './scriptedServer.js';

const KEY = 'io.modelcontextprotocol/subscriptionId';
let world: ScriptedWorld;

const start = (limits: Partial<Limits> = {}) => {
  world = new ScriptedWorld(limits);
};
beforeEach(() => start());
afterEach(() => world.bridge.close());

/** Listens, and waits for the acknowledgement. */
async function listen(notifications: object, caller: Caller = {}): Promise<Got & { leave(): void }> {
  const got = await world.open('subscriptions/listen', { notifications }, caller);
  await until(() => got.messages.length > 0 || got.ended);
  return got;
}

const say = (method: string, params?: object) =>
  (world.server.standing as EventStream).send({
    data: JSON.stringify({ jsonrpc: '2.0', method, ...(params ? { params } : {}) }),
  });

const CHANGED = 'notifications/tools/list_changed';
const UPDATED = 'notifications/resources/updated';

it('acknowledges first, and only what the server can do', async () => {
  world.server.script = ({ message: { method, id, params } }) =>
    method === 'resources/subscribe' && params?.uri === 'x://b'
      ? jsonReply({ jsonrpc: '2.0', id, error: { code: -32002, message: 'no' } })
      : undefined;
  const wanted = { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ['x://a', 'x://b'] };
  const { messages } = await listen(wanted, { id: 'mine' });
  expect(messages).toEqual([
    {
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: {
        notifications: { toolsListChanged: true, resourceSubscriptions: ['x://a'] },
        _meta: { [KEY]: 'mine' },
      },
    },
  ]);
});

it('gives each what it wants of one stream, under its own id', async () => {
  const one = await listen({ toolsListChanged: true }, { id: 1 });
  const other = await listen({ resourceSubscriptions: ['x://a'] }, { id: 2 });
  expect(world.server.of('GET')).toHaveLength(1);
  say(CHANGED);
  say(UPDATED, { uri: 'x://a', _meta: { own: 1 } });
  for (const uri of ['x://c', 'x://ab']) say(UPDATED, { uri });
  say('notifications/prompts/list_changed');
  expect(one.messages.slice(1)).toEqual([{ jsonrpc: '2.0', method: CHANGED, params: { _meta: { [KEY]: 1 } } }]);
  expect(other.messages.slice(1)).toEqual([
    { jsonrpc: '2.0', method: UPDATED, params: { uri: 'x://a', _meta: { own: 1, [KEY]: 2 } } },
  ]);
});

it('hears of a part of what is watched', async () => {
  const got = await listen({ resourceSubscriptions: ['x://a'] });
  say(UPDATED, { uri: 'x://a/b' });
  expect(got.messages[1]?.params).toMatchObject({ uri: 'x://a/b' });
});

it('watches a resource once for all, until the last one leaves', async () => {
  const [one, other] = [
    await listen({ resourceSubscriptions: ['x://a'] }),
    await listen({ resourceSubscriptions: ['x://a'] }),
  ];
  expect(world.server.of('resources/subscribe')).toHaveLength(1);
  one.leave();
  expect(world.server.of('resources/unsubscribe')).toHaveLength(0);
  other.leave();
  await until(() => world.server.of('resources/unsubscribe').length === 1);
});

it('is never heard by another caller', async () => {
  const ada = await listen({ toolsListChanged: true }, { user: 'ada' });
  const standing = world.server.standing as EventStream;
  const bob = await listen({ toolsListChanged: true }, { user: 'bob' });
  standing.send({ data: JSON.stringify({ jsonrpc: '2.0', method: CHANGED }) });
  expect([ada.messages.length, bob.messages.length]).toEqual([2, 1]);
});

it('ends in peace with the bridge', async () => {
  const got = await listen({ toolsListChanged: true }, { id: 'mine' });
  await world.bridge.close();
  expect([got.ended, got.messages.at(-1)]).toEqual([
    true,
    { jsonrpc: '2.0', id: 'mine', result: { resultType: 'complete', _meta: { [KEY]: 'mine' } } },
  ]);
});

it('takes up the stream from the event that it heard last', async () => {
  const got = await listen({ toolsListChanged: true });
  const standing = world.server.standing as EventStream;
  standing.send({ id: 'e7', retry: 20, data: JSON.stringify({ jsonrpc: '2.0', method: CHANGED }) });
  standing.end();
  await until(() => world.server.of('GET').length === 2);
  expect(world.server.of('GET')[1]?.header('last-event-id')).toBe('e7');
  await until(() => world.server.standing !== standing);
  say(CHANGED);
  await until(() => got.messages.length === 3);
});

it('goes on in a new session where the server forgot the old one, and says what may have changed', async () => {
  const got = await listen({ toolsListChanged: true, resourceSubscriptions: ['x://a'] });
  world.server.alive.clear();
  const standing = world.server.standing as EventStream;
  standing.send({ retry: 20, data: '' });
  standing.end();
  await until(() => got.messages.length === 3);
  expect(got.messages.slice(1).map(({ method }) => method)).toEqual([CHANGED, UPDATED]);
  expect(world.server.of('resources/subscribe').map(({ header }) => header('mcp-session-id'))).toEqual(['s1', 's2']);
  say(CHANGED);
  expect(got.messages).toHaveLength(4);
});

it('ends in peace where the stream is refused, so that the client may come with a fresh credential', async () => {
  const got = await listen({ toolsListChanged: true });
  world.server.script = ({ verb }) => (verb === 'GET' ? jsonReply('{}', [], 401) : undefined);
  const standing = world.server.standing as EventStream;
  standing.send({ retry: 20, data: '' });
  standing.end();
  await until(() => got.ended);
  expect(got.messages.at(-1)?.result?.resultType).toBe('complete');
});

it('is refused as the server refuses the stream', async () => {
  world.server.script = ({ verb }) =>
    verb === 'GET' ? jsonReply('{}', ['www-authenticate', 'Bearer'], 401) : undefined;
  expect((await listen({ toolsListChanged: true })).status).toBe(401);
  world.server.script = () => undefined;
  expect((await listen({ toolsListChanged: true })).status).toBe(200);
});

it('does without the stream where the server has none', async () => {
  world.server.script = ({ verb }) => (verb === 'GET' ? jsonReply('{}', [], 405) : undefined);
  await listen({ toolsListChanged: true });
  await listen({ toolsListChanged: true });
  expect(world.server.of('GET')).toHaveLength(1);
});

it('has limits', async () => {
  start({ listensPerSession: 2, urisPerListen: 2 });
  const many = await listen({ resourceSubscriptions: ['a', 'b', 'c'] });
  expect(many.messages[0]?.error?.code).toBe(-32602);
  const first = await listen({ toolsListChanged: true });
  await listen({ toolsListChanged: true });
  await expect(listen({ toolsListChanged: true })).rejects.toMatchObject({ code: 'OVERLOADED' });
  first.leave();
  await listen({ toolsListChanged: true });
});

it('leaves nothing behind that the client left while it began', async () => {
  let begun = (): void => {};
  world.server.script = ({ message: { method, id } }) =>
    method === 'resources/subscribe'
      ? new Promise((resolve) => {
          begun = () => resolve(jsonReply({ jsonrpc: '2.0', id, result: {} }));
        })
      : undefined;
  const params = { notifications: { resourceSubscriptions: ['x://a'] } };
  const exchange = world.exchange('subscriptions/listen', params);
  const reply = world.bridge.send(exchange, world.attempt());
  await until(() => world.server.of('resources/subscribe').length === 1);
  exchange.held?.cancel();
  await expect(reply).rejects.toMatchObject({ code: 'CALLER_LEFT' });
  begun();
  await until(() => world.server.of('resources/unsubscribe').length === 1);
});
