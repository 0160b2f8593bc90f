import { type Answer, call, callTool, codeOf, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type LegacyServer, startLegacyServer } from '../helpers/mcpServers.js';
import { Browser, startLoginProvider } from '../helpers/oauthLogin.js';
import type { Provider } from '../helpers/tokenServer.js';
import { startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { freePort } from './callersWorld.js';

/** One Drawbridge logs in at another: a real provider, a real resource server, a person with a browser. */
const SERVER_KEY = 'the-servers-own-key';
const INITIALIZE = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };

describe('a server that wants people to log in', () => {
  let provider: Provider;
  let server: LegacyServer;
  let open: Upstream;
  let theirs: Drawbridge;
  let ours: Drawbridge;

  beforeAll(async () => {
    [provider, server] = await Promise.all([startLoginProvider(), startLegacyServer((token) => token === SERVER_KEY)]);
    open = await startUpstream((_seen, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0","id":1,"result":{}}');
    });
    const port = await freePort();
    theirs = await startDrawbridge(protectedBy(provider.url, port), { args: ['--port', String(port)] });
    ours = await startDrawbridge({
      destinations: {
        tools: { kind: 'http', url: `${theirs.url}/mcp/tools`, credential: 'login' },
        other: { kind: 'http', url: `${theirs.url}/mcp/other`, credential: 'login' },
        free: { kind: 'http', url: `${open.origin}/mcp`, credential: 'elsewhere' },
      },
      credentials: {
        login: { kind: 'mcp-oauth', origins: [theirs.url] },
        elsewhere: { kind: 'mcp-oauth', origins: [open.origin] },
      },
    });
  });

  afterAll(async () => {
    await ours?.stop();
    await theirs?.stop();
    await Promise.all([server?.close(), open?.close(), provider?.close()]);
  });

  function protectedBy(issuer: string, port: number): object {
    const upstream = { kind: 'http', url: server.url, credential: 'key' };
    return {
      server: { publicUrl: `http://127.0.0.1:${port}` },
      destinations: { tools: upstream, other: upstream },
      credentials: { key: { kind: 'static', token: SERVER_KEY, origins: [server.origin] } },
      identity: { people: { kind: 'jwt', issuer, requiredScopes: ['mcp:read'] } },
      permissions: {
        roles: { caller: { allow: ['*/*'] } },
        default: ['caller'],
        scopes: { '*/tools/call:count': 'mcp:write' },
      },
    };
  }

  const at = (destination: string) => `${ours.url}/mcp/${destination}`;
  const initialize = (destination: string) => call(at(destination), 'initialize', INITIALIZE);

  /** The address in an answer that asks for a login. */
  function addressIn(answer: Answer): URL {
    if (answer.status !== 403) console.error(answer.text, ours.stderr());
    expect([answer.status, codeOf(answer)]).toEqual([403, 'LOGIN_REQUIRED']);
    const { hint } = (JSON.parse(answer.text) as { error: { data: { hint: string } } }).error.data;
    return new URL(/https?:\S+/.exec(hint)?.[0] ?? '');
  }

  /** A person opens the address, and the browser comes back. */
  async function logIn(address: URL): Promise<Answer> {
    const redirect = address.searchParams.get('redirect_uri') ?? '';
    const said = await new Browser('ada').visit(address, redirect);
    return request(`${redirect}?${said}`);
  }

  async function session(destination: string): Promise<Record<string, string>> {
    const answer = await initialize(destination);
    expect(answer.status).toBe(200);
    return { 'mcp-session-id': answer.headers.get('mcp-session-id') ?? '' };
  }

  it('is asked with nothing first; its refusal becomes an address, never a 401', async () => {
    const address = addressIn(await initialize('tools'));
    expect(address.origin).toBe(provider.url);
    expect(Object.fromEntries(address.searchParams)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      resource: `${theirs.url}/mcp/tools`,
      scope: 'mcp:read',
    });
  });

  it('is one login, however many ask for it', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => initialize('tools')));
    expect(new Set(answers.map((answer) => addressIn(answer).href)).size).toBe(1);
    expect(ours.records().filter(({ signal }) => signal === 'login.wanted')).toHaveLength(1);
  });

  it('takes nobody back who was not sent', async () => {
    const address = addressIn(await initialize('tools'));
    const redirect = address.searchParams.get('redirect_uri');
    const forged = await request(`${redirect}?code=stolen&state=guessed`);
    expect([forged.status, forged.text.includes('stolen')]).toEqual([400, false]);
    expect((await request(`${redirect}/elsewhere?code=x&state=${address.searchParams.get('state')}`)).status).toBe(404);
  });

  it('serves when the person is back, without a restart', async () => {
    const address = addressIn(await initialize('tools'));
    const page = await logIn(address);
    expect([page.status, page.text]).toEqual([200, expect.stringContaining('You are logged in')]);
    await expect(request(address.searchParams.get('redirect_uri') ?? '')).rejects.toThrow();
    const answer = await callTool(at('tools'), 'echo', await session('tools'));
    expect(answer.status).toBe(200);
  });

  it('is another server at another URL, though the credential is the same', async () => {
    const address = addressIn(await initialize('other'));
    expect(address.searchParams.get('resource')).toBe(`${theirs.url}/mcp/other`);
    await logIn(address);
    expect((await initialize('other')).status).toBe(200);
  });

  it('gets a login for more where a tool needs another scope', async () => {
    const headers = await session('tools');
    const address = addressIn(await call(at('tools'), 'tools/call', { name: 'count', arguments: { to: 1 } }, headers));
    expect(address.searchParams.get('scope')?.split(' ').sort()).toEqual(['mcp:read', 'mcp:write']);
    await logIn(address);
    const answer = await call(at('tools'), 'tools/call', { name: 'count', arguments: { to: 1 } }, headers);
    expect(answer.status).toBe(200);
  });

  it('needs no login where it asks for none', async () => {
    expect((await initialize('free')).status).toBe(200);
    expect(open.requests.at(-1)?.header('authorization')).toBeUndefined();
  });

  it('leaves no token, code or verifier in the log', () => {
    const log = ours.stderr();
    for (const secret of [/eyJ[\w-]+\.eyJ/, /code=[\w-]{10}/, /code_verifier/]) expect(log).not.toMatch(secret);
  });
});
