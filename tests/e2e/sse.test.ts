import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type LegacyServer, startLegacyServer, WATCHED } from '../helpers/mcpServers.js';
import { programNode } from '../helpers/programNode.js';
import { type SseServer, startSseServer } from '../helpers/sseServer.js';
import { type Issuer, startIssuer } from '../helpers/tokenIssuer.js';

const PROGRAM = fileURLToPath(new URL('../../bin/mcp-drawbridge.js', import.meta.url));

const EVERYTHING = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'));

/** The official client of HTTP+SSE, against official servers of it and of Streamable HTTP. */
let issuer: Issuer;
let old: SseServer;
let legacy: LegacyServer;
let drawbridge: Drawbridge;
const clients: Client[] = [];

beforeAll(async () => {
  issuer = await startIssuer();
  [old, legacy] = await Promise.all([startSseServer(issuer.accepts), startLegacyServer(issuer.accepts)]);
  drawbridge = await startDrawbridge(
    {
      server: { defaultDestination: 'legacy' },
      destinations: {
        old: { kind: 'sse', url: old.url, credential: 'jobs' },
        legacy: { kind: 'http', url: legacy.url, credential: 'jobs' },
        found: { kind: 'http', url: old.url, credential: 'jobs', transport: 'http-first' },
        child: { kind: 'stdio', command: process.execPath, args: [EVERYTHING, 'stdio'] },
        guessed: { kind: 'http', url: legacy.url, credential: 'jobs', transport: 'sse-first' },
      },
      credentials: { jobs: issuer.credential(old.origin, legacy.origin) },
    },
    { args: ['--transport', 'sse'] },
  );
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

afterAll(async () => {
  await drawbridge?.stop();
  await Promise.all([old?.close(), legacy?.close(), issuer?.close()]);
});

const says = (text: string) => ({ content: [{ type: 'text', text }] });

/** Resolves once `holds` does; the test's own deadline is the limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}

type Made = SSEClientTransport | StreamableHTTPClientTransport | StdioClientTransport;
const bySse = (path: string, headers: Record<string, string> = {}) =>
  new SSEClientTransport(new URL(path, drawbridge.url), { requestInit: { headers } });
const byHttp = (path: string) => new StreamableHTTPClientTransport(new URL(path, drawbridge.url));

async function connect(transport: Made): Promise<Client> {
  const client = new Client(
    { name: 'old', version: '1' },
    { capabilities: { sampling: {}, elicitation: { form: {} } } },
  );
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    model: 'test',
    role: 'assistant',
    content: { type: 'text', text: 'Paris' },
  }));
  // The SDK's own classes miss their own interface where optional means optional.
  await client.connect(transport as Transport);
  clients.push(client);
  return client;
}

describe.each([
  ['HTTP+SSE to Streamable HTTP', () => bySse('/sse/legacy'), () => legacy.waiting],
  ['HTTP+SSE to HTTP+SSE', () => bySse('/sse/old'), () => old.waiting],
  ['Streamable HTTP to HTTP+SSE', () => byHttp('/mcp/old'), () => old.waiting],
  ['HTTP+SSE to what turns out to be HTTP+SSE', () => bySse('/sse/found'), () => old.waiting],
  ['Streamable HTTP to what turns out not to be HTTP+SSE', () => byHttp('/mcp/guessed'), () => legacy.waiting],
])('%s', (_name, transport, waiting) => {
  it('lists and calls, many at a time', async () => {
    const client = await connect(transport());
    expect(client.getServerVersion()).toMatchObject({ name: 'legacy' });
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('ask_model');
    const texts = Array.from({ length: 30 }, (_, index) => `Grüße ${index} 你好`);
    const echo = (text: string) => client.callTool({ name: 'echo', arguments: { text } });
    expect(await Promise.all(texts.map(echo))).toMatchObject(texts.map(says));
    await expect(client.callTool({ name: 'missing' })).resolves.toMatchObject({ isError: true });
  });

  it('hears progress as it is made', async () => {
    const client = await connect(transport());
    const heard: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void heard.push(progress);
    await client.callTool({ name: 'count', arguments: { to: 5 } }, CallToolResultSchema, { onprogress });
    expect(heard).toEqual([1, 2, 3, 4, 5]);
  });

  it('answers what the server asks in the middle of a call', async () => {
    const client = await connect(transport());
    expect(await client.callTool({ name: 'ask_user' })).toMatchObject(says('Hello, Ada'));
    expect(await client.callTool({ name: 'ask_model' })).toMatchObject(says('{"type":"text","text":"Paris"}'));
  });

  it('cancels in mid-call', async () => {
    const client = await connect(transport());
    const { left } = waiting();
    const leaving = new AbortController();
    const call = client.callTool({ name: 'wait' }, CallToolResultSchema, { signal: leaving.signal });
    await until(() => waiting().running === 1);
    leaving.abort();
    await expect(call).rejects.toThrow();
    await until(() => waiting().left === left + 1);
    expect(waiting().running).toBe(0);
    expect(await client.callTool({ name: 'echo', arguments: { text: 'on' } })).toMatchObject(says('on'));
  });

  it('subscribes to a resource and hears of its change', async () => {
    const client = await connect(transport());
    const updated: string[] = [];
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updated.push(params.uri));
    await client.subscribeResource({ uri: WATCHED });
    await client.callTool({ name: 'touch' });
    await until(() => updated.length === 1);
    expect(updated).toEqual([WATCHED]);
  });
});

describe('an HTTP+SSE server', () => {
  it.each([
    ['HTTP+SSE', () => bySse('/sse/old')],
    ['Streamable HTTP', () => byHttp('/mcp/old')],
  ])('tells a client of %s when its list has changed', async (_name, transport) => {
    const client = await connect(transport());
    const changes: unknown[] = [];
    client.setNotificationHandler(ToolListChangedNotificationSchema, (change) => void changes.push(change));
    await client.callTool({ name: 'grow' });
    await until(() => changes.length === 1);
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('grown');
  });

  it('has one stream per client, gone with it', async () => {
    const { open } = old.streams;
    const made = await Promise.all([
      connect(bySse('/sse/old')),
      connect(bySse('/sse/old')),
      connect(byHttp('/mcp/old')),
    ]);
    expect(old.streams.open).toBe(open + 3);
    const transport = made[2]?.transport as unknown as StreamableHTTPClientTransport;
    await transport.terminateSession();
    await until(() => old.streams.open === open + 2);
    await made[0]?.close();
    await until(() => old.streams.open === open + 1);
    expect(await made[1]?.callTool({ name: 'echo', arguments: { text: 'still here' } })).toMatchObject(
      says('still here'),
    );
    await made[1]?.close();
    await until(() => old.streams.open === open);
  });

  it('that restarts costs a client of Streamable HTTP its session, and it begins anew', async () => {
    const client = await connect(byHttp('/mcp/old'));
    await old.restart();
    await expect(client.callTool({ name: 'echo', arguments: { text: 'lost' } })).rejects.toMatchObject({ code: 404 });
    const again = await connect(byHttp('/mcp/old'));
    expect(await again.callTool({ name: 'echo', arguments: { text: 'back' } })).toMatchObject(says('back'));
  });

  it('that restarts is nothing that a client of HTTP+SSE would notice', async () => {
    const client = await connect(bySse('/sse/old'));
    await old.restart();
    expect(await client.callTool({ name: 'echo', arguments: { text: 'healed' } })).toMatchObject(says('healed'));
  });

  it('is shown a fresh token when it refuses the one it was shown', async () => {
    const before = issuer.requests.length;
    const worthless = issuer.tokens.at(-1);
    const { accepts } = old;
    old.accepts = (token) => token !== worthless && accepts(token);
    const client = await connect(byHttp('/mcp/old'));
    expect(await client.callTool({ name: 'echo', arguments: { text: 'fresh' } })).toMatchObject(says('fresh'));
    expect(issuer.requests.length).toBe(before + 1);
    const next = issuer.tokens.at(-1);
    old.accepts = (token) => token !== next && accepts(token);
    expect(await client.callTool({ name: 'echo', arguments: { text: 'again' } })).toMatchObject(says('again'));
    old.accepts = accepts;
  });
});

describe('a client of stdio', () => {
  it.each([[[]], [['--transport', 'sse-first']], [['--transport', 'sse-only']]])(
    'reaches a server of which it only knows the URL, with %j',
    async (options) => {
      const args = [PROGRAM, 'stdio', old.url, '--header', `Authorization:Bearer ${issuer.tokens.at(-1)}`, ...options];
      const { open } = old.streams;
      const client = await connect(new StdioClientTransport({ command: programNode(), args, stderr: 'ignore' }));
      expect(await client.callTool({ name: 'ask_user' })).toMatchObject(says('Hello, Ada'));
      expect(old.streams.open).toBe(open + 1);
      await client.close();
      await until(() => old.streams.open === open);
    },
  );
});

describe('the door of HTTP+SSE', () => {
  it.each([
    ['/sse', {}],
    ['/', {}],
    ['/mcp/events', {}],
    ['/sse', { 'x-btp-destination': 'old' }],
  ])('is at %s too, its destination chosen by header or default', async (path, headers) => {
    const client = await connect(bySse(path, headers));
    const tools = (await client.listTools()).tools.map(({ name }) => name);
    expect(tools.includes('grow')).toBe('x-btp-destination' in headers);
  });

  it('leads to a server that is started by a command', async () => {
    const client = await connect(bySse('/sse/child'));
    expect(client.getServerVersion()?.name).toContain('everything');
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('echo');
    const heard: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void heard.push(progress);
    const long = { name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 3 } };
    await client.callTool(long, CallToolResultSchema, { onprogress });
    expect(heard).toEqual([1, 2, 3]);
  });

  it('ends the session at the server when its client leaves', async () => {
    const client = await connect(bySse('/sse/legacy'));
    await client.listTools();
    const session = legacy.sessions.opened.at(-1) as string;
    expect(legacy.sessions.ended).not.toContain(session);
    await client.close();
    await until(() => legacy.sessions.ended.includes(session));
  });
});
