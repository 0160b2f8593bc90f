import type { Reply } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { Caller, type Face, Heard, type Json, openFace, settled } from './fakeChannels.js';

const call = (id: unknown, more: Json = {}) => ({ id, method: 'tools/call', params: { name: 't', ...more } });
const text = (reply: Reply) => (reply.body as Buffer).toString();
const broke = () => new GatewayError('UPSTREAM_BROKE', 'gone');

let face: Face;
let ada: Caller;
beforeEach(() => {
  face = openFace();
  ada = new Caller(face);
});
afterEach(() => face.face.close());

describe('a session', () => {
  it('begins with initialize, has an id nobody can guess and a channel to itself', async () => {
    const first = await ada.begin();
    const other = new Caller(face);
    const second = await other.begin();
    expect(ada.session).toMatch(/^[\w-]{32}$/);
    expect(other.session).not.toBe(ada.session);
    expect(first).not.toBe(second);
    expect(first.messages.map(({ method }) => method)).toEqual(['initialize', 'notifications/initialized']);
  });

  it('that the server refuses is none', async () => {
    const refusing = openFace({
      open: async (_carrying, handlers) => ({
        send: (message) => {
          const { id } = JSON.parse(message.toString()) as Json;
          queueMicrotask(() =>
            handlers.message(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32602, message: '' } })),
          );
          return undefined;
        },
        close: async () => {},
      }),
    });
    const reply = await new Caller(refusing).post({ id: 1, method: 'initialize' });
    expect(reply.headers).not.toContain('mcp-session-id');
    expect(refusing.face.channels).toBe(0);
  });

  it('is nobody else’s, and gone after DELETE', async () => {
    const channel = await ada.begin();
    const eve = new Caller(face, 'eve');
    eve.session = ada.session;
    await expect(eve.post(call(1))).rejects.toMatchObject({ code: 'SESSION_LOST' });
    await expect(eve.send('GET')).rejects.toMatchObject({ code: 'SESSION_LOST' });
    await expect(eve.send('DELETE')).rejects.toMatchObject({ code: 'SESSION_LOST' });
    expect((await ada.send('DELETE')).status).toBe(200);
    expect(channel.isClosed).toBe(true);
    await expect(ada.post(call(1))).rejects.toMatchObject({ code: 'SESSION_LOST', status: 404 });
  });

  it('must be named', async () => {
    await expect(ada.post(call(1))).rejects.toMatchObject({ code: 'INVALID_REQUEST', status: 400 });
    await expect(ada.send('GET')).rejects.toMatchObject({ status: 400 });
    await expect(ada.send('GET', undefined, { 'mcp-protocol-version': '2026-07-28' })).rejects.toMatchObject({
      status: 405,
    });
  });

  it('is lost when its channel breaks; what runs is told', async () => {
    const channel = await ada.begin();
    const silent = ada.post(call(1));
    const begun = ada.post(call('2', { _meta: { progressToken: 7 } }));
    const stream = new Heard(await ada.send('GET'));
    channel.says({ method: 'notifications/progress', params: { progressToken: 7, progress: 1 } });
    const heard = new Heard(await begun);
    channel.breaks(broke());
    await expect(silent).rejects.toMatchObject({ code: 'UPSTREAM_BROKE' });
    expect(heard.messages[1]).toMatchObject({ id: '2', error: { data: { code: 'UPSTREAM_BROKE' } } });
    expect([heard.ended, stream.ended]).toEqual([true, true]);
    await expect(ada.post(call(3))).rejects.toMatchObject({ code: 'SESSION_LOST' });
  });

  it('gives way when it lies unused and the room is needed', async () => {
    face = openFace({ limits: { channels: 1 } });
    ada = new Caller(face);
    const bob = new Caller(face, 'bob');
    const first = await ada.begin();
    const listening = new Heard(await ada.send('GET'));
    await expect(bob.begin()).rejects.toMatchObject({ code: 'OVERLOADED', retryAfter: 5 });
    listening.leave();
    const running = ada.post(call(1));
    await expect(bob.begin()).rejects.toMatchObject({ code: 'OVERLOADED' });
    first.says({ id: 1, result: {} });
    await running;
    await bob.begin();
    expect(first.isClosed).toBe(true);
  });
});

