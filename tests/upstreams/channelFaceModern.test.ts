import type { Reply } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { Caller, type Face, Heard, type Json, openFace, settled } from './fakeChannels.js';

const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';
const envelope = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const call = (id: unknown, method = 'tools/call', meta: Json = {}) => ({
  id,
  method,
  params: { name: 't', _meta: { ...envelope, ...meta } },
});
const text = (reply: Reply) => (reply.body as Buffer).toString();

let face: Face;
beforeEach(() => {
  face = openFace();
});
afterEach(() => face.face.close());

describe('calls of 2026-07-28', () => {
  it('share a channel with their caller’s others, under ids of ours, and with nobody else’s', async () => {
    const [ada, again, eve] = [new Caller(face), new Caller(face), new Caller(face, 'eve')];
    const first = ada.post(call('a'));
    const second = again.post(call('a'));
    const third = eve.post(call('a'));
    await settled();
    expect(face.channels).toHaveLength(2);
    const [mine, hers] = face.channels;
    const [one, two] = mine?.messages.map(({ id }) => id) ?? [];
    expect(one).not.toBe(two);
    mine?.says({ id: two, result: { n: 2 } });
    mine?.says(`{"id": ${one}, "result":{"id":${one},"big":12345678901234567890},"jsonrpc":"2.0"}`);
    hers?.says({ id: 1, result: { n: 3 } });
    expect(text(await first)).toBe(`{"id": "a", "result":{"id":${one},"big":12345678901234567890},"jsonrpc":"2.0"}`);
    expect(text(await second)).toBe('{"jsonrpc":"2.0","id":"a","result":{"n":2}}');
    expect(text(await third)).toContain('"n":3');
  });

  it.each([
    [-32601, 404],
    [-32020, 400],
    [-32021, 400],
    [-32022, 400],
    [-32602, 200],
    [-32603, 200],
  ])('that fail with %d are a %d', async (code, status) => {
    const asked = new Caller(face).post(call(1));
    await settled();
    face.channels[0]?.says({ id: 1, error: { code, message: 'no' } });
    expect((await asked).status).toBe(status);
  });

  it('hear their own progress under their own token', async () => {
    const ada = new Caller(face);
    const [first, second] = [ada.post(call(1, 'tools/call', { progressToken: 'p' })), ada.post(call(2))];
    await settled();
    const channel = face.channels[0];
    const token = channel?.messages[0]?.id;
    expect(channel?.messages[0]).toMatchObject({ params: { _meta: { progressToken: token } } });
    expect(token).not.toBe('p');
    channel?.says({ method: 'notifications/progress', params: { progressToken: token, progress: 1 } });
    const heard = new Heard(await first);
    expect(heard.messages).toEqual([
      { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'p', progress: 1 } },
    ]);
    channel?.says({ id: 2, result: {} });
    expect((await second).status).toBe(200);
  });

  it('listen under their own subscription until the server ends it', async () => {
    const asked = new Caller(face).post(call('listen', 'subscriptions/listen'));
    await settled();
    const channel = face.channels[0];
    const id = channel?.last.id;
    const told = (method: string) => channel?.says({ method, params: { _meta: { [SUBSCRIPTION]: id } } });
    told('notifications/subscriptions/acknowledged');
    const heard = new Heard(await asked);
    told('notifications/tools/list_changed');
    channel?.says({ id, result: { _meta: { [SUBSCRIPTION]: id } } });
    const meta = { _meta: { [SUBSCRIPTION]: 'listen' } };
    expect(heard.messages).toEqual([
      { jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: meta },
      { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: meta },
      { jsonrpc: '2.0', id: 'listen', result: meta },
    ]);
    expect(heard.ended).toBe(true);
  });

  it('are cancelled when their caller leaves', async () => {
    const ada = new Caller(face);
    const exchange = ada.exchange('POST', { jsonrpc: '2.0', ...call('x') });
    const asked = face.face.send(exchange, {} as never);
    await settled();
    exchange.leave(new GatewayError('CALLER_LEFT', 'left'));
    await expect(asked).rejects.toMatchObject({ code: 'CALLER_LEFT' });
    const { messages } = face.channels[0] as { messages: Json[] };
    expect(messages[1]).toMatchObject({ method: 'notifications/cancelled', params: { requestId: messages[0]?.id } });
  });

  it('find out that a server knows nothing of them, though it ends or says nothing', async () => {
    const asked = new Caller(face).post(call(1, 'server/discover'));
    await settled();
    face.channels[0]?.breaks(new GatewayError('UPSTREAM_BROKE', 'ended'));
    const reply = await asked;
    expect([reply.status, JSON.parse(text(reply))]).toMatchObject([404, { id: 1, error: { code: -32601 } }]);

    const mute = openFace({ limits: { discoverMs: 1 } });
    expect((await new Caller(mute).post(call(1, 'server/discover'))).status).toBe(404);
    expect([mute.channels[0]?.isClosed, mute.face.channels]).toEqual([true, 0]);
    await mute.face.close();
  });
});

