import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport as LegacySse } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { systemClock } from '../../src/core/async.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { childrenOf } from '../helpers/alive.js';
import { call } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSignals } from '../helpers/fakes.js';
import { stdioCommand } from '../helpers/stdioProgram.js';
import { countTokens } from '../helpers/tokens.js';

/** Resolves once `holds` does; the test's own deadline is the limit. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(10);
}

const DEMO = { kind: 'toolset', toolset: 'demo', options: { stepMs: 20 } };
const ALL = ['get_time', 'get_count', 'add', 'count_to', 'forget_count'];

const namesOf = ({ tools }: { tools: { name: string }[] }) => tools.map(({ name }) => name);
const contentOf = (said: object) => (said as { structuredContent?: unknown }).structuredContent;
const textOf = (said: object) => (said as { content: { text: string }[] }).content[0]?.text;

let drawbridge: Drawbridge | undefined;
let clients: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await drawbridge?.stop();
  [drawbridge, clients] = [undefined, []];
});

async function modern(place: string, headers: Record<string, string> = {}): Promise<Client> {
  const transport = new StreamableHTTPClientTransport(new URL(place, drawbridge?.url), { requestInit: { headers } });
  return modernOver(transport);
}

async function modernOver(transport: Parameters<Client['connect']>[0]): Promise<Client> {
  const client = new Client({ name: 'modern', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  await client.connect(transport);
  clients.push(client);
  return client;
}

async function legacyOver(transport: unknown): Promise<LegacyClient> {
  const client = new LegacyClient({ name: 'old', version: '1' });
  await client.connect(transport as Transport);
  clients.push(client);
  return client;
}

const legacy = (place: string) => legacyOver(new LegacyHttp(new URL(place, drawbridge?.url)));

/** What every client, of whichever revision and over whichever door, can do. */
async function walk(client: Client | LegacyClient): Promise<void> {
  expect(client.getInstructions()).toContain('counter of its own');
  const listed = await client.listTools();
  expect(namesOf(listed)).toEqual(ALL);
  expect(listed.tools[0]).toMatchObject({ annotations: { readOnlyHint: true }, _meta: { version: '1.0.0' } });
  const call = (name: string, args: object = {}) => (client as Client).callTool({ name, arguments: { ...args } });
  expect(contentOf(await call('get_time', { timeZone: 'Asia/Tokyo' }))).toMatchObject({ timeZone: 'Asia/Tokyo' });
  const { count: before } = contentOf(await call('get_count')) as { count: number };
  const added = await call('add', { by: 3 });
  expect([contentOf(added), textOf(added)]).toEqual([{ count: before + 3 }, `{"count":${before + 3}}`]);
  const wrong = await call('add', { by: 'three' });
  expect([wrong.isError, textOf(wrong)]).toEqual([true, expect.stringContaining('by: ')]);
  expect(textOf(await call('get_time', { timeZone: 'Mars/Base' }))).toContain('no such time zone');
  await expect(call('nothing')).rejects.toMatchObject({ code: -32602 });
}