describe('an answer', () => {
  it('is the server’s own text, as JSON, where it comes first', async () => {
    const channel = await ada.begin();
    const asked = ada.send('POST', '{"jsonrpc":"2.0","id":"a", "method":"x/y","params":{"n":12345678901234567890}}');
    await settled();
    expect(channel.sent.at(-1)).toContain('12345678901234567890');
    const answer = '{"result":{"n":12345678901234567890 },"jsonrpc":"2.0","id":"a"}';
    expect(channel.says(answer)).toBe(true);
    const reply = await asked;
    expect([reply.status, text(reply)]).toEqual([200, answer]);
  });

  it('is a stream where something that belongs to it comes before', async () => {
    const channel = await ada.begin();
    const asked = ada.post(call(5, { _meta: { progressToken: 'p' } }));
    const other = ada.post(call(6));
    channel.says({ method: 'notifications/progress', params: { progressToken: 'p', progress: 1 } });
    const heard = new Heard(await asked);
    channel.says({ id: 6, result: {} });
    channel.says({ id: 5, result: {} });
    expect(heard.messages.map(({ method, id }) => method ?? id)).toEqual(['notifications/progress', 5]);
    expect(heard.ended).toBe(true);
    expect(text(await other)).toContain('"id":6');
  });

  it('carries the question of a server that can only mean this call', async () => {
    const channel = await ada.begin();
    const get = new Heard(await ada.send('GET'));
    const asked = ada.post(call(1));
    channel.says({ id: 9, method: 'sampling/createMessage', params: {} });
    const heard = new Heard(await asked);
    expect((await ada.post({ id: 9, result: { role: 'assistant' } })).status).toBe(202);
    expect(channel.last).toMatchObject({ id: 9, result: { role: 'assistant' } });
    channel.says({ id: 1, result: {} });
    expect(heard.messages.map(({ method, id }) => method ?? id)).toEqual(['sampling/createMessage', 1]);
    expect(get.messages).toEqual([]);
  });

  it('to a batch is a batch, whose messages reach the server one by one', async () => {
    const channel = await ada.begin();
    const asked = ada.post([
      { jsonrpc: '2.0', ...call(1) },
      { jsonrpc: '2.0', method: 'notifications/x' },
      { jsonrpc: '2.0', ...call(2) },
    ]);
    await settled();
    expect(channel.messages.slice(-3).map(({ id, method }) => id ?? method)).toEqual([1, 'notifications/x', 2]);
    channel.says({ id: 2, result: {} });
    channel.says({ id: 1, result: {} });
    expect((JSON.parse(text(await asked)) as Json[]).map(({ id }) => id)).toEqual([2, 1]);
  });

  it('that never comes is not waited for for ever', async () => {
    face = openFace({ limits: { firstByteMs: 1 } });
    ada = new Caller(face);
    const channel = await ada.begin();
    await expect(ada.post(call(1))).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
    expect(channel.last).toMatchObject({ method: 'notifications/cancelled', params: { requestId: 1 } });
  });

  it('is one for each id', async () => {
    await ada.begin();
    const first = ada.post(call(1));
    await expect(ada.post(call(1))).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    ada.session && face.channels[0]?.says({ id: 1, result: {} });
    expect((await first).status).toBe(200);
  });
});

