import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  PromptListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { BridgeSide, connectLegacy, type LegacySide, ModernSide, until } from './legacyToModernWorld.js';
import { WATCHED } from './modernServer.js';

/** The official client of old, through the bridge, to an official server that speaks 2026-07-28 and nothing else. */
const SECRET = 'a secret of more than thirty-two characters';
const CAPABILITIES = { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };
const says = (text: string) => ({ content: [{ type: 'text', text }] });

let modern: ModernSide;
let bridge: BridgeSide;
let url: URL;
let legacy: LegacySide;
const asked: unknown[] = [];

function answering(client: Client): void {
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params);
    return params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada' } };
  });
  client.setRequestHandler(CreateMessageRequestSchema, () => {
    return { role: 'assistant', model: 'm', content: { type: 'text', text: 'Because.' } };
  });
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///home/ada' }] }));
}

beforeAll(async () => {
  modern = new ModernSide();
  await modern.start();
  bridge = new BridgeSide(modern.port, SECRET);
  url = await bridge.start();
  legacy = await connectLegacy(url, CAPABILITIES, answering);
});

afterAll(async () => {
  await legacy?.client.close();
  await bridge?.stop();
  await modern?.stop();
});

describe('a client of 2025-11-25 at a server of 2026-07-28', () => {
  it('begins a session with what the server says of itself', () => {
    const { client, transport } = legacy;
    expect(client.getServerVersion()).toEqual({ name: 'modern', version: '2.0.0' });
    expect(client.getInstructions()).toBe('Ask away.');
    expect(client.getServerCapabilities()).toMatchObject({
      tools: { listChanged: true },
      resources: { subscribe: true },
    });
    expect(client.getServerCapabilities()).not.toHaveProperty('tasks');
    expect(transport.sessionId).toMatch(/^db\.[\w-]+$/);
    expect(transport.protocolVersion).toBe('2025-11-25');
  });

  it('lists, calls, reads and completes', async () => {
    const { client } = legacy;
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain('ask_user');
    expect(await client.callTool({ name: 'echo', arguments: { text: 'Grüße' } })).toEqual(says('Grüße'));
    expect((await client.listResources()).resources).toHaveLength(1);
    expect((await client.listResourceTemplates()).resourceTemplates).toHaveLength(1);
    expect((await client.readResource({ uri: WATCHED })).contents).toEqual([{ uri: WATCHED, text: 'watched' }]);
    expect((await client.listPrompts()).prompts).toHaveLength(1);
    expect((await client.getPrompt({ name: 'greet', arguments: { city: 'Bern' } })).messages).toHaveLength(1);
    const ref = { type: 'ref/prompt' as const, name: 'greet' };
    expect((await client.complete({ ref, argument: { name: 'city', value: 'Be' } })).completion.values).toEqual([
      'Bern',
    ]);
    expect(await client.ping()).toEqual({});
  });

  it('gets values that only newer revisions have words for', async () => {
    const { structuredContent } = await legacy.client.callTool({ name: 'names' });
    expect(structuredContent).toEqual({ result: ['a', 'b'] });
  });

  it('hears progress as it is made', async () => {
    const heard: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void heard.push(progress);
    await legacy.client.callTool({ name: 'count', arguments: { to: 5 } }, CallToolResultSchema, { onprogress });
    expect(heard).toEqual([1, 2, 3, 4, 5]);
  });

  it('answers forms, pages, models and roots, in several rounds', async () => {
    const { client } = legacy;
    expect(await client.callTool({ name: 'ask_user' })).toEqual(says('Hello, Ada'));
    expect(await client.callTool({ name: 'send_user' })).toEqual(says('The user said accept'));
    expect(asked.at(-1)).toMatchObject({
      mode: 'url',
      url: 'https://login.example.com/x',
      elicitationId: expect.any(String),
    });
    expect(await client.callTool({ name: 'ask_model' })).toEqual(says('{"type":"text","text":"Because."}'));
    const both = 'roots: file:///home/ada "ü" and {"type":"text","text":"Because."}';
    expect(await client.callTool({ name: 'ask_twice' })).toEqual(says(both));
  });

  it('is asked by many calls at once', async () => {
    const calls = Array.from({ length: 20 }, () => legacy.client.callTool({ name: 'ask_twice' }));
    for (const result of await Promise.all(calls)) expect(result.isError).toBeUndefined();
  });

  it('is told what it has not declared, instead of being asked for it', async () => {
    const plain = await connectLegacy(url, { elicitation: {} }, (client) => {
      client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'decline' }));
    });
    await expect(plain.client.callTool({ name: 'ask_model' })).rejects.toThrow(/sampling/);
    await expect(plain.client.callTool({ name: 'send_user' })).rejects.toThrow(/elicitation/);
    expect(await plain.client.callTool({ name: 'ask_user' })).toEqual(says('The user said decline'));
    await plain.client.close();
  });

  it('fails with the words of a client that refuses', async () => {
    const refusing = await connectLegacy(url, CAPABILITIES, (client) => {
      client.setRequestHandler(CreateMessageRequestSchema, () => Promise.reject(new Error('no model here')));
      client.setRequestHandler(ElicitRequestSchema, () => Promise.reject(new Error('no user here')));
    });
    await expect(refusing.client.callTool({ name: 'ask_model' })).rejects.toThrow(/no model here/);
    expect(await refusing.client.callTool({ name: 'ask_user' })).toEqual(says('The user said cancel'));
    await refusing.client.close();
  });

  it('cancels a call by a notification, which the server notices', async () => {
    const { left } = modern.happenings;
    const leaving = new AbortController();
    const call = legacy.client.callTool({ name: 'wait' }, CallToolResultSchema, { signal: leaving.signal });
    await until(() => modern.happenings.running === 1);
    leaving.abort();
    await expect(call).rejects.toThrow();
    await until(() => modern.happenings.left === left + 1);
    expect(modern.happenings.running).toBe(0);
  });

  it('cancels by leaving', async () => {
    const { left } = modern.happenings;
    const leaving = await connectLegacy(url);
    const call = leaving.client.callTool({ name: 'wait' });
    await until(() => modern.happenings.running === 1);
    await leaving.client.close();
    await expect(call).rejects.toThrow();
    await until(() => modern.happenings.left === left + 1);
  });

  it('hears what is logged, from its level on', async () => {
    const { client } = legacy;
    const heard: string[] = [];
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.push(params.level));
    await client.callTool({ name: 'log' });
    await client.setLoggingLevel('error');
    await client.callTool({ name: 'log' });
    await client.setLoggingLevel('debug');
    await client.callTool({ name: 'log' });
    expect(heard).toEqual(['info', 'error', 'error', 'debug', 'info', 'error']);
  });

  it('sends the headers that a tool asks for, whether it has seen the list or not', async () => {
    const { client } = legacy;
    const other = new BridgeSide(modern.port, SECRET);
    const fresh = await connectLegacy(await other.start());
    // A bridge that has seen no list is refused, and learns.
    expect(await fresh.client.callTool({ name: 'query', arguments: { region: 'Zürich' } })).toEqual(
      says('asked Zürich'),
    );
    expect(modern.happenings.headers.at(-1)).toMatchObject({ 'mcp-param-region': '=?base64?WsO8cmljaA==?=' });
    await fresh.client.close();
    await other.stop();
    await client.listTools();
    const before = modern.happenings.headers.length;
    await client.callTool({ name: 'query', arguments: { region: 'west' } });
    expect(modern.happenings.headers.length).toBe(before + 1);
  });

  it('gets errors as its revision has them', async () => {
    const { client } = legacy;
    await expect(client.readResource({ uri: 'test://nowhere' })).rejects.toMatchObject({ code: -32002 });
    await expect(client.request({ method: 'no/such' }, CallToolResultSchema)).rejects.toMatchObject({ code: -32601 });
    await expect(client.request({ method: 'tasks/list' }, CallToolResultSchema)).rejects.toMatchObject({
      code: -32601,
    });
    expect(await client.ping()).toEqual({});
  });
});

