import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { z } from 'zod';
import { type BridgeWorld, startBridge, until } from './bridgeWorld.js';
import { type LegacyMcp, says, startLegacyMcp, WATCHED } from './legacyMcp.js';

/** The official client of 2026-07-28 before an official server that knows only the older revisions. */
let server: LegacyMcp;
let world: BridgeWorld;
let client: Client;
const asked: string[] = [];

beforeAll(async () => {
  server = await startLegacyMcp();
  world = await startBridge(server.url);
  client = await connect('ada');
});

afterAll(async () => {
  await client?.close();
  await world?.close();
  await server?.close();
});

async function connect(user: string, capabilities: object = ALL): Promise<Client> {
  const made = new Client(
    { name: 'modern', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities },
  );
  if (capabilities === ALL) answerAll(made);
  const requestInit = { headers: { 'x-test-user': user } };
  await made.connect(new StreamableHTTPClientTransport(world.url, { requestInit }));
  return made;
}

const ALL = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };

function answerAll(made: Client): void {
  made.setRequestHandler('elicitation/create', ({ params }) => {
    asked.push(params.message);
    return params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada' } };
  });
  made.setRequestHandler('sampling/createMessage', () => ({
    role: 'assistant',
    model: 'm',
    content: { type: 'text', text: 'Paris' },
  }));
  made.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///home' }] }));
}

const call = (name: string, args: object = {}, options: object = {}) =>
  client.callTool({ name, arguments: args as Record<string, unknown> }, options);

describe('a client of 2026-07-28 and a server of 2025-11-25', () => {
  it('finds the server', async () => {
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
    expect(client.getServerVersion()).toMatchObject({ name: 'legacy' });
    expect(client.getInstructions()).toBe('Be kind.');
    expect(client.getServerCapabilities()).toMatchObject({
      tools: { listChanged: true },
      resources: { subscribe: true },
    });
  });

  it('lists, calls, reads, gets and completes', async () => {
    expect((await client.listTools()).tools.length).toBeGreaterThan(8);
    expect(await call('echo', { text: 'Grüße' })).toMatchObject(says('Grüße'));
    expect((await client.readResource({ uri: WATCHED })).contents).toMatchObject([{ text: 'watched' }]);
    expect((await client.listResourceTemplates()).resourceTemplates).toHaveLength(1);
    expect((await client.getPrompt({ name: 'visit', arguments: { city: 'Paris' } })).messages).toHaveLength(1);
    const ref = { type: 'ref/prompt' as const, name: 'visit' };
    const { completion } = await client.complete({ ref, argument: { name: 'city', value: 'Pr' } });
    expect(completion.values).toEqual(['Prague']);
    expect(server.log.opened).toHaveLength(1);
  });

  it('hears progress as it is made', async () => {
    const heard: number[] = [];
    await call('count', { to: 5 }, { onprogress: ({ progress }: { progress: number }) => void heard.push(progress) });
    expect(heard).toEqual([1, 2, 3, 4, 5]);
  });

  it.each([
    ['ask_form', 'accept Ada'],
    ['ask_beside', 'Hello, Ada'],
    ['ask_twice', 'Ada Ada'],
    ['ask_both', 'Ada in file:///home'],
    ['ask_url', 'accept'],
    ['need_url', 'done'],
    ['ask_model', '{"type":"text","text":"Paris"}'],
  ])('answers what %s asks', async (name, text) => {
    expect(await call(name)).toMatchObject(says(text));
    expect(world.bridge.held.parked).toBe(0);
  });

  it('takes up a stream that the server dropped', async () => {
    expect(await call('drop')).toMatchObject(says('said after the stream was dropped'));
  });

  it('cancels by leaving', async () => {
    const leaving = new AbortController();
    const waiting = call('wait', {}, { signal: leaving.signal });
    await until(() => server.log.running === 1);
    leaving.abort();
    await expect(waiting).rejects.toThrow();
    await until(() => server.log.left === 1);
  });

  it('gets log messages for the calls that want them', async () => {
    const heard: unknown[] = [];
    client.setNotificationHandler('notifications/message', ({ params }) => void heard.push(params.data));
    await call('log');
    expect(heard).toEqual([]);
    const _meta = { 'io.modelcontextprotocol/logLevel': 'info' };
    await client.callTool({ name: 'log', arguments: {}, _meta });
    expect(heard.sort()).toEqual(['beside the call', 'on the standing stream']);
  });

  it('listens for changes until it closes the subscription', async () => {
    const heard: string[] = [];
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.push(params.uri));
    client.setNotificationHandler('notifications/tools/list_changed', () => void heard.push('tools'));
    const wanted = {
      toolsListChanged: true,
      promptsListChanged: true,
      resourceSubscriptions: [WATCHED, 'test://none'],
    };
    const subscription = await client.listen(wanted);
    expect(subscription.honoredFilter).toMatchObject({ toolsListChanged: true, resourceSubscriptions: [WATCHED] });
    const second = await client.listen({ toolsListChanged: true });
    await server.touch();
    await until(() => heard.length === 1);
    server.addTool('late');
    await until(() => heard.length === 3);
    expect(heard).toEqual([WATCHED, 'tools', 'tools']);
    await subscription.close();
    await until(() => server.log.watched.size === 0);
    await second.close();
  });

  it('asks nothing that the client did not declare', async () => {
    const plain = await connect('ada', {});
    expect(await plain.callTool({ name: 'ask_model', arguments: {} })).toMatchObject(says('refused: -32601'));
    await plain.close();
  });

  it('keeps two callers apart, who say the same of themselves', async () => {
    const before = server.log.opened.length;
    const other = await connect('bob');
    expect(await other.callTool({ name: 'ask_form', arguments: {} })).toMatchObject(says('accept Ada'));
    expect(server.log.opened).toHaveLength(before + 1);
    await other.close();
  });

  it('says what is wrong in the words of 2026-07-28', async () => {
    await expect(client.readResource({ uri: 'test://nothing' })).rejects.toMatchObject({ code: -32602 });
    const anything = z.looseObject({});
    // The client doesn't read the body of a 404, and quotes it.
    await expect(client.request({ method: 'no/such' }, anything)).rejects.toThrow(/"code":-32601/);
  });
});

describe('a server that is started anew', () => {
  it('is not noticed by a client that calls or listens', async () => {
    const heard: string[] = [];
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.push(params.uri));
    const subscription = await client.listen({ resourceSubscriptions: [WATCHED] });
    await server.restart();
    expect(await call('echo', { text: 'again' })).toMatchObject(says('again'));
    expect(world.signals.named('bridge.session-lost')).toHaveLength(1);
    await until(() => server.log.watched.size === 1 && heard.length === 1);
    await server.touch();
    await until(() => heard.length === 2);
    await subscription.close();
  });
});
