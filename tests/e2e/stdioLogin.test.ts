import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AuthorizationServerMetadata,
  exchangeAuthorization,
  registerClient,
  startAuthorization,
} from '@modelcontextprotocol/client';
import { mcpRemoteHash } from '../../src/config/mcpRemoteStore.js';
import { type Desk, startDesk } from '../helpers/desk.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { type LegacyServer, startLegacyServer } from '../helpers/mcpServers.js';
import { Browser, startLoginProvider } from '../helpers/oauthLogin.js';
import {
  freePort,
  INITIALIZE,
  type StdioProgram,
  startEverything,
  startStdioProgram,
  stdioCommand,
  until,
} from '../helpers/stdioProgram.js';
import type { Provider } from '../helpers/tokenServer.js';

const SERVER_KEY = 'the-servers-own-key';
const CLIENT_SECRET = 'canary-client-secret-0123456789';
const STRANGER = 'canary-that-is-no-browsers-business';
const LIST = { jsonrpc: '2.0', id: 'tools', method: 'tools/list' };
const INITIALIZED = { jsonrpc: '2.0', method: 'notifications/initialized' };

describe('a server that wants people to log in, on stdin and stdout', () => {
  const life = { seconds: 600 };
  let staticPort: number;
  let provider: Provider;
  let server: LegacyServer;
  let theirs: Drawbridge;
  let desk: Desk;
  let root: string;
  let url: string;
  /** All that was ever written beside the protocol. */
  const written: string[] = [];

  beforeAll(async () => {
    staticPort = await freePort();
    const known = {
      client_id: 'known',
      client_secret: CLIENT_SECRET,
      application_type: 'native',
      redirect_uris: [`http://localhost:${staticPort}/back/again`],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      scope: 'mcp:read mcp:write',
    };
    [provider, server, desk] = await Promise.all([
      startLoginProvider({ life, clients: [known] }),
      startLegacyServer((token) => token === SERVER_KEY),
      startDesk(),
    ]);
    const port = await freePort();
    theirs = await startDrawbridge(
      {
        server: { publicUrl: `http://127.0.0.1:${port}` },
        destinations: { tools: { kind: 'http', url: server.url, credential: 'key' } },
        credentials: { key: { kind: 'static', token: SERVER_KEY, origins: [server.origin] } },
        identity: { people: { kind: 'jwt', issuer: provider.url, requiredScopes: ['mcp:read'] } },
      },
      { args: ['--port', String(port)] },
    );
    url = `${theirs.url}/mcp/tools`;
    root = await mkdtemp(path.join(tmpdir(), 'drawbridge-login-'));
  });

  afterAll(async () => {
    await theirs?.stop();
    await Promise.all([server?.close(), provider?.close(), desk?.close()]);
    await rm(root, { recursive: true, force: true });
  });

  /** A machine on which nobody has logged in yet. */
  const newHome = () => mkdtemp(path.join(root, 'home-'));
  const environment = (home: string) => ({ HOME: home, PATH: desk.path, CANARY: STRANGER });

  function start(home: string, args: readonly string[] = []): StdioProgram {
    return startStdioProgram([url, ...args], environment(home));
  }

  /** Names the tools, in a process of its own that ends then. */
  async function toolsBy(program: StdioProgram): Promise<unknown> {
    program.say(INITIALIZE);
    const first = await program.answer('first');
    if ('error' in first) return end(program, first);
    program.say(INITIALIZED, LIST);
    return end(program, await program.answer('tools'));
  }

  async function end(program: StdioProgram, answer: object): Promise<unknown> {
    program.child.stdin?.end();
    await program.exited;
    written.push(program.stderr());
    for (const line of program.lines()) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' });
    const { result, error } = answer as { result?: { tools: { name: string }[] }; error?: unknown };
    return error ?? result?.tools.map(({ name }) => name).includes('echo');
  }

  async function command(home: string, args: readonly string[], cwd = home) {
    const given = stdioCommand([], environment(home));
    const child = spawn(given.command, [given.args[0] as string, ...args], { cwd, env: given.env, stdio: 'pipe' });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    const [code] = await once(child, 'close');
    written.push(stderr);
    return { code, stdout, stderr };
  }

  async function status(home: string): Promise<Record<string, unknown>[]> {
    const { stdout } = await command(home, ['status', '--json']);
    return JSON.parse(stdout) as Record<string, unknown>[];
  }

  it('opens one browser, and serves; never again after that', async () => {
    const home = await newHome();
    const before = desk.opened.length;
    expect(await toolsBy(start(home))).toBe(true);
    expect(desk.opened).toHaveLength(before + 1);
    expect(await toolsBy(start(home))).toBe(true);
    expect(desk.opened).toHaveLength(before + 1);
    expect(desk.opened.at(-1)?.searchParams.get('resource')).toBe(url);
  });

  it('is one login for ten processes that start together', async () => {
    const home = await newHome();
    const before = desk.opened.length;
    const served = await Promise.all(Array.from({ length: 10 }, () => toolsBy(start(home))));
    expect(served).toEqual(Array(10).fill(true));
    expect(desk.opened).toHaveLength(before + 1);
  });

  it('is one renewal for ten processes that find the token expired', async () => {
    const home = await newHome();
    life.seconds = 2;
    expect(await toolsBy(start(home))).toBe(true);
    life.seconds = 600;
    const [login] = await status(home);
    await sleep(Math.max(0, Number(login?.expiresAt) - Date.now() + 10));
    const [opened, requests] = [desk.opened.length, provider.requests.length];
    const served = await Promise.all(Array.from({ length: 10 }, () => toolsBy(start(home))));
    expect(served).toEqual(Array(10).fill(true));
    expect([desk.opened.length - opened, provider.requests.length - requests]).toEqual([0, 1]);
  });

  it('answers with the address where there is no browser, and serves when the person is back', async () => {
    const program = start(await newHome(), ['--browser', 'none']);
    program.say(INITIALIZE);
    const refused = JSON.stringify(await program.answer('first'));
    expect(refused).toContain('LOGIN_REQUIRED');
    expect(
      await desk.logIn(new URL(/http[^\s"]+authorize[^\s"]+|http[^\s"]+\/auth\?[^\s"]+/.exec(refused)?.[0] ?? '')),
    ).toBe(200);
    program.say({ ...INITIALIZE, id: 'second' });
    expect(await program.answer('second')).toMatchObject({ result: { protocolVersion: expect.any(String) } });
    await end(program, {});
  });

  it('shows nothing to a server that asks for nothing, and nothing of ours where a header is given', async () => {
    const open = await startEverything(await freePort());
    const given = await startLegacyServer((token) => token === 'mine');
    const home = await newHome();
    // Where mcp-remote was used before, too.
    await mkdir(path.join(home, '.mcp-auth'));
    try {
      expect(await toolsBy(startStdioProgram([open.url], environment(home)))).toBe(true);
      const header = ['--header', 'Authorization: Bearer mine'];
      expect(await toolsBy(startStdioProgram([given.url, ...header], environment(home)))).toBe(true);
      expect(await readdir(home)).toEqual(['.mcp-auth']);
    } finally {
      await Promise.all([open.kill(), given.close()]);
    }
  });

  it('is the client that the command line names, at the redirect URI that it names', async () => {
    const info = JSON.stringify({ client_id: 'known', client_secret: '$' + '{KNOWN_SECRET}' });
    const args = [url, String(staticPort), '--callback-path', '/back/again', '--static-oauth-client-info', info];
    const more = ['--authorize-param', 'ui_locales=de', '--static-oauth-client-metadata', '{"scope":"mcp:write"}'];
    const env = { ...environment(await newHome()), KNOWN_SECRET: CLIENT_SECRET };
    expect(await toolsBy(startStdioProgram([...args, ...more], env))).toBe(true);
    const said = Object.fromEntries(desk.opened.at(-1)?.searchParams ?? []);
    const redirect = `http://localhost:${staticPort}/back/again`;
    expect(said).toMatchObject({ client_id: 'known', redirect_uri: redirect, ui_locales: 'de' });
    expect(said.scope?.split(' ').sort()).toEqual(['mcp:read', 'mcp:write']);
  });

  it('says so where the port that was named is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const error = await toolsBy(start(await newHome(), [String(port)]));
    taken.close();
    expect(JSON.stringify(error)).toContain(`port ${port}, which the browser must come back to`);
  });

  it('takes over what mcp-remote was granted, once', async () => {
    const home = await newHome();
    const tokens = await grantFor(`http://localhost:${await freePort()}/oauth/callback`);
    const folder = path.join(home, '.mcp-auth', 'mcp-remote-0.1.29');
    const hash = mcpRemoteHash(url, {}, []);
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, `${hash}_client_info.json`), JSON.stringify(tokens.client));
    await writeFile(path.join(folder, `${hash}_tokens.json`), JSON.stringify({ ...tokens.tokens, expires_in: 0 }));
    const [opened, requests] = [desk.opened.length, provider.requests.length];
    expect(await toolsBy(start(home))).toBe(true);
    expect([desk.opened.length - opened, provider.requests.length - requests]).toEqual([0, 1]);
    expect((await readdir(folder)).sort()).toEqual([`${hash}_client_info.json`, `${hash}_tokens.json`]);
    expect((await command(home, ['logout', url])).stderr).toContain('revoked');
    desk.present = false;
    expect(await toolsBy(start(home, ['--auth-timeout', '0']))).toMatchObject({ data: { code: 'LOGIN_REQUIRED' } });
    await until(() => desk.opened.length === opened + 1);
    desk.present = true;
  });

  /** What mcp-remote does: registers, has a person log in, and keeps what it gets. */
  async function grantFor(redirectUri: string) {
    const document = await fetch(`${provider.url}/.well-known/openid-configuration`);
    const metadata = (await document.json()) as AuthorizationServerMetadata;
    const clientMetadata = {
      client_name: 'MCP CLI Proxy',
      application_type: 'native',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
    const client = await registerClient(provider.url, { metadata, clientMetadata });
    const common = { metadata, clientInformation: client, resource: new URL(url) };
    const options = { ...common, redirectUrl: redirectUri, scope: 'mcp:read' };
    const { authorizationUrl, codeVerifier } = await startAuthorization(provider.url, options);
    const said = await new Browser('ada').visit(authorizationUrl, redirectUri);
    const code = { authorizationCode: said.get('code') ?? '', codeVerifier, redirectUri, iss: said.get('iss') ?? '' };
    return { client, tokens: await exchangeAuthorization(provider.url, { ...common, ...code }) };
  }

  describe('login, status, token and logout', () => {
    let home: string;
    const config = () => ({
      destinations: { tools: { kind: 'http', url, credential: 'people' }, plain: { kind: 'http', url: server.url } },
      credentials: { people: { kind: 'mcp-oauth', origins: [theirs.url] } },
    });

    beforeAll(async () => {
      home = await newHome();
      await writeFile(path.join(home, 'mcp-proxy-config.json'), JSON.stringify(config()));
    });

    it('logs in in a browser, and tells the address', async () => {
      expect((await command(home, ['token', 'tools', '--yes'])).code).toBe(1);
      const { code, stdout, stderr } = await command(home, ['login', 'tools']);
      expect([code, stdout]).toEqual([0, '']);
      expect(stderr).toContain(desk.opened.at(-1)?.href);
      expect(stderr).toContain(`Logged in at ${provider.url} for ${url}`);
    });

    it('says what it keeps, and whose, never the token', async () => {
      const [login, ...others] = await status(home);
      expect(others).toEqual([]);
      expect(login).toMatchObject({
        credential: 'people',
        server: url,
        owner: null,
        scope: 'mcp:read',
        refreshable: true,
      });
      const { stdout } = await command(home, ['status']);
      expect(stdout).toContain(url);
      expect(stdout).not.toMatch(/eyJ/);
    });

    it('gives a token where it was meant, and nowhere else', async () => {
      const refused = await command(home, ['token', 'tools']);
      expect([refused.code, refused.stdout]).toEqual([2, '']);
      expect(refused.stderr).toContain('--yes');
      const { stdout } = await command(home, ['token', 'tools', '--yes']);
      expect(stdout).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/);
    });

    it('revokes and forgets', async () => {
      expect((await command(home, ['logout', 'tools'])).stderr).toContain('its tokens are revoked');
      expect(await status(home)).toEqual([]);
      expect((await command(home, ['logout', 'tools'])).stderr).toContain('Nobody is logged in');
    });

    it('refuses what nobody can log in at', async () => {
      const plain = await command(home, ['login', 'plain']);
      expect([plain.code, plain.stderr.includes('no credential of kind mcp-oauth')]).toEqual([2, true]);
      expect((await command(home, ['login', 'missing'])).code).toBe(2);
    });

    it('tells where the person said no', async () => {
      desk.present = false;
      const gone = once(process, 'never', { signal: AbortSignal.timeout(20_000) }).catch(() => {});
      const refused = command(home, ['login', url]);
      const before = desk.opened.length;
      while (desk.opened.length === before) await Promise.race([sleep(10), gone]);
      const address = desk.opened.at(-1) as URL;
      const back = new URL(address.searchParams.get('redirect_uri') ?? '');
      back.search = new URLSearchParams({
        error: 'access_denied',
        state: address.searchParams.get('state') ?? '',
      }).toString();
      await (await fetch(back)).text();
      desk.present = true;
      const { code, stderr } = await refused;
      expect([code, stderr.includes('the login was refused: access_denied')]).toEqual([1, true]);
    });
  });

  it('lets nothing out: no token, code, verifier or secret beside the protocol, or in what it starts', () => {
    expect(written.length).toBeGreaterThan(30);
    for (const text of [...written, ...desk.environments]) {
      expect(text).not.toMatch(/eyJ[\w-]+\.eyJ|code=[\w-]{10}|code_verifier|refresh_token/);
      for (const secret of [CLIENT_SECRET]) expect(text).not.toContain(secret);
    }
    for (const text of desk.environments) expect(text).not.toContain(STRANGER);
  });
});
