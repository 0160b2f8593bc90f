import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';

/** The official client over HTTP, and official servers that are started by a command. */
const { resolve } = createRequire(import.meta.url);
const server = (name: string) => resolve(`@modelcontextprotocol/server-${name}/dist/index.js`);

let folder: string;
let drawbridge: Drawbridge;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'stdio-')));
  await writeFile(path.join(folder, 'letter.txt'), 'Grüße aus Köln');
  const stdio = { kind: 'stdio', command: process.execPath };
  const everything = { ...stdio, args: [server('everything'), 'stdio'] };
  drawbridge = await startDrawbridge({
    destinations: {
      everything,
      shared: { ...everything, shared: true },
      idle: { ...everything, idleMs: 1_000 },
      files: { ...stdio, args: [server('filesystem'), folder] },
    },
    mcpServers: {
      memory: {
        command: process.execPath,
        args: [server('memory')],
        env: { MEMORY_FILE_PATH: path.join(folder, 'memory.jsonl') },
      },
    },
  });
});

afterAll(async () => {
  await drawbridge?.stop();
  await rm(folder, { recursive: true, force: true });
});

function newClient(): Client {
  const capabilities = { sampling: {}, elicitation: { form: {} } };
  const client = new Client({ name: 'test', version: '1' }, { capabilities });
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    model: 'none',
    role: 'assistant' as const,
    content: { type: 'text' as const, text: 'sampled here' },
  }));
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'decline' as const }));
  return client;
}

async function connect(destination: string, client = newClient()): Promise<Client> {
  const transport = new StreamableHTTPClientTransport(new URL(`/mcp/${destination}`, drawbridge.url));
  await client.connect(transport as never);
  return client;
}

const textOf = (result: unknown) => (result as { content: { text: string }[] }).content.map(({ text }) => text).join();

describe.each(['everything', 'shared'])('server-everything as %s', (destination) => {
  let client: Client;
  beforeAll(async () => {
    client = await connect(destination);
  });
  afterAll(() => client.close());

  it('lists and calls', async () => {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain('get-sum');
    expect(textOf(await client.callTool({ name: 'echo', arguments: { message: 'Grüße\n"日本"' } }))).toBe(
      'Echo: Grüße\n"日本"',
    );
    await expect(client.request({ method: 'no/such' } as never, {} as never)).rejects.toMatchObject({ code: -32601 });
  });

  it('reports progress as it is made', async () => {
    const heard: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void heard.push(progress);
    const call = { name: 'trigger-long-running-operation', arguments: { duration: 0.3, steps: 3 } };
    await client.callTool(call, undefined, { onprogress });
    expect(heard).toEqual([1, 2, 3]);
  });

  it('asks its client for a sample and for what a user says', async () => {
    const sampled = await client.callTool({
      name: 'trigger-sampling-request',
      arguments: { prompt: 'p', maxTokens: 5 },
    });
    expect(textOf(sampled)).toContain('sampled here');
    expect(textOf(await client.callTool({ name: 'trigger-elicitation-request', arguments: {} }))).toContain('declined');
  });

  it('reads resources, gets prompts and completes', async () => {
    const uri = 'demo://resource/dynamic/text/1';
    expect((await client.readResource({ uri })).contents[0]).toMatchObject({ uri });
    expect((await client.getPrompt({ name: 'simple-prompt' })).messages).toHaveLength(1);
    const ref = { type: 'ref/prompt', name: 'completable-prompt' } as const;
    const { completion } = await client.complete({ ref, argument: { name: 'department', value: 'S' } });
    expect(completion.values).toEqual(['Sales', 'Support']);
  });

  it('tells of a resource that changed', async () => {
    const uri = 'demo://resource/dynamic/text/2';
    const updated = new Promise((resolve) => {
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => resolve(params.uri));
    });
    await client.subscribeResource({ uri });
    await client.callTool({ name: 'toggle-subscriber-updates', arguments: {} });
    expect(await updated).toBe(uri);
    await client.callTool({ name: 'toggle-subscriber-updates', arguments: {} });
    await client.unsubscribeResource({ uri });
  });
});

describe('server-everything', () => {
  it('logs to its client', async () => {
    const client = newClient();
    const logged = new Promise((resolve) => {
      client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => resolve(params));
    });
    await connect('everything', client);
    await client.setLoggingLevel('debug');
    await client.callTool({ name: 'toggle-simulated-logging', arguments: {} });
    expect(await logged).toHaveProperty('level');
    await client.close();
  });

  it('is ended, child and all, when its session lies unused', async () => {
    const client = await connect('idle');
    await client.listTools();
    const started = await drawbridge.record(
      ({ signal, destination }) => signal === 'child.started' && destination === 'idle',
    );
    await client.close();
    await drawbridge.record(({ signal, pid }) => signal === 'child.stopped' && pid === started.pid, 10_000);
    expect(() => process.kill(Number(started.pid), 0)).toThrow();
  });
});

it('server-filesystem reads and writes', async () => {
  const client = await connect('files');
  const letter = path.join(folder, 'letter.txt');
  expect(textOf(await client.callTool({ name: 'read_text_file', arguments: { path: letter } }))).toBe('Grüße aus Köln');
  const copy = path.join(folder, 'copy.txt');
  await client.callTool({ name: 'write_file', arguments: { path: copy, content: 'x'.repeat(100_000) } });
  expect(await readFile(copy, 'utf8')).toHaveLength(100_000);
  await client.close();
});

it('server-memory, as a client’s own file names it, remembers', async () => {
  const client = await connect('memory');
  const entities = [{ name: 'Ada', entityType: 'person', observations: ['counts'] }];
  await client.callTool({ name: 'create_entities', arguments: { entities } });
  await client.close();
  const later = await connect('memory');
  expect(textOf(await later.callTool({ name: 'read_graph', arguments: {} }))).toContain('Ada');
  await later.close();
});