async function walkProgress(client: Client | LegacyClient): Promise<void> {
  const heard: unknown[] = [];
  const onprogress = ({ progress, total }: { progress: number; total?: number | undefined }) =>
    void heard.push([progress, total]);
  const asked = { name: 'count_to', arguments: { to: 3 } };
  const said =
    client instanceof LegacyClient
      ? await client.callTool(asked, undefined, { onprogress })
      : await client.callTool(asked, { onprogress });
  expect(contentOf(said)).toEqual({ count: 3 });
  await until(() => heard.length === 3);
  expect(heard).toEqual([
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
}

describe('a toolset is served', () => {
  const config = { server: { defaultDestination: 'tools' }, destinations: { tools: DEMO } };

  it('over Streamable HTTP to both generations', async () => {
    drawbridge = await startDrawbridge(config);
    for (const client of [await modern('/mcp'), await legacy('/mcp')]) {
      await walk(client);
      await walkProgress(client);
    }
  });

  it('over HTTP+SSE', async () => {
    drawbridge = await startDrawbridge(config);
    const client = await legacyOver(new LegacySse(new URL('/sse', drawbridge.url)));
    await walk(client);
    await walkProgress(client);
  });

  it('over stdio to both generations', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'toolset-'));
    try {
      const file = path.join(folder, 'config.json');
      await writeFile(file, JSON.stringify(config));
      const command = () => stdioCommand(['-c', file, '--destination', 'tools']);
      for (const client of [
        await modernOver(new StdioClientTransport(command())),
        await legacyOver(new LegacyStdio(command())),
      ]) {
        await walk(client);
        await walkProgress(client);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('as a member of a federation', async () => {
    const all = { kind: 'federation', members: { tools: { as: 't' } } };
    drawbridge = await startDrawbridge({ destinations: { tools: { ...DEMO, include: ['counter.*'] }, all } });
    for (const client of [await modern('/mcp/all'), await legacy('/mcp/all')]) {
      expect(namesOf(await client.listTools())).toEqual(['t_get_count', 't_add', 't_count_to', 't_forget_count']);
      expect(contentOf(await client.callTool({ name: 't_add', arguments: {} }))).toEqual({ count: expect.any(Number) });
    }
  });

  it('to a model for few tokens', async () => {
    drawbridge = await startDrawbridge(config);
    const client = await modern('/mcp');
    const { tools } = await client.listTools();
    expect(countTokens({ tools })).toBeLessThan(600);
  });

  it('and what was asked ends when its caller leaves', async () => {
    drawbridge = await startDrawbridge(config);
    for (const client of [await modern('/mcp'), await legacy('/mcp')]) {
      const leaving = new AbortController();
      const asked = { name: 'count_to', arguments: { to: 100 } };
      const options = { signal: leaving.signal, onprogress: () => leaving.abort() };
      const said =
        client instanceof LegacyClient ? client.callTool(asked, undefined, options) : client.callTool(asked, options);
      await expect(said).rejects.toThrow();
    }
    // 100 steps take two seconds; both are over long before.
    const over = () => drawbridge?.records().filter(({ tool }) => tool === 'count_to') ?? [];
    await until(() => over().length === 2);
    expect(over().every(({ ms }) => Number(ms) < 1_500)).toBe(true);
    expect(drawbridge.records().filter(({ signal }) => signal === 'tool.failed')).toEqual([]);
  });
});

describe('around a toolset stands what stands around every destination', () => {
  let folder: string;
  let keys: Record<'reader' | 'counter' | 'root', Record<string, string>>;
  let config: object;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'toolset-'));
    const keyFile = path.join(folder, 'keys.json');
    const ring = openKeyRing(keyFile, { clock: systemClock, signals: new FakeSignals() });
    const headersOf = async (name: string) => {
      const { key } = await ring.create({ name, roles: [name] });
      return { authorization: `Bearer ${key}` };
    };
    keys = { reader: await headersOf('reader'), counter: await headersOf('counter'), root: await headersOf('root') };
    const basics = [
      'tools/server/discover',
      'tools/tools/list',
      'tools/subscriptions/listen',
      'tools/initialize',
      'tools/notifications/*',
    ];
    config = {
      server: { keyFile },
      destinations: { tools: DEMO },
      identity: { keys: { kind: 'api-key' } },
      permissions: {
        roles: {
          reader: { allow: [...basics, 'tools/tools/call:get_*'] },
          counter: { allow: ['tools/*', 'tools/*:*'] },
          root: { admin: ['admin/*'] },
        },
      },
      quotas: { perTool: { 'tools/tools/call:add': '2/m' } },
      telemetry: { audit: { file: path.join(folder, 'audit.jsonl') } },
    };
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Each by a connection of its own: one that was kept may end with the worker that is killed. */
  const admin = async (method: string, route: string, body?: object) => {
    const response = await fetch(`${drawbridge?.url}/admin/v1${route}`, {
      method,
      headers: { ...keys.root, connection: 'close', ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return {
      status: response.status,
      body: (await response.json()) as { items: { name: string; enabled: boolean }[] },
    };
  };

  it('permissions, quotas, the audit log, metrics: each as anywhere', async () => {
    drawbridge = await startDrawbridge(config);
    const [reader, counter] = [await modern('/mcp/tools', keys.reader), await modern('/mcp/tools', keys.counter)];
    expect(namesOf(await reader.listTools())).toEqual(['get_time', 'get_count']);
    expect(namesOf(await counter.listTools())).toEqual(ALL);
    await expect(reader.callTool({ name: 'add', arguments: {} })).rejects.toThrow(/not do this/);

    for (const count of [1, 2]) {
      expect(contentOf(await counter.callTool({ name: 'add', arguments: {} }))).toEqual({ count });
    }
    await expect(counter.callTool({ name: 'add', arguments: {} })).rejects.toThrow(/exceeded/);
    // Each caller's counter is its own.
    expect(contentOf(await reader.callTool({ name: 'get_count', arguments: {} }))).toEqual({ count: 0 });

    const lines = async () =>
      (await readFile(path.join(folder, 'audit.jsonl'), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    await until(async () => (await lines()).some(({ name }) => name === 'get_count'));
    const adds = (await lines()).filter(({ name }) => name === 'add').map(({ outcome, status }) => [outcome, status]);
    expect(adds).toEqual([
      ['refused', 403],
      ['allowed', 200],
      ['allowed', 200],
      ['refused', 429],
    ]);

    const metrics = await (await fetch(`${drawbridge.url}/metrics`, { headers: keys.root })).text();
    expect(metrics).toMatch(/mcp_drawbridge_tool_calls_total\{[^}]*gen_ai_tool_name="add"[^}]*\} \d/);
    expect(metrics).toMatch(/mcp_drawbridge_quota_refusals_total\{destination="tools",limit="perTool"\} 1/);
  });

  it('tools are switched while clients of both generations listen, and stay so over a reload', async () => {
    drawbridge = await startDrawbridge(config);
    const [client, old] = [
      await modern('/mcp/tools', keys.counter),
      await legacyOver(
        new LegacyHttp(new URL('/mcp/tools', drawbridge.url), { requestInit: { headers: keys.counter } }),
      ),
    ];
    const heard = { modern: 0, legacy: 0 };
    client.setNotificationHandler('notifications/tools/list_changed', () => {
      heard.modern += 1;
    });
    old.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      heard.legacy += 1;
    });
    await client.listen({ toolsListChanged: true });
    // The old client's stream is open once it hears of a switch.
    await until(async () => {
      await admin('POST', '/destinations/tools/tools/disable', { tool: 'get_time' });
      await admin('POST', '/destinations/tools/tools/enable', { tool: 'get_time' });
      return heard.legacy > 0 && heard.modern > 0;
    });

    const disabled = await admin('POST', '/destinations/tools/tools/disable', { category: 'counter' });
    expect(disabled.body.items.every(({ enabled }) => !enabled)).toBe(true);
    for (const each of [client, old]) {
      expect(namesOf(await each.listTools())).toEqual(['get_time']);
      await expect(each.callTool({ name: 'get_count', arguments: {} })).rejects.toMatchObject({ code: -32602 });
    }

    const reload = await admin('POST', '/reload');
    expect(reload.status).toBe(200);
    const rows = (await admin('GET', '/destinations/tools/tools')).body.items;
    expect(rows.filter(({ enabled }) => enabled).map(({ name }) => name)).toEqual(['get_time']);
    expect(namesOf(await client.listTools())).toEqual(['get_time']);
    const changed = () => drawbridge?.records().filter(({ signal }) => signal === 'admin.changed') ?? [];
    expect(changed().map(({ target }) => target)).toEqual(
      expect.arrayContaining(['tools/counter.*', 'tools/get_time']),
    );
  });

  it('a list that is kept for clients of old is forgotten when tools are switched, though nobody listens', async () => {
    const resultCache = { enabled: true, legacyTtlMs: { 'tools/list': 60_000 } };
    drawbridge = await startDrawbridge({ ...config, resilience: { resultCache } });
    const shown = async () => {
      const { text } = await call(`${drawbridge?.url}/mcp/tools`, 'tools/list', {}, { ...keys.counter, ...session });
      return namesOf(JSON.parse(text).result);
    };
    const greeting = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'by hand', version: '1' } };
    const greeted = await call(`${drawbridge.url}/mcp/tools`, 'initialize', greeting, keys.counter);
    const session = { 'mcp-session-id': greeted.headers.get('mcp-session-id') ?? '' };
    await admin('POST', '/destinations/tools/tools/disable', { category: 'counter' });
    expect([await shown(), await shown()]).toEqual([['get_time'], ['get_time']]);
    expect((await admin('GET', '/cache')).body).toMatchObject({ hits: 1 });
    await admin('POST', '/destinations/tools/tools/enable', { tool: 'add' });
    expect(await shown()).toEqual(['get_time', 'add']);
  });

  it('what is switched at one worker is switched at all, and at one that takes the place of another', async () => {
    drawbridge = await startDrawbridge(config, { args: ['--workers', '2'] });
    await admin('POST', '/destinations/tools/tools/disable', { category: 'counter' });
    const shown = async () => {
      const lists = Array.from({ length: 8 }, () => admin('GET', '/destinations/tools/tools'));
      const rows = (await Promise.all(lists)).flatMap(({ body }) => body.items);
      return new Set(rows.filter(({ enabled }) => enabled).map(({ name }) => name));
    };
    await until(async () => (await shown()).size === 1);
    process.kill(childrenOf(drawbridge.pid)[0] as number, 'SIGKILL');
    await drawbridge.record(({ signal }) => signal === 'worker.lost');
    await until(() => childrenOf(drawbridge?.pid as number).length === 2);
    for (let i = 0; i < 5; i++) expect(await shown()).toEqual(new Set(['get_time']));
  });
});
