import type { Reply } from '../../src/contracts.js';
import { EventStream, readMessages } from '../../src/wire/messages.js';
import { broken, error, FakeMember, federate, type Json, settled } from './federationWorld.js';

const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';

/** A member that listens: each stream that is opened stands in `streams`, and was acknowledged. */
function listener(more: FakeMember['answers'] = {}): FakeMember {
  const member: FakeMember = new FakeMember({
    'subscriptions/listen': ({ notifications }, { call }) => {
      const stream = new EventStream();
      member.streams.push(stream);
      say(stream, 'notifications/subscriptions/acknowledged', { notifications }, call?.id);
      return stream.reply();
    },
    'tools/list': () => ({ tools: [] }),
    ...more,
  });
  return member;
}

function say(stream: EventStream | undefined, method: string, params: Json = {}, id: unknown = 'member’s own'): void {
  const data = JSON.stringify({ jsonrpc: '2.0', method, params: { ...params, _meta: { [SUBSCRIPTION]: id } } });
  stream?.send({ event: 'message', data });
}

/** What the caller heard so far. */
function hear(reply: Reply) {
  const heard: { method?: string; result?: Json; params?: Json }[] = [];
  const flow = readMessages(reply, { message: (text) => heard.push(JSON.parse(text)), end() {}, fail() {} });
  return { heard, flow };
}

const methodsOf = (heard: { method?: string }[]) => heard.map(({ method }) => method);
const ALL = { toolsListChanged: true, promptsListChanged: true };

it('one stream to each member, one acknowledgement, and every notification under the caller’s own id', async () => {
  const resources = (uri: string) => ({ 'resources/list': () => ({ resources: [{ uri }] }) });
  const [a, b] = [listener(resources('a:1')), listener(resources('b:1'))];
  const { open } = await federate({}, { a, b });
  const filter = { toolsListChanged: true, resourceSubscriptions: ['b:1', 'a:1', 'nobody:1'], vendor: ['x'] };
  const { heard } = hear(await open('subscriptions/listen', { notifications: filter }, { id: 'mine' }).reply);
  const filters = [a, b].map(({ asked }) => asked.find(({ method }) => method === 'subscriptions/listen')?.params);
  expect(filters.map((params) => params?.notifications)).toEqual([
    { toolsListChanged: true, resourceSubscriptions: ['a:1'], vendor: ['x'] },
    { toolsListChanged: true, resourceSubscriptions: ['b:1'], vendor: ['x'] },
  ]);
  expect(heard).toMatchObject([
    {
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: { toolsListChanged: true, resourceSubscriptions: ['a:1', 'b:1'] } },
    },
  ]);
  say(b.streams[0], 'notifications/resources/updated', { uri: 'b:1' });
  expect(heard[1]).toMatchObject({ method: 'notifications/resources/updated', params: { uri: 'b:1' } });
  expect(heard.map(({ params }) => (params?._meta as Json | undefined)?.[SUBSCRIPTION])).toEqual(['mine', 'mine']);
});

it('a caller that leaves is mirrored to every member, and nothing goes on', async () => {
  const [a, b] = [listener(), listener()];
  const { open, clock } = await federate({}, { a, b });
  const { flow } = hear(await open('subscriptions/listen', { notifications: ALL }).reply);
  flow.cancel();
  await settled();
  const listens = [a, b].flatMap(({ asked }) => asked.filter(({ method }) => method === 'subscriptions/listen'));
  expect(listens.map(({ exchange }) => exchange.gone)).toEqual([true, true]);
  expect(clock.sleepers).toEqual([]);
});

it('a member whose stream breaks off is listened to again, and what it lists counts as changed', async () => {
  const [a, b] = [listener(), listener()];
  const { open, clock } = await federate({}, { a, b });
  const { heard } = hear(await open('subscriptions/listen', { notifications: ALL }).reply);
  a.streams[0]?.fail(new Error('broke'));
  await settled();
  expect(methodsOf(heard)).toHaveLength(1);
  await clock.pass(1_000);
  expect(a.streams).toHaveLength(2);
  expect(methodsOf(heard).slice(1)).toEqual(['notifications/tools/list_changed', 'notifications/prompts/list_changed']);
});

