import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { type MockQlik, startMockQlik } from '../../src/testing.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { RedisServer, withoutRedis } from '../helpers/redisServer.js';

const CLIENT = { id: 'drawbridge-jobs', secret: 'canary-qlik-client-secret' };
const SALES = '5a1e5a90-0001-4000-8000-000000000001';

(withoutRedis ? describe.skip : describe)('replicas of the Qlik toolset', () => {
  let redis: RedisServer;
  let mock: MockQlik;
  const replicas: Drawbridge[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
    mock = await startMockQlik({ clients: [CLIENT] });
    for (let count = 0; count < 2; count++) replicas.push(await startDrawbridge(configuration(mock.origin, redis.url)));
  }, 60_000);

  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await mock?.close();
    await redis?.kill();
  });

  async function describeSales(replica: Drawbridge | undefined): Promise<void> {
    const client = new Client({ name: 'one', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
    await client.connect(new StreamableHTTPClientTransport(new URL('/mcp/qlik', replica?.url)));
    const said = await client.callTool({ name: 'qlik_describe_app', arguments: { appId: SALES } });
    expect(said.structuredContent).toMatchObject({ name: 'Sales' });
    await client.close();
  }

  /** What the tenant was asked by a description. */
  async function asked(replica: Drawbridge | undefined): Promise<number> {
    const before = mock.count({ kind: 'rest' });
    await describeSales(replica);
    return mock.count({ kind: 'rest' }) - before;
  }

  it('ask the tenant once for all of them, each by a token of its own, and go on without redis', async () => {
    const [one, other] = replicas;
    expect(await asked(one)).toBeGreaterThan(0);
    expect(await asked(other)).toBe(0);
    expect(mock.count({ kind: 'login', path: '/oauth/token' })).toBe(2);
    await redis.kill();
    expect(await asked(other)).toBeGreaterThan(0);
    expect(await asked(other)).toBe(0);
    await other?.record(({ signal }) => signal === 'answers.lost');
  }, 30_000);
});

function configuration(url: string, redis: string): object {
  const credential = { kind: 'qlik', tenant: url, auth: 'impersonation', user: 'auth0|ben', scope: 'user_default' };
  return {
    destinations: {
      qlik: { kind: 'toolset', toolset: 'qlik', url, credential: 'ben', options: { cache: { store: 'shared' } } },
    },
    credentials: { ben: { ...credential, clientId: CLIENT.id, clientSecret: CLIENT.secret } },
    stores: { shared: { kind: 'redis', url: redis, vaultKey: 'a vault key of thirty-two characters' } },
  };
}