describe('what changes at the server', () => {
  it('is told on the stream that the client keeps open', async () => {
    const { client } = legacy;
    const heard: string[] = [];
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void heard.push('tools'));
    client.setNotificationHandler(PromptListChangedNotificationSchema, () => void heard.push('prompts'));
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.push(params.uri));
    modern.notify.toolsChanged();
    await until(() => heard.length === 1);
    modern.notify.resourceUpdated(WATCHED);
    await client.subscribeResource({ uri: WATCHED });
    modern.notify.resourceUpdated(WATCHED);
    await until(() => heard.length === 2);
    await client.unsubscribeResource({ uri: WATCHED });
    modern.notify.resourceUpdated(WATCHED);
    modern.notify.promptsChanged();
    await until(() => heard.length === 3);
    expect(heard).toEqual(['tools', WATCHED, 'prompts']);
  });

  it('is told again after the server was away, and calls work on', async () => {
    const { client } = legacy;
    const heard: string[] = [];
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void heard.push('tools'));
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.push(params.uri));
    await client.subscribeResource({ uri: WATCHED });
    await modern.stop();
    await expect(client.callTool({ name: 'echo', arguments: { text: 'x' } })).rejects.toThrow();
    await modern.start();
    expect(await client.callTool({ name: 'echo', arguments: { text: 'back' } })).toEqual(says('back'));
    await until(() => heard.includes('tools') && heard.includes(WATCHED));
    heard.length = 0;
    modern.notify.resourceUpdated(WATCHED);
    await until(() => heard.length === 1);
    expect(heard).toEqual([WATCHED]);
  });
});
