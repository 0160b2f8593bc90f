import { writeFile } from 'node:fs/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { type MockQlik, startMockQlik } from '../../src/testing.js';
import { request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type People, startPeople } from './qlikRecipesWorld.js';

const CLIENT = { id: 'drawbridge-jobs', secret: 'canary-qlik-client-secret' };
const API_KEY = 'canary-qlik-api-key-of-ben';
const SALES = '5a1e5a90-0001-4000-8000-000000000001';
const AUDIENCE = 'https://mcp.example.com/mcp';

/** Apps that are read before anybody asks for them, by the real process at a tenant that counts. */
describe('the warm-up of the Qlik toolset', () => {
  let mock: MockQlik;
  let people: People;
  let drawbridge: Drawbridge;

  beforeEach(async () => {
    mock = await startMockQlik({ clients: [CLIENT], apiKeys: { [API_KEY]: 'user-ben' } });
    people = await startPeople();
  });
  afterEach(async () => {
    await drawbridge?.stop();
    await people?.close();
    await mock?.close();
  });

  const ofApps = () => mock.ledger.filter(({ kind, path }) => kind === 'rest' && path.startsWith('/api/v1/apps/'));
  const asked = () => ({
    rest: mock.count({ kind: 'rest' }),
    logins: mock.count({ kind: 'login' }),
    sockets: mock.count({ kind: 'socket' }),
  });

  /** Resolves when so many destinations have read ahead. */
  async function warm(times = 1): Promise<void> {
    await drawbridge.record(() => said('toolset.warm') >= times);
  }

  const said = (signal: string) => drawbridge.records().filter((record) => record.signal === signal).length;

  function configuration(credentials: Record<string, object>, more: object = {}): object {
    const destinations = Object.keys(credentials).map((name) => [
      name,
      {
        kind: 'toolset',
        toolset: 'qlik',
        url: mock.origin,
        credential: name,
        options: { warmUp: [SALES], ...more },
      },
    ]);
    return {
      destinations: Object.fromEntries(destinations),
      credentials: Object.fromEntries(
        Object.entries(credentials).map(([name, own]) => [name, { kind: 'qlik', tenant: mock.origin, ...own }]),
      ),
      identity: { sso: { kind: 'jwt', issuer: people.origin, audience: AUDIENCE } },
    };
  }

  async function describeSales(subject: string, destination: string): Promise<Record<string, unknown>> {
    const headers = await people.as(subject, AUDIENCE);
    const client = new Client({ name: 'one', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
    const url = new URL(`/mcp/${destination}`, drawbridge.url);
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
    const said = await client
      .callTool({ name: 'qlik_describe_app', arguments: { appId: SALES } })
      .finally(() => client.close());
    return said.structuredContent as Record<string, unknown>;
  }

  const client = { clientId: CLIENT.id, clientSecret: CLIENT.secret };

  it.each([
    ['m2m', { auth: 'm2m', ...client }, 1],
    ['an API key', { auth: 'api-key', apiKey: API_KEY }, 0],
    ['impersonation of one user', { auth: 'impersonation', user: 'auth0|ben', scope: 'user_default', ...client }, 1],
  ])('with %s: the first call of each user asks the tenant nothing', async (_how, credential, logins) => {
    drawbridge = await startDrawbridge(configuration({ qlik: credential }));
    await warm();
    const before = asked();
    expect(before).toMatchObject({ rest: 2, logins, sockets: 0 });
    for (const subject of ['ann', 'bob']) {
      expect(await describeSales(subject, 'qlik')).toMatchObject({ name: 'Sales' });
    }
    expect(asked()).toEqual(before);
  });

  it('where callers are users of their own: nothing before they call, and nothing of one for another', async () => {
    const impersonation = { auth: 'impersonation', for: 'caller', identity: ['sso'], lookup: 'subject' };
    drawbridge = await startDrawbridge(configuration({ qlik: { ...impersonation, scope: 'user_default', ...client } }));
    await describeSales('auth0|ben', 'qlik');
    const tokens = new Set(ofApps().map(({ who }) => who));
    expect([...tokens]).toEqual(['auth0|ben']);
    const before = ofApps().length;
    expect(mock.ledger.slice(0, 1)).toMatchObject([{ kind: 'login' }]);
    await describeSales('auth0|ada', 'qlik');
    expect(
      ofApps()
        .slice(before)
        .map(({ who }) => who),
    ).toContain('auth0|ada');
  });

  it('two users of the tenant read ahead for themselves each, though it is one app', async () => {
    const key = { auth: 'api-key', apiKey: API_KEY };
    drawbridge = await startDrawbridge(configuration({ key, bot: { auth: 'm2m', ...client } }));
    await warm(2);
    expect(ofApps()).toHaveLength(4);
    expect(new Set(ofApps().map(({ bearer }) => bearer)).size).toBe(2);
    const before = asked();
    await Promise.all(['key', 'bot'].map((destination) => describeSales('ann', destination)));
    expect(asked()).toEqual(before);
  });

  it('a tenant that is slow delays neither the start nor the stop; one that is gone is told of', async () => {
    mock.faults.fail('/api/v1/apps', 503);
    drawbridge = await startDrawbridge(configuration({ qlik: { auth: 'm2m', ...client } }));
    const cold = await drawbridge.record(({ signal }) => signal === 'toolset.cold');
    expect(cold).toMatchObject({ destination: 'qlik', level: 'warn' });
    expect(String(cold.cause)).toContain(`1 of 1 apps were not read ahead: ${SALES}`);
    expect((await request(`${drawbridge.url}/health/ready`)).status).toBe(200);
    expect(await describeSales('ann', 'qlik')).toMatchObject({ name: 'Sales' });
  });

  it('a reload that changes something else asks nothing; one that changes the destination asks again', async () => {
    const first = configuration({ qlik: { auth: 'm2m', ...client } });
    drawbridge = await startDrawbridge(first);
    await warm();
    const reloaded = async (next: object, times: number) => {
      await writeFile(drawbridge.configFile, JSON.stringify(next));
      await drawbridge.record(() => said('config.reloaded') >= times, 10_000);
    };
    await reloaded({ ...first, telemetry: { logLevel: 'debug' } }, 1);
    await describeSales('ann', 'qlik');
    expect(ofApps()).toHaveLength(2);
    await reloaded(configuration({ qlik: { auth: 'm2m', ...client } }, { maxWaitSeconds: 3 }), 2);
    await warm(2);
    expect(ofApps()).toHaveLength(4);
  });
});
