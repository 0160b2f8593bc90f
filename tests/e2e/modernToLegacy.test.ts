import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { until } from '../bridge/bridgeWorld.js';
import { type LegacyMcp, says, startLegacyMcp, WATCHED } from '../bridge/legacyMcp.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type Issuer, startIssuer } from '../helpers/tokenIssuer.js';

const CLIENTS = 20;

/** Clients of 2026-07-28, through the real process, before a server of the older revisions that lets nobody in without a token. */
describe('a server with sessions, and clients without', () => {
  let issuer: Issuer;
  let server: LegacyMcp;
  let drawbridge: Drawbridge;
  const clients: Client[] = [];

  beforeAll(async () => {
    issuer = await startIssuer();
    server = await startLegacyMcp((authorization) => issuer.accepts((authorization ?? '').replace('Bearer ', '')));
    drawbridge = await startDrawbridge({
      server: { defaultDestination: 'old' },
      destinations: { old: { kind: 'http', url: server.url.href, credential: 'jobs' } },
      credentials: { jobs: issuer.credential(server.url.origin) },
    });
  });

  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await drawbridge?.stop();
    await Promise.all([server?.close(), issuer?.close()]);
  });

  /** `thinks` is what the user does before it answers. */
  async function connect(name = 'modern', thinks = () => {}): Promise<Client> {
    const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
    const versionNegotiation = { mode: { pin: '2026-07-28' } } as const;
    const client = new Client({ name, version: '1' }, { versionNegotiation, capabilities });
    client.setRequestHandler('elicitation/create', ({ params }) => {
      thinks();
      return params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name } };
    });
    client.setRequestHandler('sampling/createMessage', () => ({
      role: 'assistant',
      model: 'm',
      content: { type: 'text', text: 'Paris' },
    }));
    client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///home' }] }));
    await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', drawbridge.url)));
    clients.push(client);
    return client;
  }

  const call = (client: Client, name: string, args: Record<string, unknown> = {}) =>
    client.callTool({ name, arguments: args });

  it.each([
    ['ask_form', 'accept modern'],
    ['ask_beside', 'Hello, modern'],
    ['ask_both', 'modern in file:///home'],
    ['ask_url', 'accept'],
    ['ask_model', '{"type":"text","text":"Paris"}'],
    ['drop', 'said after the stream was dropped'],
  ])('do %s', async (name, text) => {
    expect(await call(await connect(), name)).toMatchObject(says(text));
  });

  it('go on with a call though its credential ended while the user was thinking', async () => {
    const client = await connect('thinker', () => issuer.revoke());
    expect(await call(client, 'ask_twice')).toMatchObject(says('thinker thinker'));
    expect(new Set(issuer.tokens).size).toBeGreaterThan(1);
  });

  it('cancel by leaving', async () => {
    const { running, left } = server.log;
    const client = await connect();
    const leaving = new AbortController();
    const waiting = client.callTool({ name: 'wait', arguments: {} }, { signal: leaving.signal });
    await until(() => server.log.running === running + 1);
    leaving.abort();
    await expect(waiting).rejects.toThrow();
    await until(() => server.log.left === left + 1);
  });

  it(`don't notice a restart, ${CLIENTS} at a time, calling and listening`, async () => {
    const heard = new Map<string, number>();
    const crowd = await Promise.all(
      Array.from({ length: CLIENTS }, async (_, index) => {
        const client = await connect(`client-${index}`);
        client.setNotificationHandler('notifications/resources/updated', () => {
          heard.set(`client-${index}`, (heard.get(`client-${index}`) ?? 0) + 1);
        });
        await client.listen({ resourceSubscriptions: [WATCHED] });
        return client;
      }),
    );
    await server.touch();
    await until(() => heard.size === CLIENTS);
    heard.clear();
    const before = server.log.opened.length;
    await server.restart();
    const answers = await Promise.all(crowd.map((client, index) => call(client, 'echo', { text: `${index}` })));
    expect(answers).toMatchObject(crowd.map((_, index) => says(`${index}`)));
    await until(() => heard.size === CLIENTS);
    heard.clear();
    await server.touch();
    await until(() => heard.size === CLIENTS);
    expect(server.log.opened.length - before).toBeGreaterThanOrEqual(CLIENTS);
  });
});
