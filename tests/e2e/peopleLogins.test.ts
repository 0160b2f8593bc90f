import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Desk, startDesk } from '../helpers/desk.js';
import type { Drawbridge } from '../helpers/drawbridge.js';
import { chromium, type HeadlessBrowser, startHeadlessBrowser, whyNot } from '../helpers/headlessBrowser.js';
import { stdioCommand } from '../helpers/stdioProgram.js';
import { type LoginWorld, logIn, loginAddress, startKeeping, startLoginWorld, whoAmI } from './loginWorld.js';

/** A public client: this provider rotates its refresh tokens, and takes a used one for a theft. */
const CLIENT = {
  client_id: 'people',
  application_type: 'native',
  redirect_uris: ['http://localhost/oauth/callback'],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  scope: 'mcp:read mcp:write',
};
const SECRET = {
  ...CLIENT,
  client_id: 'secret',
  client_secret: 'canary-s3cr3t/+%',
  token_endpoint_auth_method: 'client_secret_basic',
};

const inBrowser = chromium ? it : it.skip;

describe('credentials that people log in for', () => {
  let world: LoginWorld;
  let browser: HeadlessBrowser | undefined;
  let home: string;
  let running: Drawbridge[];
  const logs: string[] = [];

  beforeAll(async () => {
    world = await startLoginWorld({ clients: [CLIENT, SECRET] });
    if (chromium) browser = await startHeadlessBrowser();
  });

  afterAll(() => Promise.all([browser?.close(), world?.close()]));

  beforeEach(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'drawbridge-home-'));
    running = [];
    world.provider.accessSeconds = 600;
  });

  afterEach(async () => {
    for (const drawbridge of running) {
      await drawbridge.stop();
      logs.push(drawbridge.stderr() + drawbridge.stdout());
    }
    await rm(home, { recursive: true, force: true });
  });

  const common = () => ({
    issuer: world.provider.url,
    clientId: 'people',
    scope: 'mcp:read',
    resource: world.upstream.url,
  });
  const code = (more: object = {}) => ({ kind: 'authorization-code', ...common(), ...more });

  async function start(credential: object): Promise<Drawbridge> {
    const drawbridge = await startKeeping(world, home, credential);
    running.push(drawbridge);
    return drawbridge;
  }

  const refreshes = () => world.provider.granted.filter((grant) => grant === 'refresh_token').length;

  inBrowser(`authorization-code: a person logs in in a real browser, and the same call succeeds${whyNot}`, async () => {
    const drawbridge = await start(code());
    const address = await loginAddress(drawbridge);
    expect(address.origin).toBe(world.provider.url);
    expect(await loginAddress(drawbridge)).toEqual(address);
    expect(await browser?.logIn(address, 'ada')).toContain('logged in');
    expect(await whoAmI(drawbridge)).toBe('ada');
    expect(await whoAmI(await start(code()))).toBe('ada');
  });

  it('authorization-code: a client with a secret, at endpoints that are written down', async () => {
    const { url } = world.provider;
    const endpoints = { issuer: undefined, authorizeUrl: `${url}/auth`, tokenUrl: `${url}/token` };
    const proof = { clientId: 'secret', clientSecret: SECRET.client_secret, authentication: 'basic' };
    const drawbridge = await start(code({ ...endpoints, ...proof }));
    await logIn(await loginAddress(drawbridge), 'grace');
    expect(await whoAmI(drawbridge)).toBe('grace');
  });

  inBrowser(`device-code: a person enters the code on any device, and the same call succeeds${whyNot}`, async () => {
    const drawbridge = await start({ ...common(), kind: 'device-code' });
    const address = await loginAddress(drawbridge);
    const said = await drawbridge.record(({ signal }) => signal === 'login.device');
    expect(said).toMatchObject({ credential: 'login', url: address.href });
    expect(address.searchParams.get('user_code')).toBe(said.userCode);
    expect(await browser?.logIn(address, 'ada')).toContain('Sign-in Success');
    const until = Date.now() + 20_000;
    let user = await whoAmI(drawbridge);
    while (user === 'LOGIN_REQUIRED' && Date.now() < until) {
      await sleep(250);
      user = await whoAmI(drawbridge);
    }
    expect(user).toBe('ada');
  });

  it('is renewed once, however many callers of five processes meet its end', async () => {
    world.provider.accessSeconds = 3;
    const first = await start(code());
    await logIn(await loginAddress(first), 'ada');
    expect(await whoAmI(first)).toBe('ada');
    const all = [first, ...(await Promise.all(Array.from({ length: 4 }, () => start(code()))))];
    const [before, refused] = [refreshes(), world.provider.refused.length];
    await sleep(3100);
    world.provider.accessSeconds = 600;
    const callers = Array.from({ length: 20 }, (_, index) => whoAmI(all[index % 5] as Drawbridge));
    expect(new Set(await Promise.all(callers))).toEqual(new Set(['ada']));
    expect([refreshes() - before, world.provider.refused.length - refused]).toEqual([1, 0]);
  });

  it('refresh-token: five processes with one that was written down show it once, and go on with the next', async () => {
    const first = await start(code());
    await logIn(await loginAddress(first), 'grace');
    await whoAmI(first);
    const refreshToken = world.provider.refreshTokens.at(-1);
    const { scope: _, ...rest } = common();
    const credential = { ...rest, kind: 'refresh-token', refreshToken };
    world.provider.accessSeconds = 3;
    const all = await Promise.all(Array.from({ length: 5 }, () => start(credential)));
    const [before, refused] = [refreshes(), world.provider.refused.length];
    expect(new Set(await Promise.all(all.map((each) => whoAmI(each))))).toEqual(new Set(['grace']));
    expect(refreshes() - before).toBe(1);
    await sleep(3100);
    world.provider.accessSeconds = 600;
    expect(new Set(await Promise.all(all.map((each) => whoAmI(each))))).toEqual(new Set(['grace']));
    expect([refreshes() - before, world.provider.refused.length - refused]).toEqual([2, 0]);
  });

  it('is begun anew when the provider forgets it: a login, and the same call succeeds without a restart', async () => {
    const drawbridge = await start(code());
    await logIn(await loginAddress(drawbridge), 'ada');
    expect(await whoAmI(drawbridge)).toBe('ada');
    await world.provider.revokeRefreshTokens();
    for (const token of world.shown) world.refused.add(token);
    await logIn(await loginAddress(drawbridge), 'grace');
    expect(await whoAmI(drawbridge)).toBe('grace');
  });

  it('gives a client that the provider refuses no login, but a word about it', async () => {
    const drawbridge = await start(code({ clientId: 'secret', clientSecret: 'wrong', authentication: 'basic' }));
    await logIn(await loginAddress(drawbridge), 'ada');
    expect(await whoAmI(drawbridge)).toBe('CREDENTIAL_UNAVAILABLE');
    const failed = await drawbridge.record(({ signal }) => signal === 'token.failed');
    expect(failed.reason).toContain('invalid_client');
  });

  describe('login, status, token and logout', () => {
    let desk: Desk;

    beforeAll(async () => {
      desk = await startDesk();
    });

    afterAll(() => desk?.close());

    async function command(...args: string[]) {
      const given = stdioCommand([], { HOME: home, PATH: desk.path });
      const child = spawn(given.command, [given.args[0] as string, ...args], {
        cwd: home,
        env: given.env,
        stdio: 'pipe',
      });
      const said = { stdout: '', stderr: '' };
      for (const stream of ['stdout', 'stderr'] as const) {
        child[stream].on('data', (chunk: Buffer) => {
          said[stream] += chunk;
        });
      }
      const [exit] = await once(child, 'close');
      logs.push(said.stderr);
      return { code: exit, ...said };
    }

    const write = (config: object) => writeFile(path.join(home, 'mcp-proxy-config.json'), JSON.stringify(config));

    it('work where the credential is an authorization code', async () => {
      await write(world.config(code()));
      const before = await command('token', 'tools', '--yes');
      expect([before.code, before.stdout, before.stderr]).toEqual([1, '', 'nobody is logged in there\n']);
      const login = await command('login', 'tools');
      expect([login.code, login.stderr]).toEqual([0, expect.stringContaining('Logged in for the credential login')]);
      expect(login.stderr).toContain(desk.opened.at(-1)?.href);
      const [row, ...others] = JSON.parse((await command('status', '--json')).stdout) as object[];
      expect(others).toEqual([]);
      const { url: server } = world.provider;
      expect(row).toMatchObject({ credential: 'login', server, owner: null, scope: 'mcp:read', refreshable: true });
      expect((await command('token', 'tools', '--yes')).stdout).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/);
      const drawbridge = await start(code());
      expect(await whoAmI(drawbridge)).toBe('ada');
      expect((await command('logout', 'tools')).stderr).toContain('its tokens are revoked');
      expect((await command('logout', 'tools')).stderr).toContain('Nobody is logged in');
      expect(JSON.parse((await command('status', '--json')).stdout)).toEqual([]);
    });

    it('work while a process waits for somebody to log in, which then serves without a restart', async () => {
      await write(world.config(code()));
      const drawbridge = await start(code());
      await loginAddress(drawbridge);
      expect((await command('login', 'tools')).code).toBe(0);
      expect(await whoAmI(drawbridge)).toBe('ada');
    });

    inBrowser(`tell the code of a device${whyNot}`, async () => {
      await write(world.config({ ...common(), kind: 'device-code' }));
      const given = stdioCommand([], { HOME: home, PATH: desk.path });
      const child = spawn(given.command, [given.args[0] as string, 'login', 'tools'], { cwd: home, env: given.env });
      let stderr = '';
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk;
      });
      const closed = once(child, 'close');
      while (!/Code: \S+\n/.test(stderr)) await Promise.race([once(child.stderr, 'data'), closed]);
      await browser?.logIn(new URL(/https?:\S+/.exec(stderr)?.[0] ?? ''), 'grace').finally(() => {
        setTimeout(() => child.kill('SIGKILL'), 20_000).unref();
      });
      expect(await closed).toEqual([0, null]);
      expect(stderr).toContain('Logged in for the credential login');
    });
  });

  it('lets nothing out', () => {
    expect(logs.join('').length).toBeGreaterThan(1000);
    const secrets = [...world.shown, ...world.provider.refreshTokens, SECRET.client_secret];
    for (const text of logs) {
      expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
      expect(text).not.toMatch(/eyJ[\w-]+\.eyJ|[?&]code=[\w-]{10}|code_verifier/);
    }
  });
});