it('a member that comes late, or first fails, is told of as soon as it is there', async () => {
  const late = listener();
  const listen = late.answers['subscriptions/listen'] as FakeMember['answers'][string];
  late.answers['subscriptions/listen'] = broken;
  const { open, clock } = await federate({}, { a: listener(), late });
  const { heard } = hear(await open('subscriptions/listen', { notifications: { toolsListChanged: true } }).reply);
  expect(methodsOf(heard)).toEqual(['notifications/subscriptions/acknowledged']);
  late.answers['subscriptions/listen'] = listen;
  await clock.pass(1_000);
  expect(methodsOf(heard).slice(1)).toEqual(['notifications/tools/list_changed']);
});

it('a member whose lists fail is asked until they don’t: then all who listen are told, once', async () => {
  const a = listener({ 'tools/list': broken });
  const { open, ask, clock, signals } = await federate({}, { a, b: listener() });
  const listening = () => open('subscriptions/listen', { notifications: { toolsListChanged: true } }).reply;
  const [one, other] = [hear(await listening()), hear(await listening())];
  await ask('tools/list');
  await clock.pass(1_000);
  expect([one.heard.length, other.heard.length]).toEqual([1, 1]);
  a.answers['tools/list'] = () => ({ tools: [] });
  await clock.pass(2_000);
  expect([one, other].map(({ heard }) => methodsOf(heard).slice(1))).toEqual([
    ['notifications/tools/list_changed'],
    ['notifications/tools/list_changed'],
  ]);
  await clock.pass(15_000);
  expect([one.heard.length, other.heard.length]).toEqual([2, 2]);
  expect(signals.named('federation.member-back')).toEqual([{ destination: 'all', member: 'a' }]);
});

it('a member without subscriptions isn’t asked again; where nobody has them, neither has the federation', async () => {
  const without = new FakeMember({});
  const { open, clock } = await federate({}, { a: without, b: listener() });
  const { heard } = hear(await open('subscriptions/listen', { notifications: ALL }).reply);
  await clock.pass(5_000);
  expect([without.methods(), methodsOf(heard)]).toEqual([
    ['subscriptions/listen'],
    ['notifications/subscriptions/acknowledged'],
  ]);
  const none = await federate({}, { a: new FakeMember({}) });
  expect(await none.ask('subscriptions/listen', { notifications: ALL })).toMatchObject({ status: 404 });
});

it('a member that answers with an error on its stream is no listener', async () => {
  const odd = new FakeMember({
    'subscriptions/listen': (_, exchange) => {
      const stream = new EventStream();
      stream.send({ data: String(error(exchange, 200, -32602, 'no').body) });
      return stream.reply();
    },
  });
  const { open } = await federate({}, { a: listener(), odd });
  const { heard } = hear(await open('subscriptions/listen', { notifications: ALL }).reply);
  expect(methodsOf(heard)).toEqual(['notifications/subscriptions/acknowledged']);
  expect(odd.asked).toHaveLength(1);
});

it('a stop ends every stream with a result', async () => {
  const { open, upstream } = await federate({}, { a: listener() });
  const { heard } = hear(await open('subscriptions/listen', { notifications: ALL }).reply);
  await upstream.close();
  expect(heard.at(-1)).toMatchObject({ id: 7, result: { _meta: { [SUBSCRIPTION]: 7 } } });
});

it('keeps a silent stream alive, and takes no filter that is none', async () => {
  const { open, ask, clock } = await federate({}, { a: listener() });
  const { body } = await open('subscriptions/listen', { notifications: ALL }).reply;
  const written: string[] = [];
  const sink = { write: (chunk: Buffer) => written.push(String(chunk)) > 0, end() {}, fail() {} };
  if (typeof body === 'function') body(sink);
  await clock.pass(20_000);
  expect(written.at(-1)).toBe(':\n\n');
  for (const notifications of [undefined, 'x', { resourceSubscriptions: [1] }, { resourceSubscriptions: 'x' }]) {
    expect((await ask('subscriptions/listen', { notifications })).message.error?.code).toBe(-32602);
  }
  const many = { resourceSubscriptions: Array.from({ length: 1_001 }, (_, i) => `x:${i}`) };
  expect((await ask('subscriptions/listen', { notifications: many })).message.error?.code).toBe(-32602);
});
