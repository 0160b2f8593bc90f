import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type MockQlik, startMockQlik } from '../../src/testing.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { countTokens } from '../helpers/tokens.js';

const CLIENT = { id: 'drawbridge-jobs', secret: 'canary-qlik-client-secret' };
const API_KEY = 'canary-qlik-api-key-of-ben';
/** Of the orders: 10 times each number from 1 to 60. */
const REVENUE = 18_300;

/** Of the tenant's JWT identity provider. */
const ISSUER = 'https://idp.example.com';
const KEYS = generateKeyPairSync('rsa', { modulusLength: 2048 });

type Content = Record<string, unknown>;

/** Somebody at a client of either generation. */
interface Person {
  list(): Promise<{ tools: { name: string }[] }>;
  call(name: string, args?: object, options?: object): Promise<Content>;
  close(): Promise<void>;
}

/** A whole analysis, as one would do it, through the real process against a tenant. */
describe('the Qlik toolset', () => {
  let mock: MockQlik;
  let drawbridge: Drawbridge;
  const people: Person[] = [];

  beforeAll(async () => {
    mock = await startMockQlik({
      clients: [CLIENT],
      apiKeys: { [API_KEY]: 'user-ben' },
      trustedIssuer: { issuer: ISSUER, publicKey: KEYS.publicKey, keyId: 'k1' },
      reloadStepMs: 700,
    });
    drawbridge = await startDrawbridge(configuration(mock.origin));
  });

  afterEach(async () => {
    await Promise.all(people.splice(0).map((person) => person.close()));
  });

  afterAll(async () => {
    await drawbridge?.stop();
    await mock?.close();
  });

  async function modern(destination: string): Promise<Person> {
    const client = new Client(
      { name: 'modern', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    await client.connect(new StreamableHTTPClientTransport(new URL(`/mcp/${destination}`, drawbridge.url)));
    return person(client, (name, args, options) => client.callTool({ name, arguments: { ...args } }, options));
  }

  async function legacy(destination: string): Promise<Person> {
    const client = new LegacyClient({ name: 'legacy', version: '1' });
    await client.connect(new LegacyHttp(new URL(`/mcp/${destination}`, drawbridge.url)) as Transport);
    return person(client, (name, args, options) =>
      client.callTool({ name, arguments: { ...args } }, undefined, options),
    );
  }

  function person(
    client: Pick<Client, 'listTools' | 'close'> | LegacyClient,
    callTool: (name: string, args: object, options: object | undefined) => Promise<object>,
  ): Person {
    const one: Person = {
      list: () => client.listTools(),
      close: () => client.close(),
      async call(name, args = {}, options) {
        const said = (await callTool(name, args, options)) as { isError?: boolean; structuredContent?: Content };
        if (said.isError || !said.structuredContent) throw new Error(`${name}: ${JSON.stringify(said)}`);
        return said.structuredContent;
      },
    };
    people.push(one);
    return one;
  }

  it.each([
    ['2026-07-28', 'an API key', modern, 'key'],
    ['2026-07-28', 'impersonation', modern, 'ben'],
    ['2025-11-25', 'a machine’s own token', legacy, 'bot'],
  ] as const)(
    'serves a whole analysis: %s with %s',
    async (_revision, _credential, connect, destination) => {
      const person = await connect(destination);
      const { tools } = await person.list();
      expect(tools.length).toBeGreaterThan(40);
      expect(countTokens({ tools })).toBeLessThan(6_000);

      const { data } = await person.call('qlik_search', { query: 'sales', resourceType: 'app' });
      const [found] = data as { name: string; resourceId: string }[];
      expect(found?.name).toBe('Sales');
      const appId = found?.resourceId ?? '';
      expect(await person.call('qlik_describe_app', { appId })).toMatchObject({ name: 'Sales' });
      expect(JSON.stringify(await person.call('qlik_get_data_model', { appId }))).toContain('Orders');

      const { handle } = await person.call('qlik_open_app', { appId });
      const expression = 'Sum(Amount)';
      expect(await person.call('qlik_evaluate_expression', { handle, expression })).toEqual({ value: REVENUE });
      const table = await person.call('qlik_create_data_object', {
        handle,
        dimensions: ['Region'],
        measures: [expression],
      });
      expect(JSON.stringify(table)).toContain('North');

      const selections = [{ field: 'Region', values: ['North'] }];
      await person.call('qlik_select_values', { handle, selections });
      expect(JSON.stringify(await person.call('qlik_get_current_selections', { handle }))).toContain('North');
      const { value } = await person.call('qlik_evaluate_expression', { handle, expression });
      expect(value).toBe(4_800);
      // Nobody who gives the id alone is answered with what a handle has selected.
      expect(await person.call('qlik_evaluate_expression', { appId, expression })).toEqual({ value: REVENUE });
      const chart = await person.call('qlik_get_chart_data', { handle, chartId: 'chart-region' });
      expect(JSON.stringify(chart)).toContain('4800');
      expect(JSON.stringify(chart)).not.toContain('South');

      await reloads(person, appId);
      expect(await person.call('qlik_close_app', { handle })).toEqual({ closed: true });
    },
    60_000,
  );

  /** One to its end, with progress; one that is cancelled by giving up the call; one that is cancelled by its id. */
  async function reloads(person: Person, appId: string): Promise<void> {
    const told: unknown[] = [];
    const onprogress = ({ message }: { message?: string }) => void told.push(message);
    const ended = await person.call('qlik_start_app_reload', { appId }, { onprogress });
    expect(ended).toMatchObject({ appId, status: 'SUCCEEDED', done: true });
    expect(told).toContain('RELOADING');
    const { log } = await person.call('qlik_get_reload_log', { appId, reloadId: ended.reloadId });
    expect(log).toContain('finished');
    const { data } = await person.call('qlik_list_operations', { resource: 'reloads', id: appId, limit: 1 });
    expect(data).toMatchObject([{ reloadId: ended.reloadId, status: 'SUCCEEDED' }]);

    const leaving = new AbortController();
    const left = person.call(
      'qlik_start_app_reload',
      { appId },
      { signal: leaving.signal, onprogress: () => leaving.abort(new Error('never mind')) },
    );
    await expect(left).rejects.toThrow();
    await until(() => mock.records('reloads').at(-1)?.status === 'CANCELED');

    const { reloadId, done } = await person.call('qlik_start_app_reload', { appId, waitSeconds: 0 });
    expect(done).toBe(false);
    await person.call('qlik_cancel_app_reload', { reloadId });
    expect(await person.call('qlik_get_reload_status', { reloadId })).toMatchObject({ status: 'CANCELED', done: true });
  }

  it('reads, changes and opens apps with a session by JWT: cookies, and a CSRF token', async () => {
    const person = await modern('session');
    const me = await person.call('qlik_get', { resource: 'users', id: 'me' });
    expect(me).toMatchObject({ name: 'Ada' });
    const fields = { name: 'Made by cookies', type: 'private' };
    const { id } = await person.call('qlik_create', { resource: 'collections', fields });
    const gone = { resource: 'collections', id, confirmName: fields.name };
    expect(await person.call('qlik_delete', gone)).toMatchObject({ deleted: true });
    const { data } = await person.call('qlik_search', { query: 'sales', resourceType: 'app' });
    const [{ resourceId: appId } = {}] = data as { resourceId?: string }[];
    expect(await person.call('qlik_evaluate_expression', { appId, expression: 'Sum(Amount)' })).toEqual({
      value: REVENUE,
    });
  });

  it('hides what changes where access is read, and what an operator leaves out', async () => {
    const names = async (destination: string) =>
      (await (await modern(destination)).list()).tools.map(({ name }) => name);
    const [reading, narrow] = [await names('reading'), await names('narrow')];
    expect(reading).toContain('qlik_search');
    expect(reading).not.toContain('qlik_start_app_reload');
    expect(reading).not.toContain('qlik_delete');
    expect(narrow.sort()).toEqual(['qlik_get_lineage', 'qlik_search']);
  });

  it('lets go of a dropped token once, and calls again', async () => {
    const person = await modern('ben');
    await person.call('qlik_get', { resource: 'users', id: 'me' });
    mock.faults.dropTokens();
    const { data } = await person.call('qlik_search', { query: 'sales' });
    expect((data as unknown[]).length).toBeGreaterThan(0);
  });

  it('tells the model what the tenant refuses, in its words', async () => {
    const person = await modern('key');
    const refused = person.call('qlik_get', { resource: 'spaces', id: '../../v1/users/user-ada' });
    await expect(refused).rejects.toThrow('Qlik answered 404');
    expect(mock.ledger.filter(({ path }) => path === '/api/v1/users/user-ada')).toEqual([]);
    mock.faults.loopPages(true);
    const { nextCursor: cursor } = await person.call('qlik_list', { resource: 'users', limit: 2 });
    await expect(person.call('qlik_list', { resource: 'users', cursor })).rejects.toThrow('twice');
    mock.faults.loopPages(false);
  });

  it('repeats what only reads where the tenant is out for a moment, and nothing else', async () => {
    const person = await modern('key');
    const before = mock.count({ path: '/api/v1/items' });
    mock.faults.fail('/api/v1/items', 503);
    await person.call('qlik_search', { query: 'sales' });
    expect(mock.count({ path: '/api/v1/items' })).toBe(before + 2);
    mock.faults.fail('/api/v1/spaces', 503);
    const fields = { name: 'New', type: 'shared' };
    await expect(person.call('qlik_create', { resource: 'spaces', fields })).rejects.toThrow('503');
    expect(mock.count({ method: 'POST', path: '/api/v1/spaces' })).toBe(1);
  });

  it('waits where the tenant says so, and says how long where that is too long', async () => {
    const person = await modern('key');
    mock.faults.limit('tier1', 1, 1);
    expect(await person.call('qlik_search', { query: 'sales' })).toHaveProperty('data');
    mock.faults.limit('tier2', 1, 600);
    const fields = { name: 'New', type: 'shared' };
    await expect(person.call('qlik_create', { resource: 'spaces', fields })).rejects.toThrow('in 600 seconds');
  });

  it('writes no secret anywhere', () => {
    for (const secret of [CLIENT.secret, API_KEY]) expect(drawbridge.stderr()).not.toContain(secret);
    const shown = mock.ledger.map(({ bearer }) => bearer ?? '').filter((bearer) => bearer !== '');
    expect(shown.length).toBeGreaterThan(0);
    expect(new Set(shown).size).toBeGreaterThan(2);
    for (const bearer of new Set(shown)) expect(drawbridge.stderr()).not.toContain(bearer);
  });
});

/** One tenant, by three ways in. */
function configuration(url: string): object {
  const toolset = (credential: string, more: object = {}) => ({
    kind: 'toolset',
    toolset: 'qlik',
    url,
    credential,
    options: { access: 'write' },
    ...more,
  });
  const qlik = (auth: string, more: object) => ({ kind: 'qlik', tenant: url, auth, ...more });
  const client = { clientId: CLIENT.id, clientSecret: CLIENT.secret };
  return {
    destinations: {
      key: toolset('key'),
      ben: toolset('ben'),
      bot: toolset('bot'),
      session: toolset('session'),
      reading: toolset('key', { options: {} }),
      narrow: toolset('key', {
        include: ['qlik_search', 'governance.*'],
        exclude: ['qlik_list_*', '*script', '*license*'],
      }),
    },
    credentials: {
      key: qlik('api-key', { apiKey: API_KEY }),
      ben: qlik('impersonation', { ...client, user: 'auth0|ben', scope: 'user_default' }),
      bot: qlik('m2m', client),
      session: qlik('jwt-session', {
        issuer: ISSUER,
        privateKey: KEYS.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        keyId: 'k1',
        user: 'auth0|ada',
        userName: 'Ada',
        userEmail: 'ada@example.test',
      }),
    },
  };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(10);
}
