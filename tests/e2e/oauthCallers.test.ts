import { decodeJwt } from 'jose';
import { call, callTool, codeOf, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import {
  type LegacyServer,
  type ModernServer,
  type ProtectedServer,
  startLegacyServer,
  startModernServer,
} from '../helpers/mcpServers.js';
import { ClientLogin, startLoginProvider } from '../helpers/oauthLogin.js';
import type { Provider } from '../helpers/tokenServer.js';
import { type Caller, freePort, legacyCaller, modernCaller } from './callersWorld.js';

/** The official clients log in at a real provider and meet Drawbridge as the resource server. */
const APP = 'https://app.example.com';
const INITIALIZE = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
const SERVER_KEY = 'the-servers-own-key';
const WELL_KNOWN = '/.well-known/oauth-protected-resource';

let provider: Provider;
let legacy: LegacyServer;
let modern: ModernServer;
let drawbridge: Drawbridge;

beforeAll(async () => {
  const accepts = (token: string) => token === SERVER_KEY;
  [provider, legacy, modern] = await Promise.all([
    startLoginProvider(),
    startLegacyServer(accepts),
    startModernServer(accepts),
  ]);
  const port = await freePort();
  drawbridge = await startDrawbridge(configuration(port), { args: ['--port', String(port)] });
});

afterAll(async () => {
  await drawbridge?.stop();
  await Promise.all([legacy?.close(), modern?.close(), provider?.close()]);
});

function configuration(port: number): object {
  return {
    server: { publicUrl: `http://127.0.0.1:${port}`, allowedOrigins: [APP] },
    destinations: {
      tools: { kind: 'http', url: legacy.url, credential: 'key' },
      modern: { kind: 'http', url: modern.url, credential: 'key' },
    },
    credentials: { key: { kind: 'static', token: SERVER_KEY, origins: [legacy.origin, modern.origin] } },
    identity: { people: { kind: 'jwt', issuer: provider.url, requiredScopes: ['mcp:read'] } },
    permissions: {
      roles: { caller: { allow: ['*/tools/list', '*/tools/call:echo', '*/tools/call:count'] } },
      default: ['caller'],
      scopes: { '*/tools/call:count': 'mcp:write' },
    },
  };
}

const routeOf = (destination: string) => new URL(`/mcp/${destination}`, drawbridge.url);

/** Sent away, logged in, and back again. */
async function logIn(caller: Caller, login: ClientLogin): Promise<void> {
  await expect(caller.connect(login)).rejects.toThrow(/Unauthorized/);
  await caller.finish(await login.logIn());
  await caller.close();
  await caller.connect(login);
}

async function tokenOf(user: string, resource?: string): Promise<string> {
  const login = new ClientLogin(user, resource === undefined ? undefined : new URL(resource));
  const caller = legacyCaller(routeOf('tools'));
  await expect(caller.connect(login)).rejects.toThrow(/Unauthorized/);
  await caller.finish(await login.logIn());
  await caller.close();
  return login.tokens()?.access_token as string;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const scopesOf = (token: string | undefined) =>
  String(decodeJwt(token ?? '').scope)
    .split(' ')
    .sort();

describe.each([
  ['the client of the revisions of 2025', 'tools', legacyCaller, () => legacy],
  ['the client of 2026-07-28', 'modern', modernCaller, () => modern],
] as const)('%s', (_title, destination, open: (url: URL) => Caller, server: () => ProtectedServer) => {
  const login = new ClientLogin('ada');
  let caller: Caller;

  beforeAll(() => {
    caller = open(routeOf(destination));
  });
  afterAll(() => caller.close());

  it('meets the 401, finds the provider, registers, logs in with PKCE and comes back', async () => {
    await logIn(caller, login);
    expect(login.sentTo).toHaveLength(1);
    const [asked] = login.sentTo as [URL];
    expect(asked.origin).toBe(provider.url);
    expect(Object.fromEntries(asked.searchParams)).toMatchObject({
      scope: 'mcp:read',
      resource: routeOf(destination).href,
      code_challenge_method: 'S256',
    });
    expect(decodeJwt(login.tokens()?.access_token ?? '')).toMatchObject({
      iss: provider.url,
      sub: 'ada',
      aud: routeOf(destination).href,
      scope: 'mcp:read',
    });
  });

  it('sees the tools that it may use, and none that no role allows', async () => {
    expect((await caller.list()).sort()).toEqual(['count', 'echo']);
  });

  it('calls a tool', async () => {
    const content = [{ type: 'text', text: 'Grüße' }];
    expect(await caller.tool('echo', { text: 'Grüße' })).toMatchObject({ content });
  });

  it('is refused a tool that no role allows, without being sent to log in again', async () => {
    await expect(caller.tool('wait', {})).rejects.toThrow(/may not do this/);
    expect(login.sentTo).toHaveLength(1);
    expect(server().waiting).toEqual({ running: 0, left: 0 });
  });

  it('steps up for a tool that needs another scope, and keeps the one it had', async () => {
    await expect(caller.tool('count', { to: 1 })).rejects.toThrow(/Unauthorized/);
    expect(login.sentTo).toHaveLength(2);
    expect(login.sentTo[1]?.searchParams.get('scope')?.split(' ').sort()).toEqual(['mcp:read', 'mcp:write']);
    await caller.finish(await login.logIn());
    expect(scopesOf(login.tokens()?.access_token)).toEqual(['mcp:read', 'mcp:write']);
    expect(await caller.tool('count', { to: 1 })).toMatchObject({ content: [{ type: 'text', text: 'done' }] });
    expect((await caller.list()).sort()).toEqual(['count', 'echo']);
  });

  it('never shows the server its own token', () => {
    expect(server().knocks.length).toBeGreaterThan(0);
    expect(new Set(server().knocks.map(({ authorization }) => authorization))).toEqual(
      new Set([`Bearer ${SERVER_KEY}`]),
    );
  });
});

describe('the challenges', () => {
  let token: string;

  beforeAll(async () => {
    token = await tokenOf('grace');
  });

  it('names the document of the route in a 401, and serves it there', async () => {
    const answer = await call(routeOf('tools').href, 'tools/list');
    expect(answer.status).toBe(401);
    expect(codeOf(answer)).toBe('CALLER_UNKNOWN');
    const document = `${drawbridge.url}${WELL_KNOWN}/mcp/tools`;
    expect(answer.headers.get('www-authenticate')).toBe(`Bearer scope="mcp:read", resource_metadata="${document}"`);
    expect(JSON.parse((await request(document)).text)).toEqual({
      resource: routeOf('tools').href,
      authorization_servers: [provider.url],
      bearer_methods_supported: ['header'],
      scopes_supported: ['mcp:read'],
    });
  });

  it('answers a tool that no role allows by 403 and a JSON-RPC error, without a challenge', async () => {
    const answer = await callTool(routeOf('tools').href, 'wait', bearer(token));
    expect(answer.status).toBe(403);
    expect(answer.headers.get('www-authenticate')).toBeNull();
    expect(JSON.parse(answer.text)).toMatchObject({
      jsonrpc: '2.0',
      id: 1,
      error: { data: { code: 'NOT_PERMITTED' } },
    });
  });

  it('asks for all scopes that the call needs in a 403', async () => {
    const answer = await callTool(routeOf('tools').href, 'count', bearer(token));
    expect([answer.status, codeOf(answer)]).toEqual([403, 'SCOPE_REQUIRED']);
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer error="insufficient_scope", scope="mcp:read mcp:write", resource_metadata="${drawbridge.url}${WELL_KNOWN}/mcp/tools"`,
    );
  });

  it('takes no token that was issued for the route of another gateway', async () => {
    const resource = 'http://127.0.0.1:9/mcp/tools';
    const foreign = await tokenOf('grace', resource);
    expect(decodeJwt(foreign).aud).toBe(resource);
    const answer = await call(routeOf('tools').href, 'tools/list', {}, bearer(foreign));
    expect([answer.status, codeOf(answer)]).toEqual([401, 'CALLER_UNKNOWN']);
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
  });

  it('takes a token for one route for no proof at another, whether that is there or not', async () => {
    const knocks = modern.knocks.length;
    for (const destination of ['modern', 'nowhere']) {
      const refused = await call(routeOf(destination).href, 'tools/list', {}, bearer(token));
      expect([refused.status, codeOf(refused)]).toEqual([401, 'CALLER_UNKNOWN']);
      expect(refused.headers.get('www-authenticate')).toBe(
        `Bearer error="invalid_token", scope="mcp:read", resource_metadata="${drawbridge.url}${WELL_KNOWN}/mcp/${destination}"`,
      );
    }
    const named = await call(
      `${drawbridge.url}/mcp`,
      'tools/list',
      {},
      { ...bearer(token), 'x-mcp-destination': 'modern' },
    );
    expect([named.status, codeOf(named)]).toEqual([403, 'UNKNOWN_DESTINATION']);
    expect(modern.knocks).toHaveLength(knocks);
  });

  it('loses a session to everybody but the one who began it', async () => {
    const other = await tokenOf('mallory');
    const url = routeOf('tools').href;
    const begun = await call(url, 'initialize', INITIALIZE, bearer(token));
    const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') ?? '' };
    expect(session['mcp-session-id']).not.toBe('');
    expect((await call(url, 'tools/list', {}, { ...bearer(token), ...session })).status).toBe(200);
    const stolen = await call(url, 'tools/list', {}, { ...bearer(other), ...session });
    expect([stolen.status, codeOf(stolen)]).toEqual([404, 'SESSION_LOST']);
    const ended = await request(url, { method: 'DELETE', headers: { ...bearer(other), ...session } });
    expect(ended.status).toBe(404);
    expect((await call(url, 'tools/list', {}, { ...bearer(token), ...session })).status).toBe(200);
  });
});

describe('a client in a browser', () => {
  const exposed = (headers: Headers) => headers.get('access-control-expose-headers')?.split(', ') ?? [];

  it('may ask before it has an identity', async () => {
    const headers = {
      origin: APP,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,mcp-protocol-version',
    };
    const answer = await request(routeOf('tools').href, { method: 'OPTIONS', headers });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('access-control-allow-origin')).toBe(APP);
    expect(answer.headers.get('access-control-allow-headers')?.split(', ')).toContain('authorization');
  });

  it('may read the challenge and the session id', async () => {
    const answer = await call(routeOf('tools').href, 'tools/list', {}, { origin: APP });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('access-control-allow-origin')).toBe(APP);
    expect(exposed(answer.headers)).toEqual(expect.arrayContaining(['www-authenticate', 'mcp-session-id']));
  });

  it('may read the document, and ask before it does', async () => {
    const document = `${drawbridge.url}${WELL_KNOWN}/mcp/tools`;
    const answer = await request(document, { headers: { origin: APP } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe(APP);
    const headers = {
      origin: APP,
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'mcp-protocol-version',
    };
    const asked = await request(document, { method: 'OPTIONS', headers });
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-origin')).toBe(APP);
  });

  it('is refused where its origin is not allowed', async () => {
    const answer = await call(routeOf('tools').href, 'tools/list', {}, { origin: 'https://evil.example.com' });
    expect([answer.status, codeOf(answer)]).toEqual([403, 'ORIGIN_NOT_ALLOWED']);
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });
});
