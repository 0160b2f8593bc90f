import { BridgeSide, connectLegacy, ModernSide, until } from './legacyToModernWorld.js';

/** Sessions of the bridge over real sockets: whose they are, and which process can serve them. */
const SECRET = 'a secret of more than thirty-two characters';
const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const CLIENT = {
  protocolVersion: '2025-06-18',
  capabilities: { sampling: {} },
  clientInfo: { name: 'c', version: '1' },
};

let modern: ModernSide;
let bridge: BridgeSide;
let other: BridgeSide;
let stranger: BridgeSide;
let hasty: BridgeSide;
let narrow: BridgeSide;
let url: URL;
let otherUrl: URL;
let strangerUrl: URL;
let hastyUrl: URL;
let narrowUrl: URL;

beforeAll(async () => {
  modern = new ModernSide();
  await modern.start();
  bridge = new BridgeSide(modern.port, SECRET);
  hasty = new BridgeSide(modern.port, SECRET, { perSession: 2, total: 3, waitMs: 100 });
  narrow = new BridgeSide(modern.port, SECRET, { perSession: 2, total: 3, waitMs: 60_000 });
  other = new BridgeSide(modern.port, SECRET);
  stranger = new BridgeSide(modern.port, `${SECRET}, but another`);
  const sides = [bridge, other, stranger, hasty, narrow].map((side) => side.start());
  [url, otherUrl, strangerUrl, hastyUrl, narrowUrl] = (await Promise.all(sides)) as [URL, URL, URL, URL, URL];
});

afterAll(async () => {
  await Promise.all([bridge, other, stranger, hasty, narrow].map((side) => side?.stop()));
  await modern?.stop();
});

interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: { readonly code: string } };
  readonly params?: Record<string, unknown>;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly messages: Message[];
}

function post(at: URL, body: unknown, session?: string, more: Record<string, string> = {}): Promise<Response> {
  const named = session === undefined ? {} : { 'mcp-session-id': session };
  return fetch(at, { method: 'POST', headers: { ...HEADERS, ...named, ...more }, body: JSON.stringify(body) });
}

async function say(at: URL, body: unknown, session?: string, more: Record<string, string> = {}): Promise<Answer> {
  const response = await post(at, body, session, more);
  const text = await response.text();
  return { status: response.status, headers: response.headers, messages: messagesIn(text) };
}

function messagesIn(text: string): Message[] {
  if (text.startsWith('{')) return [JSON.parse(text)];
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string));
}

const request = (id: unknown, method: string, params: object = {}) => ({ jsonrpc: '2.0', id, method, params });
const call = (id: unknown, name: string, args: object = {}) => request(id, 'tools/call', { name, arguments: args });

async function begin(at: URL, params: object = CLIENT, more: Record<string, string> = {}): Promise<string> {
  const { headers } = await say(at, request(0, 'initialize', params), undefined, more);
  return headers.get('mcp-session-id') as string;
}

/** Reads a stream until it has said so many messages. */
async function read(response: Response, count: number): Promise<{ messages: Message[]; cancel(): Promise<void> }> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  while (messagesIn(text).length < count) {
    const { done, value } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
  }
  return { messages: messagesIn(text), cancel: () => reader.cancel() };
}

