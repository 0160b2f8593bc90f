import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolResultSchema,
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { systemClock } from '../../src/core/async.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { call } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSignals } from '../helpers/fakes.js';
import { type LegacyServer, startLegacyServer, WATCHED } from '../helpers/mcpServers.js';
import { type MemberServer, startMember } from './federationServers.js';

const UNAVAILABLE = 'io.mcp-drawbridge/unavailable';
const LONG = 'a_tool_with_a_name_that_is_far_longer_than_any_client_would_show_to_its_model';

/** Resolves once `holds` does; the test's own deadline is the limit. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(10);
}

const namesOf = (listed: { tools: { name: string }[] }) => listed.tools.map(({ name }) => name);
const textOf = (said: object) => (said as { content: { text: string }[] }).content[0]?.text;

let drawbridge: Drawbridge | undefined;
let members: MemberServer[] = [];
let clients: Client[] = [];

async function connect(
  place: string,
  headers: Record<string, string> = {},
  fetchBy: typeof fetch = fetch,
): Promise<Client> {
  const client = new Client(
    { name: 'modern', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities: { elicitation: { form: {} } } },
  );
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Ada' } }));
  await client.connect(
    new StreamableHTTPClientTransport(new URL(place, drawbridge?.url), { requestInit: { headers }, fetch: fetchBy }),
  );
  clients.push(client);
  return client;
}

async function member(name: string, ...tools: string[]): Promise<MemberServer> {
  const server = await startMember({ name, tools });
  members.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await drawbridge?.stop();
  await Promise.all(members.map((server) => server.close()));
  [drawbridge, members, clients] = [undefined, [], []];
});

const http = (server: MemberServer, more: object = {}) => ({ kind: 'http', url: server.url, era: 'modern', ...more });
const resilience = { retry: { attempts: 1 }, circuitBreaker: { failures: 50, resetMs: 100 } };

describe('two servers as one', () => {
  it('lists, calls, prompts, resources, templates, completions: each goes where it belongs', async () => {
    const [a, b] = [await member('a', 'get', 'b_get', LONG), await member('a_b', 'get')];
    const all = { kind: 'federation', members: ['a', 'a_b'] };
    drawbridge = await startDrawbridge({ destinations: { a: http(a), a_b: http(b), all }, resilience });
    const client = await connect('/mcp/all');
    expect(client.getInstructions()).toBe('# a\n\nThis is a.\n\n# a_b\n\nThis is a_b.');

    const names = namesOf(await client.listTools());
    expect(names).toHaveLength(8);
    expect(names.every((name) => /^[\w-]{1,64}$/.test(name))).toBe(true);
    const [get, hashed, long] = names as [string, string, string];
    expect([get, hashed, long]).toEqual([
      'a_get',
      expect.stringMatching(/^a_b_get_/),
      expect.stringMatching(/^a_a_tool_/),
    ]);
    expect(textOf(await client.callTool({ name: hashed, arguments: {} }))).toBe('a: b_get');
    expect(textOf(await client.callTool({ name: 'a_b_get', arguments: {} }))).toBe('a_b: get');
    expect(textOf(await client.callTool({ name: long, arguments: {} }))).toBe(`a: ${LONG}`);
    await expect(client.callTool({ name: 'a_nothing', arguments: {} })).rejects.toThrow();

    const { prompts } = await client.listPrompts();
    expect(prompts.map(({ name }) => name)).toEqual(['a_greet', 'a_b_greet']);
    const prompt = await client.getPrompt({ name: 'a_b_greet', arguments: { city: 'Bern' } });
    expect(prompt.messages[0]?.content).toMatchObject({ text: 'a_b: Bern' });
    const argument = { name: 'city', value: 'a' };
    const { completion } = await client.complete({ ref: { type: 'ref/prompt', name: 'a_b_greet' }, argument });
    expect(completion.values).toEqual(['a_b']);

    const { resources } = await client.listResources();
    expect(resources.map(({ uri }) => uri)).toEqual(['shared://x', 'a://watched', 'a-b://watched']);
    const read = async (uri: string) => (await client.readResource({ uri })).contents[0];
    expect(await read('shared://x')).toMatchObject({ text: 'a' });
    expect(await read('a-b://watched')).toMatchObject({ text: 'a_b' });
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(['a://things/{id}', 'a-b://things/{id}']);
    expect(await read('a-b://things/7')).toMatchObject({ text: 'a_b' });
    const ref = { type: 'ref/resource' as const, uri: 'a-b://things/{id}' };
    const things = await client.complete({ ref, argument: { name: 'id', value: 'o' } });
    expect(things.completion.values).toEqual(['one', 'other']);
    await expect(read('nobody://x')).rejects.toThrow();
  });

  it('progress, questions to the person, and a thousand tools', async () => {
    const many = Array.from({ length: 1_000 }, (_, i) => `tool_${i}`);
    const [a, b] = [await member('a', ...many), await member('b', 'get')];
    const all = { kind: 'federation', members: { a: {}, b: { as: '' } } };
    drawbridge = await startDrawbridge({ destinations: { a: http(a), b: http(b), all }, resilience });
    const client = await connect('/mcp/all');
    const names = namesOf(await client.listTools());
    expect([names.length, names.at(-3)]).toEqual([1_005, 'get']);
    expect(textOf(await client.callTool({ name: 'a_tool_999', arguments: {} }))).toBe('a: tool_999');
    expect(textOf(await client.callTool({ name: 'ask_user', arguments: {} }))).toBe('b: hello, Ada');
    const heard: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void heard.push(progress);
    await client.callTool({ name: 'a_count', arguments: { to: 3 } }, { onprogress });
    expect(heard).toEqual([1, 2, 3]);
  });

  it('subscriptions of both on one stream, list_changed and resources', async () => {
    const [a, b] = [await member('a'), await member('b')];
    const all = { kind: 'federation', members: ['a', 'b'] };
    drawbridge = await startDrawbridge({ destinations: { a: http(a), b: http(b), all }, resilience });
    const client = await connect('/mcp/all');
    const heard: string[] = [];
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.push(params.uri));
    client.setNotificationHandler('notifications/tools/list_changed', () => void heard.push('tools'));
    const filter = { toolsListChanged: true, resourceSubscriptions: ['b://watched', 'a://watched'] };
    const subscription = await client.listen(filter);
    expect(subscription.honoredFilter).toEqual({ ...filter, resourceSubscriptions: ['a://watched', 'b://watched'] });
    b.notify.resourceUpdated('b://watched');
    await until(() => heard.length === 1);
    a.notify.resourceUpdated('b://watched');
    a.notify.toolsChanged();
    await until(() => heard.length === 2);
    expect(heard).toEqual(['b://watched', 'tools']);
    await subscription.close();
  });
});

it('a request without _meta is told what it lacks, as the revision says', async () => {
  const a = await member('a', 'get');
  const all = { kind: 'federation', members: ['a'] };
  drawbridge = await startDrawbridge({ destinations: { a: http(a), all }, resilience });
  const said = await call(`${drawbridge.url}/mcp/all`, 'tools/list', {}, { 'mcp-protocol-version': '2026-07-28' });
  expect([said.status, JSON.parse(said.text).error.code]).toEqual([400, -32602]);
});

describe('clients and servers of 2025', () => {
  const token = { kind: 'static', token: 'only-for-this-test' };
  let old: LegacyServer;

  beforeEach(async () => {
    old = await startLegacyServer((said) => said === token.token);
    const a = await member('a', 'get');
    const credentials = { old: { ...token, origins: [old.origin] } };
    const legacy = { kind: 'http', url: old.url, credential: 'old', exclude: ['drop'] };
    const all = { kind: 'federation', members: ['a', 'old'] };
    const destinations = { a: { kind: 'http', url: a.url }, old: legacy, all };
    drawbridge = await startDrawbridge({ destinations, credentials, resilience });
  });
  afterEach(() => old.close());

  it('a client of 2026 calls tools of both, is asked by both, and hears of both', async () => {
    const client = await connect('/mcp/all');
    const names = namesOf(await client.listTools());
    expect(names).toEqual(expect.arrayContaining(['a_get', 'old_echo', 'old_ask_user']));
    expect(names).not.toContain('old_drop');
    expect(textOf(await client.callTool({ name: 'old_echo', arguments: { text: 'Grüße' } }))).toBe('Grüße');
    expect(textOf(await client.callTool({ name: 'old_ask_user', arguments: {} }))).toBe('Hello, Ada');
    expect(textOf(await client.callTool({ name: 'a_ask_user', arguments: {} }))).toBe('a: hello, Ada');
    const updated: string[] = [];
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => void updated.push(params.uri));
    await client.listen({ resourceSubscriptions: [WATCHED, 'a://watched'] });
    await until(async () => {
      await client.callTool({ name: 'old_touch', arguments: {} });
      return updated.includes(WATCHED);
    });
    members[0]?.notify.resourceUpdated('a://watched');
    await until(() => updated.includes('a://watched'));
  });

  it('a client of 2025 calls tools of both, is asked by both, and hears of both', async () => {
    const client = new LegacyClient({ name: 'old', version: '1' }, { capabilities: { elicitation: {} } });
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
    const updated: string[] = [];
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updated.push(params.uri));
    await client.connect(new LegacyTransport(new URL('/mcp/all', drawbridge?.url)) as Transport);
    const names = namesOf(await client.listTools());
    expect(names).toEqual(expect.arrayContaining(['a_get', 'old_echo']));
    expect(textOf(await client.callTool({ name: 'a_get' }))).toBe('a: get');
    expect(textOf(await client.callTool({ name: 'old_echo', arguments: { text: '你好' } }))).toBe('你好');
    expect(textOf(await client.callTool({ name: 'a_ask_user' }))).toBe('a: hello, Ada');
    expect(textOf(await client.callTool({ name: 'old_ask_user' }))).toBe('Hello, Ada');
    await expect(client.callTool({ name: 'old_drop' })).rejects.toMatchObject({ code: -32602 });
    const heard: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void heard.push(progress);
    await client.callTool({ name: 'a_count', arguments: { to: 3 } }, CallToolResultSchema, { onprogress });
    expect(heard).toEqual([1, 2, 3]);
    await client.subscribeResource({ uri: 'a://watched' });
    await until(async () => {
      members[0]?.notify.resourceUpdated('a://watched');
      await sleep(20);
      return updated.includes('a://watched');
    });
    await client.close();
  });
});

it('official servers that are started by a command, and one over HTTP, as one', async () => {
  const require = createRequire(import.meta.url);
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'drawbridge-files-')));
  try {
    await writeFile(path.join(folder, 'letter.txt'), 'Grüße aus Köln');
    const a = await member('a', 'get');
    const files = require.resolve('@modelcontextprotocol/server-filesystem/dist/index.js');
    const everything = require.resolve('@modelcontextprotocol/server-everything/dist/index.js');
    const stdio = { kind: 'stdio', command: process.execPath };
    drawbridge = await startDrawbridge({
      destinations: {
        a: http(a),
        files: { ...stdio, args: [files, folder], include: ['read_*', 'list_directory'] },
        everything: { ...stdio, args: [everything, 'stdio'] },
        all: { kind: 'federation', members: ['a', 'files', 'everything'], listMs: 20_000 },
      },
    });
    const client = await connect('/mcp/all');
    const names = namesOf(await client.listTools());
    expect(names).toEqual(expect.arrayContaining(['a_get', 'files_read_text_file', 'everything_echo']));
    expect(names).not.toContain('files_write_file');
    const read = { name: 'files_read_text_file', arguments: { path: path.join(folder, 'letter.txt') } };
    expect(textOf(await client.callTool(read))).toBe('Grüße aus Köln');
    const write = { path: path.join(folder, 'letter.txt'), content: 'x' };
    await expect(client.callTool({ name: 'files_write_file', arguments: write })).rejects.toMatchObject({
      code: -32602,
    });
    expect(textOf(await client.callTool({ name: 'everything_echo', arguments: { message: 'hi' } }))).toBe('Echo: hi');
  } finally {
    await drawbridge?.stop();
    drawbridge = undefined;
    await rm(folder, { recursive: true });
  }
});

describe('what is left out', () => {
  it('by include and exclude can’t be called, on a federation and on a plain destination', async () => {
    const a = await member('a', 'get_a', 'get_secret', 'set');
    drawbridge = await startDrawbridge({
      destinations: {
        a: http(a, { include: ['get_*', 'set'], exclude: ['get_secret'] }),
        all: { kind: 'federation', members: { a: { exclude: ['set'] } } },
      },
      resilience,
    });
    const [plain, federated] = [await connect('/mcp/a'), await connect('/mcp/all')];
    expect(namesOf(await plain.listTools())).toEqual(['get_a', 'set']);
    expect(namesOf(await federated.listTools())).toEqual(['a_get_a']);
    const before = a.heads.length;
    for (const name of ['get_secret', 'count', 'Set']) {
      await expect(plain.callTool({ name, arguments: {} })).rejects.toMatchObject({ code: -32602 });
      await expect(federated.callTool({ name: `a_${name}`, arguments: {} })).rejects.toMatchObject({ code: -32602 });
    }
    await expect(federated.callTool({ name: 'a_set', arguments: {} })).rejects.toMatchObject({ code: -32602 });
    expect(a.heads).toHaveLength(before);
    expect(textOf(await plain.callTool({ name: 'set', arguments: {} }))).toBe('a: set');
  });

  it('by a role on the member can’t be called by any name, and a limit on the member holds', async () => {
    const [a, b] = [await member('a', 'get', 'set'), await member('b', 'get')];
    const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-federation-'));
    try {
      const keyFile = path.join(folder, 'keys.json');
      const ring = openKeyRing(keyFile, { clock: systemClock, signals: new FakeSignals() });
      const [{ key: reader }, { key: outsider }] = [
        await ring.create({ name: 'reader', roles: ['reader'] }),
        await ring.create({ name: 'outsider', roles: ['outsider'] }),
      ];
      const basics = ['all/*', 'all/*:*'];
      drawbridge = await startDrawbridge({
        server: { keyFile },
        destinations: { a: http(a), b: http(b), all: { kind: 'federation', members: ['a', 'b'] } },
        identity: { keys: { kind: 'api-key' } },
        permissions: {
          roles: {
            reader: {
              allow: [...basics, 'a/tools/list', 'a/tools/call:get', 'b/*', 'b/*:*'],
              deny: ['all/tools/call:b_count'],
            },
            outsider: { allow: [...basics, 'b/tools/*', 'b/tools/call:*'] },
          },
        },
        quotas: { perTool: { 'a/tools/call:get': '1/m' }, concurrent: { perCaller: 3 } },
        resilience,
      });
      const rates: string[] = [];
      const one = await connect('/mcp/all', { authorization: `Bearer ${reader}` }, async (...asked) => {
        const answer = await fetch(...asked);
        rates.push(...(answer.headers.get('ratelimit')?.split(', ') ?? []));
        return answer;
      });
      expect(namesOf(await one.listTools())).toEqual(['a_get', 'b_get', 'b_ask_user']);
      await expect(one.callTool({ name: 'a_set', arguments: {} })).rejects.toThrow(/not do this/);
      await expect(one.callTool({ name: 'b_count', arguments: { to: 1 } })).rejects.toThrow(/not do this/);
      expect(textOf(await one.callTool({ name: 'a_get', arguments: {} }))).toBe('a: get');
      expect(rates).toEqual([expect.stringMatching(/^"perTool";r=0;/)]);
      await expect(one.callTool({ name: 'a_get', arguments: {} })).rejects.toThrow(/exceeded/);

      const other = await connect('/mcp/all', { authorization: `Bearer ${outsider}` });
      const listed = await other.listTools();
      expect(namesOf(listed)).toEqual(['b_get', 'b_count', 'b_ask_user']);
      expect(JSON.stringify(listed)).not.toContain(UNAVAILABLE);
      await expect(other.callTool({ name: 'a_get', arguments: {} })).rejects.toMatchObject({ code: -32602 });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a member that is down', () => {
  it('leaves the others, is said to be missing, and is told of when it is back', async () => {
    const [a, b] = [await member('a', 'get'), await member('b', 'get')];
    const all = { kind: 'federation', members: ['a', 'b'], graceMs: 0, listMs: 2_000 };
    drawbridge = await startDrawbridge({ destinations: { a: http(a), b: http(b), all }, resilience });
    const client = await connect('/mcp/all');
    let changes = 0;
    client.setNotificationHandler('notifications/tools/list_changed', () => {
      changes += 1;
    });
    await client.listen({ toolsListChanged: true });
    const { port } = b;
    await b.close();
    members = [a];
    const partial = await client.listTools();
    expect(namesOf(partial)).toEqual(['a_get', 'a_count', 'a_ask_user']);
    expect(partial._meta?.[UNAVAILABLE]).toEqual([{ member: 'b', code: 'UPSTREAM_UNREACHABLE' }]);
    await expect(client.callTool({ name: 'b_get', arguments: {} })).rejects.toThrow(/reached/);
    expect(textOf(await client.callTool({ name: 'a_get', arguments: {} }))).toBe('a: get');
    await drawbridge.record(({ signal }) => signal === 'federation.member-lost');

    members.push(await startMember({ name: 'b', tools: ['get', 'new'], port }));
    await until(() => changes > 0);
    expect(namesOf(await client.listTools())).toContain('b_new');
    await drawbridge.record(({ signal }) => signal === 'federation.member-back');
  });

  it('is shown as it was for a while; with all of them down, the list fails', async () => {
    const [a, b] = [await member('a', 'get'), await member('b', 'get')];
    const destinations = {
      a: http(a),
      b: http(b),
      all: { kind: 'federation', members: ['a', 'b'] },
      now: { kind: 'federation', members: ['a', 'b'], graceMs: 0 },
    };
    drawbridge = await startDrawbridge({ destinations, resilience });
    const [client, strict] = [await connect('/mcp/all'), await connect('/mcp/now')];
    const before = namesOf(await client.listTools());
    await Promise.all([a.close(), b.close()]);
    members = [];
    const stale = await client.listTools();
    expect(namesOf(stale)).toEqual(before);
    expect(stale._meta?.[UNAVAILABLE]).toEqual([
      { member: 'a', code: 'UPSTREAM_UNREACHABLE', stale: true },
      { member: 'b', code: 'UPSTREAM_UNREACHABLE', stale: true },
    ]);
    await expect(strict.listTools()).rejects.toThrow(/reached/);
  });
});
