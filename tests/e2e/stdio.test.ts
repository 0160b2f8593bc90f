import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import {
  type LegacyServer,
  type ModernServer,
  startLegacyServer,
  startModernServer,
  WATCHED,
} from '../helpers/mcpServers.js';
import { freePort, startEverything, stdioCommand, until } from '../helpers/stdioProgram.js';

const TOKEN = 'tok-stdio';
const HEADER = ['--header', 'Authorization:Bearer $' + '{TOKEN}'];
const says = (text: string) => ({ content: [{ type: 'text', text }] });

function legacyClient(): LegacyClient {
  const client = new LegacyClient(
    { name: 'legacy', version: '1' },
    { capabilities: { sampling: {}, elicitation: { form: {} }, roots: { listChanged: true } } },
  );
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///work', name: 'work' }] }));
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    model: 'test',
    role: 'assistant',
    content: { type: 'text', text: 'Paris' },
  }));
  return client;
}

describe('the client of 2026-07-28 on stdin', () => {
  let server: ModernServer;
  let client: ModernClient;

  beforeAll(async () => {
    server = await startModernServer((token) => token === TOKEN);
    client = new ModernClient(
      { name: 'modern', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities: { elicitation: { form: {} } } },
    );
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Ada' } }));
    await client.connect(new ModernStdio(stdioCommand([server.url, ...HEADER], { TOKEN })));
  });
  afterAll(async () => {
    await client?.close();
    await server?.close();
  });

  it('lists and calls', async () => {
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['echo', 'count', 'ask_user', 'wait']);
    expect(await client.callTool({ name: 'echo', arguments: { text: 'Grüße' } })).toMatchObject(says('Grüße'));
    expect(server.knocks.every(({ session }) => session === undefined)).toBe(true);
  });

  it('hears progress as it is made', async () => {
    const heard: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void heard.push(progress);
    await client.callTool({ name: 'count', arguments: { to: 5 } }, { onprogress });
    expect(heard).toEqual([1, 2, 3, 4, 5]);
  });

  it('answers what the server asks in the middle of a call', async () => {
    expect(await client.callTool({ name: 'ask_user', arguments: {} })).toMatchObject(says('Hello, Ada'));
  });

  it('cancels by a notification, and the server notices that its caller has left', async () => {
    const leaving = new AbortController();
    const call = client.callTool({ name: 'wait', arguments: {} }, { signal: leaving.signal });
    await until(() => server.waiting.running === 1);
    leaving.abort();
    await expect(call).rejects.toThrow();
    await until(() => server.waiting.left === 1);
    expect(server.waiting).toEqual({ running: 0, left: 1 });
  });

  it('listens for changes', async () => {
    const updated: string[] = [];
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => void updated.push(params.uri));
    const subscription = await client.listen({ resourceSubscriptions: [WATCHED] });
    expect(subscription.honoredFilter).toEqual({ resourceSubscriptions: [WATCHED] });
    server.notify.resourceUpdated(WATCHED);
    await until(() => updated.length === 1);
    await subscription.close();
    expect(updated).toEqual([WATCHED]);
  });
});

describe('the client of the revisions of 2025 on stdin', () => {
  let server: LegacyServer;
  let client: LegacyClient;
  let transport: LegacyStdio;

  beforeAll(async () => {
    server = await startLegacyServer((token) => token === TOKEN);
    client = legacyClient();
    transport = new LegacyStdio(stdioCommand([server.url, ...HEADER], { TOKEN }));
    await client.connect(transport);
  });
  afterAll(() => server?.close());

  it('initializes a session under its own name, opens a stream by GET, lists and calls', async () => {
    await until(() => server.knocks.some(({ method, session }) => method === 'GET' && session !== undefined));
    expect(server.sessions.opened).toHaveLength(1);
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('ask_model');
    expect(await client.callTool({ name: 'echo', arguments: { text: '你好\nzweite Zeile' } })).toMatchObject(
      says('你好\nzweite Zeile'),
    );
  });

  it('hears all progress before the answer', async () => {
    const heard: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void heard.push(progress);
    await client.callTool({ name: 'count', arguments: { to: 5 } }, CallToolResultSchema, { onprogress });
    expect(heard).toEqual([1, 2, 3, 4, 5]);
  });

  it('answers the requests that the server sends on either stream', async () => {
    expect(await client.callTool({ name: 'ask_user' })).toMatchObject(says('Hello, Ada'));
    expect(await client.callTool({ name: 'ask_model' })).toMatchObject(says('{"type":"text","text":"Paris"}'));
  });

  it('cancels a call by a notification', async () => {
    const leaving = new AbortController();
    const call = client.callTool({ name: 'wait' }, CallToolResultSchema, { signal: leaving.signal });
    await until(() => server.waiting.running === 1);
    leaving.abort();
    await expect(call).rejects.toThrow();
    await until(() => server.waiting.left === 1);
    expect(server.waiting.running).toBe(0);
  });

  it('subscribes to a resource and hears of its change', async () => {
    const updated: string[] = [];
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updated.push(params.uri));
    await client.subscribeResource({ uri: WATCHED });
    await client.callTool({ name: 'touch' });
    await until(() => updated.length === 1);
    expect(updated).toEqual([WATCHED]);
  });

  it('takes up an answer whose stream broke, by Last-Event-ID', async () => {
    expect(await client.callTool({ name: 'drop' })).toMatchObject(says('said after the stream was dropped'));
    expect(server.knocks.filter(({ lastEventId }) => lastEventId !== undefined)).toHaveLength(1);
  });

  it('ends its session when the client closes', async () => {
    await client.close();
    await until(() => server.sessions.ended.length === 1);
    expect(server.sessions.ended).toEqual(server.sessions.opened);
  });
});

describe('the reference server behind stdin', () => {
  let server: Awaited<ReturnType<typeof startEverything>>;
  let client: LegacyClient;
  const logged: unknown[] = [];

  beforeAll(async () => {
    server = await startEverything(await freePort());
    client = legacyClient();
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void logged.push(params.level));
    await client.connect(new LegacyStdio(stdioCommand([server.url])));
  });
  afterAll(async () => {
    await client?.close();
    await server?.kill();
  });

  it('is told of roots, completes, samples and elicits', async () => {
    const names = async () => (await client.listTools()).tools.map(({ name }) => name);
    await until(async () => (await names()).includes('get-roots-list'));
    const roots = await client.callTool({ name: 'get-roots-list' });
    expect(JSON.stringify(roots)).toContain('file:///work');
    const { completion } = await client.complete({
      ref: { type: 'ref/prompt', name: 'completable-prompt' },
      argument: { name: 'department', value: 'E' },
    });
    expect(completion.values).toContain('Engineering');
    const sampled = await client.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'capital?' } });
    expect(JSON.stringify(sampled)).toContain('Paris');
  });

  it('logs at the level that is asked for', async () => {
    await client.setLoggingLevel('debug');
    await client.callTool({ name: 'toggle-simulated-logging' });
    await until(() => logged.length > 0);
    await client.callTool({ name: 'toggle-simulated-logging' });
  });

  it('runs many calls beside one another', async () => {
    const sums = Array.from({ length: 50 }, (_, a) => client.callTool({ name: 'get-sum', arguments: { a, b: 1 } }));
    const texts = (await Promise.all(sums)).map((sum) => JSON.stringify(sum));
    expect(texts.every((text, a) => text.includes(String(a + 1)))).toBe(true);
  });
});