describe('a session', () => {
  it.each([
    ['2024-11-05', '2024-11-05'],
    ['2025-03-26', '2025-03-26'],
    ['2025-06-18', '2025-06-18'],
    ['2025-11-25', '2025-11-25'],
    ['2099-01-01', '2025-11-25'],
    ['2026-07-28', '2025-11-25'],
    [undefined, '2025-11-25'],
  ])('asked for in revision %s is in %s', async (protocolVersion, revision) => {
    const { messages } = await say(url, request('i', 'initialize', { ...CLIENT, protocolVersion }));
    expect(messages).toEqual([
      { jsonrpc: '2.0', id: 'i', result: expect.objectContaining({ protocolVersion: revision }) },
    ]);
  });

  it('is served by any process with the same secret, with all that its client declared', async () => {
    const session = await begin(url);
    expect((await say(otherUrl, call(1, 'echo', { text: 'x' }), session)).status).toBe(200);
    const response = await post(otherUrl, call(2, 'ask_model'), session);
    const { messages, cancel } = await read(response, 1);
    expect(messages[0]).toMatchObject({ method: 'sampling/createMessage' });
    await cancel();
  });

  it('is lost to another caller, for every method', async () => {
    const session = await begin(url);
    const bob = { 'x-caller': 'bob' };
    const answer = await say(url, call(1, 'echo', { text: 'x' }), session, bob);
    expect([answer.status, answer.messages[0]?.error?.data?.code]).toEqual([404, 'SESSION_LOST']);
    const headers = { ...HEADERS, ...bob, 'mcp-session-id': session };
    for (const method of ['GET', 'DELETE']) expect((await fetch(url, { method, headers })).status).toBe(404);
    expect((await say(otherUrl, call(1, 'echo', { text: 'x' }), session, bob)).status).toBe(404);
    expect((await say(url, call(1, 'echo', { text: 'x' }), session)).status).toBe(200);
  });

  it('is lost where its id was changed, made up, or made with another secret', async () => {
    const session = await begin(url);
    const middle = session.length >> 1;
    const changed = session.slice(0, middle) + (session[middle] === 'A' ? 'B' : 'A') + session.slice(middle + 1);
    const ids = [
      changed,
      session.slice(0, -1),
      `${session}A`,
      session.slice(3),
      'db.',
      'db.x',
      'x',
      await begin(strangerUrl),
    ];
    for (const id of ids) expect((await say(url, request(1, 'ping'), id)).status).toBe(404);
    expect((await say(strangerUrl, request(1, 'ping'), session)).status).toBe(404);
  });

  it('must be named', async () => {
    const answer = await say(url, request(1, 'tools/list'));
    expect([answer.status, answer.messages[0]?.error?.code]).toEqual([400, -32600]);
    expect((await fetch(url, { headers: { accept: 'text/event-stream' } })).status).toBe(400);
  });

  it('speaks no revision that it does not know', async () => {
    const session = await begin(url);
    expect((await say(url, request(1, 'ping'), session, { 'mcp-protocol-version': '2025-06-18' })).status).toBe(200);
    expect((await say(url, request(1, 'ping'), session, { 'mcp-protocol-version': '1999-01-01' })).status).toBe(400);
  });

  it('ends by DELETE, with all that runs in it', async () => {
    const session = await begin(url);
    const { left } = modern.happenings;
    const running = post(url, call(1, 'wait'), session);
    const headers = { ...HEADERS, 'mcp-session-id': session };
    const stream = await fetch(url, { headers: { ...headers, accept: 'text/event-stream' } });
    await until(() => modern.happenings.running === 1);
    expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(204);
    expect(await (await running).text()).toBe('');
    expect(await stream.text()).toBe('');
    await until(() => modern.happenings.left === left + 1);
    expect((await say(url, request(1, 'ping'), session)).status).toBe(404);
  });

  it('has an id that fits a header, whatever its client declares', async () => {
    const large = { text: 'x'.repeat(100_000) };
    const capabilities = { sampling: { tools: {}, more: large }, experimental: large, extensions: { large } };
    const clientInfo = { name: 'n'.repeat(10_000), version: '1', icons: [large] };
    const session = await begin(url, { ...CLIENT, capabilities, clientInfo });
    expect(session.length).toBeLessThan(4_096);
    const { messages, cancel } = await read(await post(otherUrl, call(2, 'ask_model'), session), 1);
    expect(messages[0]).toMatchObject({ method: 'sampling/createMessage' });
    await cancel();
  });

  it('has one stream by GET: a new one takes the place of the old', async () => {
    const session = await begin(url);
    const headers = { accept: 'text/event-stream', 'mcp-session-id': session };
    const first = await fetch(url, { headers });
    const second = await fetch(url, { headers });
    expect(await first.text()).toBe('');
    modern.notify.toolsChanged();
    const { messages, cancel } = await read(second, 1);
    expect(messages).toMatchObject([{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }]);
    await cancel();
  });
});

