import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { type DestinationServiceLike, startDestinationService } from '../helpers/btpDestinationService.js';
import { callTool, codeOf } from '../helpers/calls.js';
import { type Drawbridge, runDrawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type ModernServer, startModernServer } from '../helpers/mcpServers.js';
import { type Issuer, startIssuer } from '../helpers/tokenIssuer.js';
import type { Provider } from '../helpers/tokenServer.js';
import { startXsuaaLike, XSUAA_CLIENT } from '../helpers/xsuaaLike.js';

const { clientId: clientid, clientSecret: clientsecret } = XSUAA_CLIENT;
const SECRET = 'canary-destination-secret';
const BASIC = 'canary-basic-password';

/** From a caller through the process, by way of XSUAA, the Destination service and a destination's own token service. */
describe('btp-destination', () => {
  let folder: string;
  let xsuaa: Provider;
  let service: DestinationServiceLike;
  let issuer: Issuer;
  let server: ModernServer;
  let drawbridge: Drawbridge;
  let keyFile: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'btp-'));
    keyFile = path.join(folder, 'destination-key.json');
    [xsuaa, issuer] = await Promise.all([startXsuaaLike(), startIssuer({ label: 'canary', clientSecret: SECRET })]);
    [service, server] = await Promise.all([startDestinationService(xsuaa), startModernServer(issuer.accepts)]);
    await writeFile(keyFile, JSON.stringify({ clientid, clientsecret, url: xsuaa.url, uri: service.url }));
    for (const [name, more] of Object.entries(cockpit())) service.destinations.set(name, { ...http(), ...more });
    drawbridge = await startDrawbridge(configuration(), { args: ['--log-level', 'debug'] });
  });

  afterAll(async () => {
    await drawbridge?.stop();
    await Promise.all([xsuaa, service, issuer, server].map((each) => each?.close()));
    await rm(folder, { recursive: true, force: true });
  });

  const http = () => ({ Type: 'HTTP', URL: server.url, ProxyType: 'Internet' });

  function cockpit(): Record<string, Record<string, string>> {
    const tokens = { tokenServiceURL: issuer.tokenUrl, clientId: 'jobs', clientSecret: SECRET };
    const oauth = { Authentication: 'OAuth2ClientCredentials', ...tokens };
    return {
      tools: { ...oauth, URL: server.origin },
      'deep@provider_subaccount': oauth,
      broken: { ...oauth, clientSecret: 'canary-wrong' },
      personal: { ...oauth, Authentication: 'OAuth2UserTokenExchange' },
      basic: { Authentication: 'BasicAuthentication', User: 'me', Password: BASIC },
      cellar: { ...oauth, ProxyType: 'OnPremise' },
      moving: oauth,
    };
  }

  function configuration() {
    const given = { kind: 'btp-destination', file: keyFile };
    const written = (destination: string) => ({ ...given, destination, url: server.url });
    return {
      destinations: {
        tools: { ...given, destination: 'tools' },
        deep: { ...given, destination: 'deep', level: 'provider_subaccount' },
        moving: { ...given, destination: 'moving' },
        ...Object.fromEntries(
          ['broken', 'personal', 'basic', 'cellar', 'missing'].map((name) => [name, written(name)]),
        ),
        shared: { kind: 'http', url: server.url, credential: 'shared' },
      },
      credentials: { shared: { ...given, destination: 'tools', origins: [server.origin] } },
    };
  }

  const at = (destination: string) => `${drawbridge.url}/mcp/${destination}`;

  async function echo(destination: string): Promise<unknown> {
    const mode = { pin: '2026-07-28' };
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
    await client.connect(new StreamableHTTPClientTransport(new URL(at(destination))));
    try {
      const { content } = (await client.callTool({ name: 'echo', arguments: { text: 'Grüße' } })) as {
        content: { text: string }[];
      };
      return content[0]?.text;
    } finally {
      await client.close();
    }
  }

  it.each(['tools', 'deep', 'shared'])('shows the token that the service fetched: %s', async (name) => {
    expect(await echo(name)).toBe('Grüße');
  });

  it('asks the service once for many calls, and again when the server refuses what it gave', async () => {
    const before = service.asked.length;
    expect(await Promise.all(Array.from({ length: 10 }, () => echo('tools')))).toEqual(Array(10).fill('Grüße'));
    expect(service.asked.length - before).toBe(0);
    issuer.revoke();
    expect(await Promise.all(Array.from({ length: 10 }, () => echo('tools')))).toEqual(Array(10).fill('Grüße'));
    expect(service.asked.length - before).toBe(1);
  });

  it('gets a token of its own anew where the service refuses it', async () => {
    issuer.revoke();
    service.refuseOldTokens();
    const [tokens, asked] = [xsuaa.requests.length, service.asked.length];
    expect(await echo('tools')).toBe('Grüße');
    expect(service.asked.slice(asked).map(({ status }) => status)).toEqual([401, 200]);
    expect(xsuaa.requests.length - tokens).toBe(1);
  });

  it.each<[string, RegExp]>([
    [
      'broken',
      /gave no token \(OAuth2ClientCredentials\): .*withheld.*Check the destination broken in the BTP cockpit/,
    ],
    ['personal', /a user token is needed.*needs the token of a user, and none is at hand/],
    ['cellar', /is on premise/],
    ['missing', /answered 404: Configuration with the specified name was not found.*Create the destination missing/],
  ])('says what is wrong with the destination %s', async (name, words) => {
    const answer = await callTool(at(name), 'echo');
    expect([answer.status, codeOf(answer)]).toEqual([502, 'CREDENTIAL_UNAVAILABLE']);
    expect(answer.text).toMatch(words);
  });

  it('shows user and password', async () => {
    expect(codeOf(await callTool(at('basic'), 'echo'))).toBe('CREDENTIAL_REFUSED');
    const pair = Buffer.from(`me:${BASIC}`).toString('base64');
    expect(server.knocks.at(-1)?.authorization).toBe(`Basic ${pair}`);
  });

  it('gives nothing to a place that the destination has moved to since', async () => {
    service.destinations.set('moving', { ...service.destinations.get('moving'), URL: 'https://elsewhere.example.com' });
    const answer = await callTool(at('moving'), 'echo');
    expect(answer.text).toMatch(/leads to https:\/\/elsewhere\.example\.com, which this credential does not list/);
  });

  it('starts with no destination that cannot be resolved', async () => {
    const destinations = { gone: { kind: 'btp-destination', file: keyFile, destination: 'gone' } };
    const run = await runDrawbridge({ destinations }, ['--port', '0']);
    expect((await run.exited).code).toBe(2);
    expect(run.stderr()).toMatch(/answered 404: Configuration with the specified name was not found/);
  });

  it('says no secret', () => {
    const told = drawbridge.stderr() + drawbridge.stdout();
    expect(told).toContain('token.acquired');
    expect(told.split('\n').filter((line) => line.includes('canary'))).toEqual([]);
    const own = xsuaa.requests.map(({ body }) => new URLSearchParams(body).get('client_secret'));
    expect(new Set(own)).toEqual(new Set([clientsecret]));
    for (const secret of [clientsecret, Buffer.from(`me:${BASIC}`).toString('base64')])
      expect(told).not.toContain(secret);
  });
});
