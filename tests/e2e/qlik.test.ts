import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { call, codeOf } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { QLIK_CLIENT, type QlikLike, startQlikLike } from '../helpers/qlikLike.js';
import { sendJson } from '../helpers/tokenServer.js';
import { startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

const SECRET = 'canary-qlik-secret';
const API_KEY = 'canary-qlik-api-key';
const MODERN = '2026-07-28';
const USERS = [
  { id: '5be59d-ada', subject: 'ada' },
  { id: '5be59d-grace', subject: 'grace' },
  { id: '5be59d-mallory', subject: 'mallory', disabled: true },
];

type Headers = Record<string, string>;

/** Two tenants that know the same client, as tenants of one region do, and callers who show tokens of their own provider. */
describe('qlik', () => {
  const idp = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const idpKey = idp.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  let acme: QlikLike;
  let other: QlikLike;
  let keys: Upstream;
  let drawbridge: Drawbridge;
  let as: (caller: string) => Promise<Headers>;

  beforeAll(async () => {
    const settings = {
      clientSecret: SECRET,
      users: USERS,
      idp: {
        issuer: 'https://idp.example.com',
        key: createPublicKey(idp.publicKey.export({ type: 'spki', format: 'pem' })),
        keyId: 'k1',
      },
      apiKeys: [API_KEY],
    };
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    [acme, other] = await Promise.all([startQlikLike(settings), startQlikLike(settings)]);
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
    keys = await startUpstream((_seen, response) => sendJson(response, 200, { keys: [jwk] }));
    as = async (caller) => {
      const claims = { sub: caller, aud: 'gate', name: caller, email: `${caller}@example.com` };
      const token = new SignJWT(claims).setIssuer(keys.origin).setIssuedAt().setExpirationTime('1h');
      return { authorization: `Bearer ${await token.setProtectedHeader({ alg: 'ES256', kid: 'k' }).sign(privateKey)}` };
    };
    drawbridge = await startDrawbridge(configuration(), { args: ['--log-level', 'debug'] });
  });

  afterAll(async () => {
    await drawbridge?.stop();
    await Promise.all([acme?.close(), other?.close(), keys?.close()]);
  });

  function configuration(): object {
    const http = (url: string, credential: string) => ({ kind: 'http', url, credential, era: 'modern' });
    const client = { kind: 'qlik', clientId: QLIK_CLIENT.clientId, clientSecret: SECRET };
    const people = { for: 'caller', identity: ['sso'] };
    const session = {
      kind: 'qlik',
      auth: 'jwt-session',
      issuer: 'https://idp.example.com',
      privateKey: idpKey,
      keyId: 'k1',
    };
    const key = { kind: 'qlik', auth: 'api-key', tenant: acme.url, apiKey: API_KEY };
    return {
      destinations: {
        bot: { ...http(acme.mcpUrl, 'bot'), allowedUrls: [other.mcpUrl], allowPrivate: true },
        otherBot: http(other.mcpUrl, 'otherBot'),
        people: http(acme.mcpUrl, 'people'),
        otherPeople: http(other.mcpUrl, 'otherPeople'),
        session: http(acme.otherUrl, 'session'),
        peopleSession: http(acme.otherUrl, 'peopleSession'),
        key: http(acme.otherUrl, 'key'),
        keyAtMcp: http(acme.mcpUrl, 'key'),
      },
      credentials: {
        bot: { ...client, auth: 'm2m', tenant: acme.url },
        otherBot: { ...client, auth: 'm2m', tenant: other.url },
        people: { ...client, auth: 'impersonation', tenant: acme.url, scope: 'mcp:execute', ...people },
        otherPeople: { ...client, auth: 'impersonation', tenant: other.url, scope: 'mcp:execute', ...people },
        session: { ...session, tenant: acme.url, user: 'ada', userName: 'Ada', userEmail: 'ada@example.com' },
        peopleSession: { ...session, tenant: acme.url, ...people },
        key,
      },
      identity: { sso: { kind: 'jwt', issuer: keys.origin, audience: 'gate', jwksUri: keys.url } },
      permissions: { roles: { caller: { allow: ['*/*'] } }, default: ['caller'] },
    };
  }

  const at = (destination: string) => `${drawbridge.url}/mcp/${destination}`;

  /** As the tenant's MCP server sees this caller, through the official client. */
  async function whoAmI(destination: string, caller: string): Promise<unknown> {
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: { pin: MODERN } } });
    const requestInit = { headers: await as(caller) };
    await client.connect(new StreamableHTTPClientTransport(new URL(at(destination)), { requestInit }));
    try {
      const { content } = (await client.callTool({ name: 'whoami', arguments: {} })) as { content: { text: string }[] };
      return content[0]?.text;
    } finally {
      await client.close();
    }
  }

  /** One call as it stands on the wire. */
  async function ask(destination: string, caller: string, more: Headers = {}) {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': MODERN,
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const headers = {
      ...more,
      ...(await as(caller)),
      'mcp-protocol-version': MODERN,
      'mcp-method': 'tools/call',
      'mcp-name': 'whoami',
    };
    return call(at(destination), 'tools/call', { name: 'whoami', arguments: {}, _meta }, headers);
  }

  it('is one bot for everybody, machine to machine', async () => {
    const bot = `qlikbot\\${QLIK_CLIENT.clientId}`;
    expect(await Promise.all(['ada', 'grace'].map((caller) => whoAmI('bot', caller)))).toEqual([bot, bot]);
    expect(acme.requests).toHaveLength(1);
    expect(acme.requests[0]?.headers['content-type']).toBe('application/json');
  });

  it('never shows a tenant the token of another one that knows the same client', async () => {
    await Promise.all(
      ['bot', 'otherBot', 'people', 'otherPeople'].flatMap((name) => [whoAmI(name, 'ada'), whoAmI(name, 'grace')]),
    );
    const shown = (tenant: QlikLike) => new Set(tenant.calls.map(({ authorization }) => authorization?.slice(7)));
    expect([...shown(acme)].filter((token) => !acme.secrets.includes(String(token)))).toEqual([]);
    expect([...shown(other)].filter((token) => !other.secrets.includes(String(token)))).toEqual([]);
    const answer = await ask('bot', 'ada', { 'x-mcp-url': other.mcpUrl });
    expect([answer.status, codeOf(answer)]).toEqual([403, 'CREDENTIAL_ORIGIN_NOT_ALLOWED']);
  });

  it.each(['people', 'peopleSession'])('is each caller themselves: %s', async (destination) => {
    const callers = Array.from({ length: 24 }, (_, index) => (index % 2 ? 'ada' : 'grace'));
    expect(await Promise.all(callers.map((caller) => whoAmI(destination, caller)))).toEqual(callers);
  });

  it('asks once per caller, and once more when the tokens are forgotten', async () => {
    acme.forget();
    const before = acme.requests.length;
    const callers = Array.from({ length: 12 }, (_, index) => (index % 2 ? 'ada' : 'grace'));
    expect(await Promise.all(callers.map((caller) => whoAmI('people', caller)))).toEqual(callers);
    expect(acme.requests.length - before).toBe(2);
  });

  it("says in Qlik's words why a caller can't be impersonated", async () => {
    const unknown = await ask('people', 'nobody');
    expect([unknown.status, codeOf(unknown)]).toEqual([502, 'CREDENTIAL_UNAVAILABLE']);
    expect(unknown.text).toMatch(/OAUTH-19: User not found.*the user exists in the tenant already/);
    const disabled = await ask('people', 'mallory');
    expect(disabled.text).toMatch(/OAUTH-7: User is disabled.*the user is not disabled/);
    expect(await whoAmI('people', 'ada')).toBe('ada');
  });

  it('opens a session with cookies and a CSRF token, and a new one when that has ended', async () => {
    expect(await whoAmI('session', 'grace')).toBe('ada');
    const before = acme.logins.length;
    acme.forget();
    const calls = Array.from({ length: 10 }, () => whoAmI('session', 'grace'));
    expect(await Promise.all(calls)).toEqual(calls.map(() => 'ada'));
    expect(acme.logins.length - before).toBe(1);
    expect(acme.calls.filter(({ user }) => user === undefined).length).toBeGreaterThan(0);
  });

  it('keeps the cookies that the tenant sets to itself', async () => {
    const answer = await ask('session', 'ada');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  it("has an API key for whoever takes one, which Qlik's own MCP server doesn't", async () => {
    expect(await whoAmI('key', 'ada')).toBe('the owner of the key');
    const answer = await ask('keyAtMcp', 'ada');
    expect([answer.status, codeOf(answer)]).toEqual([502, 'CREDENTIAL_REFUSED']);
  });

  it('says no secret', async () => {
    const told = drawbridge.stderr() + drawbridge.stdout();
    expect(told).toContain('token.acquired');
    for (const secret of [SECRET, API_KEY, ...acme.secrets, ...other.secrets, idpKey.split('\n')[1] as string])
      expect(told).not.toContain(secret);
  });
});
