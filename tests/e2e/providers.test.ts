import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import { createRest } from '../../src/wire/rest.js';
import { callTool } from '../helpers/calls.js';
import { createTestTls } from '../helpers/certificates.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { OIDC_SECRET, startOidcProvider } from '../helpers/identityProviders.js';
import { QLIK_CLIENT, startQlikLike } from '../helpers/qlikLike.js';
import type { Provider } from '../helpers/tokenServer.js';
import { inTurn, json, type Seen, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';
import { startXsuaaLike, XSUAA_CLIENT } from '../helpers/xsuaaLike.js';

const { clientId: clientid, clientSecret: clientsecret } = XSUAA_CLIENT;
const RESOURCE = 'https://mcp.example.com';
const tls = createTestTls('tls client');
const xsuaaTls = { ...tls.authority.issue('server'), ca: tls.authority.cert };
const xsuaaClient = tls.authority.issue('xsuaa client');

/** Whole ways, each from a caller through the process to an upstream that checks the provider's signature. */
describe('real providers', () => {
  const closing: (() => Promise<unknown>)[] = [];
  let folder: string;
  let upstream: Upstream;
  let drawbridge: Drawbridge;
  let oidc: Awaited<ReturnType<typeof startOidcProvider>>;
  let secure: Provider;
  let xsuaa: Provider;
  let other: Provider;
  let secureXsuaa: Provider;
  let qlik: Provider;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'providers-'));
    upstream = await startUpstream(status(500));
    [oidc, secure, xsuaa, other, secureXsuaa, qlik] = await Promise.all([
      startOidcProvider(),
      startOidcProvider({ tls: tls.server }),
      startXsuaaLike(),
      startXsuaaLike(),
      startXsuaaLike({ tls: xsuaaTls }),
      startQlikLike(),
    ]);
    closing.push(...[upstream, oidc, secure, xsuaa, other, secureXsuaa, qlik].map((each) => () => each.close()));
    await writeFile(path.join(folder, 'ca.pem'), tls.authority.cert);
    await writeKeys();
    drawbridge = await startDrawbridge(
      { destinations: destinations(), credentials: credentials() },
      { env: { NODE_EXTRA_CA_CERTS: path.join(folder, 'ca.pem'), AUTH_BROKER_PATH: folder } },
    );
    closing.unshift(() => drawbridge.stop());
  });
  afterAll(async () => {
    for (const close of closing) await close();
    await rm(folder, { recursive: true, force: true });
  });

  const keyFile = (name: string) => path.join(folder, `${name}.json`);
  const writeKey = (file: string, key: object) => writeFile(file, JSON.stringify(key));

  async function writeKeys(): Promise<void> {
    const flat = { clientid, clientsecret, url: xsuaa.url };
    const x509 = {
      'credential-type': 'x509',
      clientid,
      certificate: xsuaaClient.cert,
      key: xsuaaClient.key,
      certurl: secureXsuaa.url,
      url: 'https://unused.authentication.example.com',
    };
    await mkdir(path.join(folder, 'service-keys'));
    await Promise.all([
      writeKey(keyFile('flat'), flat),
      writeKey(keyFile('nested'), { uaa: flat, url: upstream.origin }),
      writeKey(keyFile('wrapped'), { credentials: { uaa: flat, url: upstream.origin } }),
      writeKey(keyFile('x509'), { uaa: x509, url: upstream.origin }),
      writeKey(keyFile('replaced'), flat),
      writeKey(path.join(folder, 'service-keys', 'TRIAL.json'), { uaa: flat, url: upstream.origin }),
    ]);
  }

  function destinations() {
    const http = (credential: string) => [credential, { kind: 'http', url: upstream.url, credential }];
    const key = (name: string, more: object = {}) => [name, { kind: 'service-key', file: keyFile(name), ...more }];
    return Object.fromEntries([
      ...['basic', 'assertion', 'tls', 'json'].map(http),
      key('flat', { url: upstream.origin, path: '/rest/mcp' }),
      key('nested'),
      key('wrapped'),
      key('x509'),
      key('replaced', { url: upstream.url }),
    ]);
  }

  function credentials() {
    const given = { kind: 'client-credentials', origins: [upstream.origin] };
    const oidcGiven = { ...given, tokenUrl: oidc.tokenUrl, resource: RESOURCE };
    return {
      basic: { ...oidcGiven, clientId: 'basic', clientSecret: OIDC_SECRET, authentication: 'basic' },
      assertion: {
        ...oidcGiven,
        clientId: 'assertion',
        authentication: 'private_key_jwt',
        privateKey: oidc.assertionKey,
        keyId: oidc.assertionKeyId,
      },
      tls: {
        ...oidcGiven,
        tokenUrl: secure.tokenUrl,
        clientId: 'tls',
        authentication: 'tls',
        certificate: tls.client.cert,
        certificateKey: tls.client.key,
      },
      json: { ...given, tokenUrl: qlik.tokenUrl, ...QLIK_CLIENT, format: 'json' },
    };
  }

  /** Calls through the process; resolves with the claims of the token that came, if `provider` signed it. */
  async function claimsThrough(destination: string, keysAt: string): Promise<JWTPayload> {
    upstream.handler = json({});
    const before = upstream.requests.length;
    expect((await callTool(`${drawbridge.url}/mcp/${destination}`, 'echo')).status).toBe(200);
    const { payload } = await jwtVerify(tokenOf(upstream.requests[before]), await keysOf(keysAt));
    return payload;
  }

  it.each(['basic', 'assertion'])('client credentials of oidc-provider, by %s', async (clientId) => {
    const claims = await claimsThrough(clientId, `${oidc.url}/jwks`);
    expect(claims).toMatchObject({ client_id: clientId, aud: RESOURCE, iss: oidc.url });
  });

  it('client credentials of oidc-provider, by certificate', async () => {
    const claims = await claimsThrough('tls', `${secure.url}/jwks`);
    expect(claims).toMatchObject({ client_id: 'tls', aud: RESOURCE });
    expect(secure.requests.map(({ certificate }) => certificate)).toEqual(['tls client']);
  });

  it.each([
    ['flat', '/rest/mcp'],
    ['nested', '/mcp'],
    ['wrapped', '/mcp'],
    ['TRIAL', '/mcp'],
  ])('a service key of XSUAA: %s, at %s', async (name, at) => {
    expect(await claimsThrough(name, `${xsuaa.url}/token_keys`)).toMatchObject({ cid: clientid, zid: 'test' });
    expect(upstream.requests.at(-1)?.url).toBe(at);
  });

  it('a service key of XSUAA with a certificate', async () => {
    expect(await claimsThrough('x509', `${secureXsuaa.url}/token_keys`)).toMatchObject({ cid: clientid });
    expect(secureXsuaa.requests.map(({ certificate }) => certificate)).toEqual(['xsuaa client']);
  });

  it("JSON towards Qlik Cloud's token endpoint", async () => {
    upstream.handler = json({});
    expect((await callTool(`${drawbridge.url}/mcp/json`, 'echo')).status).toBe(200);
    expect(JSON.parse(qlik.requests[0]?.body ?? '')).toMatchObject({ grant_type: 'client_credentials' });
    const payload = tokenOf(upstream.requests.at(-1)).split('.')[1] ?? '';
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({ iss: qlik.url });
  });

  it('a key that is replaced while it is in use serves for the next token', async () => {
    expect((await claimsThrough('replaced', `${xsuaa.url}/token_keys`)).iss).toBe(`${xsuaa.url}/oauth/token`);
    const asked = xsuaa.requests.length;
    await writeKey(keyFile('next'), { clientid, clientsecret, url: other.url });
    await rename(keyFile('next'), keyFile('replaced'));
    upstream.handler = inTurn(status(401), json({}));
    expect((await callTool(`${drawbridge.url}/mcp/replaced`, 'echo')).status).toBe(200);
    const { payload } = await jwtVerify(tokenOf(upstream.requests.at(-1)), await keysOf(`${other.url}/token_keys`));
    expect(payload.iss).toBe(`${other.url}/oauth/token`);
    expect([xsuaa.requests.length - asked, other.requests.length]).toEqual([0, 1]);
  });

  it.each(['x-btp-destination', 'x-sap-destination', 'x-mcp-destination'])(
    '%s, and the path of old',
    async (header) => {
      upstream.handler = json({});
      const at = `${drawbridge.url}/mcp/stream/http`;
      expect((await callTool(at, 'echo', { [header]: 'nested' })).status).toBe(200);
      expect(upstream.requests.at(-1)?.url).toBe('/mcp/stream/http');
      expect((await callTool(at, 'echo', { [header]: 'basic' })).status).toBe(200);
      expect(upstream.requests.at(-1)?.url).toBe('/mcp');
    },
  );

  async function keysOf(url: string) {
    const rest = createRest({ ca: tls.authority.cert });
    const { body } = await rest({ method: 'GET', url, signal: AbortSignal.timeout(5000) });
    return createLocalJWKSet(JSON.parse(body) as JSONWebKeySet);
  }
});

function tokenOf(seen: Seen | undefined): string {
  return seen?.header('authorization')?.replace(/^Bearer /, '') ?? '';
}
