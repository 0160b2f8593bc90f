import { setTimeout as sleep } from 'node:timers/promises';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import {
  type LegacyServer,
  type ModernServer,
  startLegacyServer,
  startModernServer,
  WATCHED,
} from '../helpers/mcpServers.js';
import { type Issuer, startIssuer } from '../helpers/tokenIssuer.js';

/** The official clients, against official servers that let nobody in without a token. */
let issuer: Issuer;
let modern: ModernServer;
let legacy: LegacyServer;
let drawbridge: Drawbridge;

beforeAll(async () => {
  issuer = await startIssuer();
  [modern, legacy] = await Promise.all([startModernServer(issuer.accepts), startLegacyServer(issuer.accepts)]);
  drawbridge = await startDrawbridge({
    server: { defaultDestination: 'modern' },
    destinations: {
      modern: { kind: 'http', url: modern.url, credential: 'jobs' },
      legacy: { kind: 'http', url: legacy.url, credential: 'jobs' },
    },
    credentials: { jobs: issuer.credential(modern.origin, legacy.origin) },
  });
});

afterAll(async () => {
  await drawbridge?.stop();
  await Promise.all([modern?.close(), legacy?.close(), issuer?.close()]);
});

const says = (text: string) => ({ content: [{ type: 'text', text }] });

/** Resolves once `holds` does; the test's own deadline is the limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}

describe('the client of 2026-07-28', () => {
  let client: ModernClient;

  beforeAll(async () => {
    client = new ModernClient(
      { name: 'modern', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities: { elicitation: { form: {} } } },
    );
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Ada' } }));
    await client.connect(new ModernTransport(new URL('/mcp', drawbridge.url)));
  });
  afterAll(() => client.close());

  it('lists and calls', async () => {
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['echo', 'count', 'ask_user', 'wait']);
    expect(await client.callTool({ name: 'echo', arguments: { text: 'Grüße' } })).toMatchObject(says('Grüße'));
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

  it('cancels by leaving, which the server notices', async () => {
    const leaving = new AbortController();
    const call = client.callTool({ name: 'wait', arguments: {} }, { signal: leaving.signal });
    await until(() => modern.waiting.running === 1);
    leaving.abort();
    await expect(call).rejects.toThrow();
    await until(() => modern.waiting.left === 1);
    expect(modern.waiting).toEqual({ running: 0, left: 1 });
  });

  it('listens for changes until it closes the subscription', async () => {
    const updated: string[] = [];
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => void updated.push(params.uri));
    const subscription = await client.listen({ resourceSubscriptions: [WATCHED] });
    expect(subscription.honoredFilter).toEqual({ resourceSubscriptions: [WATCHED] });
    modern.notify.resourceUpdated(WATCHED);
    await until(() => updated.length === 1);
    await subscription.close();
    modern.notify.resourceUpdated(WATCHED);
    await client.listTools();
    expect(updated).toEqual([WATCHED]);
  });
});

describe('the client of the revisions of 2025', () => {
  let client: LegacyClient;
  let transport: LegacyTransport;

  beforeAll(async () => {
    ({ client, transport } = await connectLegacy());
  });
  afterAll(() => client.close());

  it('initializes a session, keeps a stream open by GET, lists and calls', async () => {
    expect(legacy.sessions.opened).toEqual([transport.sessionId]);
    expect(client.getServerVersion()).toMatchObject({ name: 'legacy' });
    await until(() => legacy.knocks.some(({ method, session }) => method === 'GET' && session === transport.sessionId));
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain('ask_model');
    expect(await client.callTool({ name: 'echo', arguments: { text: '你好' } })).toMatchObject(says('你好'));
  });

  it('hears progress as it is made', async () => {
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
    await until(() => legacy.waiting.running === 1);
    leaving.abort();
    await expect(call).rejects.toThrow();
    await until(() => legacy.waiting.left === 1);
    expect(legacy.waiting.running).toBe(0);
  });

  it('subscribes to a resource and hears of its change', async () => {
    const updated: string[] = [];
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updated.push(params.uri));
    await client.subscribeResource({ uri: WATCHED });
    await client.callTool({ name: 'touch' });
    await until(() => updated.length === 1);
    expect(updated).toEqual([WATCHED]);
  });

  it('takes up a stream that broke, by Last-Event-ID', async () => {
    expect(await client.callTool({ name: 'drop' })).toMatchObject(says('said after the stream was dropped'));
    expect(legacy.knocks.filter(({ lastEventId }) => lastEventId !== undefined)).toHaveLength(1);
  });

  it('has a session of its own beside another client, and ends it', async () => {
    const other = await connectLegacy();
    expect(legacy.sessions.opened).toEqual([transport.sessionId, other.transport.sessionId]);
    const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`);
    const echo = (text: string, index: number) =>
      (index % 2 ? client : other.client).callTool({ name: 'echo', arguments: { text } });
    expect(await Promise.all(texts.map(echo))).toMatchObject(texts.map(says));

    await other.transport.terminateSession();
    expect(legacy.sessions.ended).toEqual([legacy.sessions.opened[1]]);
    await other.client.close();
    expect(await client.callTool({ name: 'echo', arguments: { text: 'still here' } })).toMatchObject(
      says('still here'),
    );
  });

  it('never needed more than one token, and showed none of its own', () => {
    expect(issuer.requests).toHaveLength(1);
    const shown = new Set([...legacy.knocks, ...modern.knocks].map(({ authorization }) => authorization));
    expect([...shown]).toEqual([`Bearer ${issuer.tokens[0]}`]);
  });

  async function connectLegacy() {
    const made = new LegacyClient(
      { name: 'legacy', version: '1' },
      { capabilities: { sampling: {}, elicitation: { form: {} } } },
    );
    made.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
    made.setRequestHandler(CreateMessageRequestSchema, () => ({
      model: 'test',
      role: 'assistant',
      content: { type: 'text', text: 'Paris' },
    }));
    const way = new LegacyTransport(new URL('/mcp/legacy', drawbridge.url));
    await made.connect(way as Transport);
    return { client: made, transport: way };
  }
});