describe('a caller that leaves', () => {
  it('has its call cancelled, before and after the answer began', async () => {
    const channel = await ada.begin();
    const exchange = ada.exchange('POST', { jsonrpc: '2.0', ...call('x') });
    const asked = face.face.send(exchange, {} as never);
    await settled();
    exchange.leave(broke());
    await expect(asked).rejects.toMatchObject({ code: 'CALLER_LEFT' });
    expect(channel.last).toMatchObject({ method: 'notifications/cancelled', params: { requestId: 'x' } });

    const streamed = ada.exchange('POST', { jsonrpc: '2.0', ...call(2, { _meta: { progressToken: 1 } }) });
    const begun = face.face.send(streamed, {} as never);
    await settled();
    channel.says({ method: 'notifications/progress', params: { progressToken: 1, progress: 1 } });
    new Heard(await begun);
    streamed.leave(broke());
    expect(channel.last).toMatchObject({ method: 'notifications/cancelled', params: { requestId: 2 } });
  });

  it('gets what it missed when it comes back', async () => {
    const channel = await ada.begin();
    const asked = ada.post(call(2, { _meta: { progressToken: 1 } }));
    channel.says({ method: 'notifications/progress', params: { progressToken: 1, progress: 1 } });
    const heard = new Heard(await asked);
    heard.leave();
    channel.says({ id: 2, result: { late: true } });
    const back = new Heard(await ada.send('GET', undefined, { 'last-event-id': String(heard.events[0]?.id) }));
    expect(back.messages).toEqual([{ jsonrpc: '2.0', id: 2, result: { late: true } }]);
    expect(back.ended).toBe(true);
  });

  it('ends a session that it was beginning', async () => {
    const channels = face.channels;
    const exchange = ada.exchange('POST', { jsonrpc: '2.0', id: 1, method: 'initialize' });
    const asked = face.face.send(exchange, {} as never);
    exchange.leave(broke());
    await expect(asked).rejects.toMatchObject({ code: 'CALLER_LEFT' });
    expect(channels[0]?.isClosed).toBe(true);
    expect(face.face.channels).toBe(0);
  });

  it('may cancel by saying so: the answer ends without one', async () => {
    await ada.begin();
    const asked = ada.post(call(1));
    await ada.post({ method: 'notifications/cancelled', params: { requestId: 1 } });
    const heard = new Heard(await asked);
    expect([heard.messages, heard.ended]).toEqual([[], true]);
  });
});

describe('the GET stream', () => {
  it('has what belongs to no request, also what came before anybody listened', async () => {
    const channel = await ada.begin();
    channel.says({ method: 'notifications/tools/list_changed' });
    const heard = new Heard(await ada.send('GET'));
    channel.says({ method: 'notifications/message', params: { level: 'info', data: 'x' } });
    expect(heard.messages.map(({ method }) => method)).toEqual([
      'notifications/tools/list_changed',
      'notifications/message',
    ]);
  });

  it('goes on behind the last event that was read, in the hands of the last that came', async () => {
    const channel = await ada.begin();
    const first = new Heard(await ada.send('GET'));
    for (const n of [1, 2, 3]) channel.says({ method: `notifications/${n}` });
    const second = new Heard(await ada.send('GET', undefined, { 'last-event-id': String(first.events[0]?.id) }));
    channel.says({ method: 'notifications/4' });
    expect(first.messages).toHaveLength(3);
    expect(first.ended).toBe(true);
    expect(second.messages.map(({ method }) => method)).toEqual([2, 3, 4].map((n) => `notifications/${n}`));
  });

  it('is let go of when its reader leaves', async () => {
    face = openFace({ limits: { idleMs: 1 } });
    ada = new Caller(face);
    const channel = await ada.begin();
    const exchange = ada.exchange('GET');
    new Heard(await face.face.send(exchange, {} as never));
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(channel.isClosed).toBe(false);
    exchange.leave(broke());
    while (!channel.isClosed) await settled();
    expect(face.face.channels).toBe(0);
  });

  it('keeps only so much for nobody', async () => {
    const channel = await ada.begin();
    for (let n = 0; n < 1000; n++) channel.says({ method: `notifications/${n}` });
    const heard = new Heard(await ada.send('GET'));
    expect(heard.messages).toHaveLength(256);
    expect(heard.messages.at(-1)).toMatchObject({ method: 'notifications/999' });
  });
});