describe('a call that waits for its client', () => {
  it('is given up after a while, and its question withdrawn', async () => {
    const session = await begin(hastyUrl);
    const { messages } = await say(hastyUrl, call(7, 'ask_model'), session);
    expect(messages).toHaveLength(3);
    expect(messages[1]).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: messages[0]?.id },
    });
    expect(messages[2]).toMatchObject({
      id: 7,
      error: { code: -32603, message: expect.stringMatching(/did not answer/) },
    });
    const late = { jsonrpc: '2.0', id: messages[0]?.id, result: {} };
    expect((await say(hastyUrl, late, session)).status).toBe(202);
  });

  it('is one of few, of a session and of all', async () => {
    const bob = { 'x-caller': 'bob' };
    const [mine, yours] = [await begin(narrowUrl), await begin(narrowUrl, CLIENT, bob)];
    const waiting = await Promise.all([1, 2].map((id) => post(narrowUrl, call(id, 'ask_model'), mine)));
    const third = await say(narrowUrl, call(3, 'ask_model'), mine);
    expect(third.messages[0]?.error?.message).toMatch(/too many calls/);
    waiting.push(await post(narrowUrl, call(1, 'ask_model'), yours, bob));
    const fourth = await say(narrowUrl, call(2, 'ask_model'), yours, bob);
    expect(fourth.messages[0]?.error?.message).toMatch(/too many calls/);
    // Whoever leaves makes room.
    await Promise.all(waiting.map((response) => response.body?.cancel()));
    for (;;) {
      const again = await read(await post(narrowUrl, call(4, 'ask_model'), mine), 1);
      await again.cancel();
      if (again.messages[0]?.method === 'sampling/createMessage') break;
    }
  });

  it('takes no answer of another session', async () => {
    const [mine, yours] = [await begin(url), await begin(url, CLIENT, { 'x-caller': 'bob' })];
    const response = await post(url, call(1, 'ask_model'), mine);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const [asked] = messagesIn(Buffer.from((await reader.read()).value as Uint8Array).toString());
    const result = { role: 'assistant', model: 'm', content: { type: 'text', text: 'evil' } };
    const forged = { jsonrpc: '2.0', id: asked?.id, result };
    expect((await say(url, forged, yours, { 'x-caller': 'bob' })).status).toBe(202);
    expect((await say(url, forged, mine, { 'x-caller': 'bob' })).status).toBe(404);
    await say(url, { ...forged, result: { ...result, content: { type: 'text', text: 'good' } } }, mine);
    const said = Buffer.from((await reader.read()).value as Uint8Array).toString();
    expect(said).toContain('good');
    expect(said).not.toContain('evil');
  });
});

describe('a batch', () => {
  it('is answered message by message on one stream', async () => {
    const session = await begin(url, { ...CLIENT, protocolVersion: '2025-03-26' });
    const batch = [
      call(1, 'echo', { text: 'one' }),
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      request('two', 'ping'),
      request(3, 'no/such'),
      request(4, 'initialize', CLIENT),
    ];
    const { status, messages } = await say(url, batch, session);
    expect(status).toBe(200);
    const byId = new Map(messages.map((message) => [message.id, message.result ?? message.error?.code]));
    expect(byId.get(1)).toMatchObject({ content: [{ type: 'text', text: 'one' }] });
    expect([byId.get('two'), byId.get(3), byId.get(4)]).toEqual([{}, -32601, -32602]);
    expect(messages).toHaveLength(4);
  });

  it('of notifications alone is taken', async () => {
    const session = await begin(url, { ...CLIENT, protocolVersion: '2025-03-26' });
    expect((await say(url, [{ jsonrpc: '2.0', method: 'notifications/initialized' }], session)).status).toBe(202);
  });

  it('may hold the answer to a question, and a cancellation', async () => {
    const session = await begin(url, { ...CLIENT, protocolVersion: '2025-03-26' });
    const { left } = modern.happenings;
    const running = say(url, [call(9, 'wait'), request(10, 'ping')], session);
    await until(() => modern.happenings.running === 1);
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 9 } };
    expect((await say(url, [cancelled], session)).status).toBe(202);
    expect((await running).messages).toEqual([{ jsonrpc: '2.0', id: 10, result: {} }]);
    await until(() => modern.happenings.left === left + 1);
  });

  it('has a limit', async () => {
    const session = await begin(url, { ...CLIENT, protocolVersion: '2025-03-26' });
    const batch = Array.from({ length: 101 }, (_, id) => request(id, 'ping'));
    expect((await say(url, batch, session)).status).toBe(400);
  });
});

describe('subscriptions', () => {
  it('made before there is a stream count once there is one', async () => {
    const session = await begin(url);
    const { messages } = await say(url, request(1, 'resources/subscribe', { uri: 'test://watched' }), session);
    expect(messages).toEqual([{ jsonrpc: '2.0', id: 1, result: {} }]);
    const stream = await fetch(url, { headers: { accept: 'text/event-stream', 'mcp-session-id': session } });
    modern.notify.resourceUpdated('test://watched');
    const { messages: heard, cancel } = await read(stream, 1);
    expect(heard).toEqual([
      { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'test://watched' } },
    ]);
    await cancel();
  });

  it('need a resource, of an honest length', async () => {
    const session = await begin(url);
    for (const params of [{}, { uri: 7 }, { uri: 'x'.repeat(10_000) }]) {
      const { messages } = await say(url, request(1, 'resources/subscribe', params), session);
      expect(messages[0]?.error?.code).toBe(-32602);
    }
    const { messages } = await say(url, request(1, 'logging/setLevel', { level: 'loud' }), session);
    expect(messages[0]?.error?.code).toBe(-32602);
  });

  it('end with the session that the client ends', async () => {
    const { client, transport } = await connectLegacy(url);
    const session = transport.sessionId as string;
    await client.subscribeResource({ uri: 'test://watched' });
    await transport.terminateSession();
    await client.close();
    expect((await say(url, request(1, 'ping'), session)).status).toBe(404);
  });
});