describe('a channel that sessions share', () => {
  let ada: Caller;
  let eve: Caller;
  beforeEach(async () => {
    face = openFace({ shared: true });
    ada = new Caller(face);
    eve = new Caller(face, 'eve');
    await ada.begin('first');
    await eve.begin(77);
  });

  it('is greeted once, and everybody has the answer', async () => {
    expect(face.channels).toHaveLength(1);
    expect(face.channels[0]?.messages.map(({ method }) => method)).toEqual(['initialize', 'notifications/initialized']);
    expect(ada.session).toBeDefined();
    expect(eve.session).not.toBe(ada.session);
  });

  it('keeps calls apart that have the same ids and tokens', async () => {
    const calls = [ada, eve].map((caller) =>
      caller.post({ id: 1, method: 'tools/call', params: { _meta: { progressToken: 1 } } }),
    );
    await settled();
    const channel = face.channels[0];
    const [one, two] = (channel?.messages ?? []).slice(-2).map(({ id }) => id);
    channel?.says({ method: 'notifications/progress', params: { progressToken: two, progress: 5 } });
    channel?.says({ id: one, result: { for: 'ada' } });
    channel?.says({ id: two, result: { for: 'eve' } });
    expect(text((await calls[0]) as Reply)).toContain('"id":1,"result":{"for":"ada"}');
    expect(new Heard((await calls[1]) as Reply).messages).toMatchObject([
      { params: { progressToken: 1, progress: 5 } },
      { id: 1, result: { for: 'eve' } },
    ]);
  });

  it('tells everybody of lists, and nobody what may be another’s', async () => {
    const [mine, hers] = [new Heard(await ada.send('GET')), new Heard(await eve.send('GET'))];
    const channel = face.channels[0];
    channel?.says({ method: 'notifications/tools/list_changed' });
    channel?.says({ method: 'notifications/message', params: { data: 'whose?' } });
    const running = ada.post({ id: 1, method: 'resources/subscribe', params: { uri: 'file:///a' } });
    await settled();
    channel?.says({ method: 'notifications/message', params: { data: 'ada’s' } });
    channel?.says({ id: channel?.last.id, result: {} });
    channel?.says({ method: 'notifications/resources/updated', params: { uri: 'file:///a' } });
    await running;
    const methods = ({ messages }: Heard) => messages.map(({ method }) => method);
    const everybodys = 'notifications/tools/list_changed';
    expect(methods(mine)).toEqual([everybodys, 'notifications/message', 'notifications/resources/updated']);
    expect(methods(hers)).toEqual([everybodys]);
  });

  it('lets the server ask whom it can only mean, and only that one answer', async () => {
    const channel = face.channels[0];
    channel?.says({ id: 's', method: 'roots/list' });
    expect(channel?.last).toMatchObject({ id: 's', error: { code: -32603 } });
    const asked = ada.post({ id: 1, method: 'tools/call', params: { name: 't' } });
    await settled();
    const id = channel?.last.id;
    channel?.says({ id: 's2', method: 'sampling/createMessage' });
    const heard = new Heard(await asked);
    expect(heard.messages[0]).toMatchObject({ id: 's2' });
    await eve.post({ id: 's2', result: { forged: true } });
    await ada.post({ id: 's2', result: { forged: false } });
    expect(channel?.messages.slice(-1)).toMatchObject([{ id: 's2', result: { forged: false } }]);
    expect(JSON.stringify(channel?.messages)).not.toContain('"forged":true');
    channel?.says({ id, result: {} });
    expect(heard.ended).toBe(true);
  });

  it('has its calls cancelled by whoever made them only', async () => {
    const asked = ada.post({ id: 1, method: 'tools/call', params: { name: 't' } });
    await settled();
    const channel = face.channels[0];
    const id = channel?.last.id;
    const before = channel?.sent.length;
    await eve.post({ method: 'notifications/cancelled', params: { requestId: 1 } });
    expect(channel?.sent).toHaveLength(before as number);
    await ada.post({ method: 'notifications/cancelled', params: { requestId: 1 } });
    expect(channel?.last).toMatchObject({ method: 'notifications/cancelled', params: { requestId: id } });
    expect(new Heard(await asked).ended).toBe(true);
  });

  it('stays when one goes', async () => {
    await ada.send('DELETE');
    const asked = eve.post({ id: 1, method: 'tools/list' });
    await settled();
    face.channels[0]?.says({ id: face.channels[0]?.last.id, result: {} });
    expect((await asked).status).toBe(200);
    expect(face.channels[0]?.isClosed).toBe(false);
  });
});
