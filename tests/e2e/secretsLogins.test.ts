import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Answer, call, codeOf, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { stdioCommand } from '../helpers/stdioProgram.js';
import { type Provider, type Seen, sendJson, startTokenServer, type Trouble } from '../helpers/tokenServer.js';
import { startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { logIn, loginAddress, startKeeping, startLoginWorld, whoAmI } from './loginWorld.js';

const INITIALIZE = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function command(home: string, configFile: string, ...words: string[]): Promise<Run> {
  const given = stdioCommand([], { HOME: home });
  const [program = ''] = given.args;
  const args = [program, words[0] as string, '-c', configFile, ...words.slice(1)];
  const child = spawn(given.command, args, { cwd: home, env: given.env });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

async function filesIn(below: string): Promise<string> {
  const entries = await readdir(below, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return (await Promise.all(files.map((file) => readFile(path.join(file.parentPath, file.name), 'latin1')))).join('\n');
}

describe('secrets of people who log in', () => {
  let home: string;
  let configs: string;

  beforeEach(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'logins-'));
    configs = await mkdtemp(path.join(tmpdir(), 'logins-config-'));
  });
  afterEach(() => Promise.all([home, configs].map((folder) => rm(folder, { recursive: true, force: true }))));

  it('show nowhere, from login to logout, at a real provider; only `token` prints one', async () => {
    const world = await startLoginWorld();
    const leaksIn = (text: string) => {
      const secrets = [...world.shown, ...world.provider.refreshTokens];
      expect(secrets.length).toBeGreaterThan(1);
      return text.split('\n').filter((line) => secrets.some((secret) => line.includes(secret)));
    };
    const told: string[] = [];
    let drawbridge: Drawbridge | undefined;
    const configFile = path.join(configs, 'login.json');
    await writeFile(configFile, JSON.stringify(world.config()));
    try {
      drawbridge = await startKeeping(world, home);
      await logIn(await loginAddress(drawbridge), 'ada');
      expect(await whoAmI(drawbridge)).toBe('ada');
      const [first = ''] = world.shown;
      world.refused.add(first);
      expect(await whoAmI(drawbridge)).toBe('ada');
      expect(world.provider.granted).toEqual(['authorization_code', 'refresh_token']);
      for (const trouble of ['html', 'broken', 'garbage', 'close'] as const) {
        world.provider.misbehave(trouble);
        for (const token of world.shown) world.refused.add(token);
        told.push(String(await whoAmI(drawbridge)));
        world.provider.misbehave(undefined);
      }
      // It waits for a person by now, and nobody else may touch the token meanwhile.
      await drawbridge.stop();
      const [status, json, doctor] = [
        await command(home, configFile, 'status'),
        await command(home, configFile, 'status', '--json'),
        await command(home, configFile, 'doctor', '--json'),
      ];
      expect(status.stdout).toContain('login');
      const token = await command(home, configFile, 'token', 'tools', '--yes');
      const printed = token.stdout.trim();
      expect([token.code, printed.split('.').length]).toEqual([0, 3]);
      const logout = await command(home, configFile, 'logout', 'tools');
      expect(logout.stderr).toContain('revoked');
      const runs = [status, json, doctor, logout].map((run) => run.stdout + run.stderr);
      expect(leaksIn([...told, ...runs, token.stderr, drawbridge.stderr(), await filesIn(home)].join('\n'))).toEqual(
        [],
      );
      expect([...runs, await filesIn(home)].join('\n')).not.toContain(printed);
    } finally {
      await drawbridge?.stop();
      await world.close();
    }
  });

  describe('with a provider that is up to no good', () => {
    type Mischief = Trouble | 'echo' | 'moved' | 'lying issuer' | 'other endpoint';

    const MISCHIEF: readonly Mischief[] = [
      'echo',
      'html',
      'broken',
      'redirect',
      'close',
      'moved',
      'lying issuer',
      'other endpoint',
    ];

    const SECRET = 'canary-client-secret';

    /** One that sends everybody straight back, and repeats what it is shown once it is told to. */
    async function startMiniProvider(other: () => string): Promise<Provider & { mischief: Mischief | undefined }> {
      const state: { mischief: Mischief | undefined } = { mischief: undefined };
      let tokens = 0;
      const provider = await startTokenServer({
        tokenPath: '/token',
        handler: (url) => (incoming, response, seen: Seen) => {
          const target = new URL(incoming.url ?? '/', url);
          if (target.pathname === '/authorize')
            return void response.writeHead(302, { location: wayBack(target.searchParams, url) }).end();
          if (target.pathname !== '/token') return sendJson(response, 200, metadata(url, state.mischief, other()));
          tokens += 1;
          answerToken(response, seen, state.mischief === 'echo', tokens);
        },
      });
      return Object.assign(state, provider);
    }

    function answerToken(response: ServerResponse, { body, headers }: Seen, echo: boolean, count: number): void {
      const words = `${body} ${headers.authorization}`;
      if (echo) return sendJson(response, 400, { error: 'invalid_grant', error_description: words });
      const [access, refresh] = [`canary-access-${count}`, `canary-refresh-${count}`];
      const given = { access_token: access, token_type: 'Bearer', expires_in: 600, refresh_token: refresh };
      sendJson(response, 200, given);
    }

    function wayBack(said: URLSearchParams, iss: string): string {
      const back = new URL(said.get('redirect_uri') ?? '');
      const answer = { code: 'canary-code', iss, state: said.get('state') ?? '' };
      for (const [name, value] of Object.entries(answer)) back.searchParams.set(name, value);
      return back.href;
    }

    function metadata(url: string, mischief: Mischief | undefined, other: string): object {
      return {
        issuer: mischief === 'lying issuer' ? other : url,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: mischief === 'other endpoint' ? 'https://192.168.0.1/token' : `${url}/token`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256'],
        token_endpoint_auth_methods_supported: ['client_secret_post'],
        authorization_response_iss_parameter_supported: true,
      };
    }

    /** Takes any token that it hasn't been told to refuse. */
    async function startProtected(issuer: () => string, refused: Set<string>): Promise<Upstream> {
      const server: Upstream = await startUpstream((seen, response) => {
        const type = { 'content-type': 'application/json' };
        if (seen.url.startsWith('/.well-known'))
          return void response
            .writeHead(200, type)
            .end(JSON.stringify({ resource: server.url, authorization_servers: [issuer()] }));
        const shown = seen.header('authorization')?.replace('Bearer ', '');
        if (shown === undefined || refused.has(shown)) {
          const challenge = `Bearer resource_metadata="${server.origin}/.well-known/oauth-protected-resource", error_description="${shown}"`;
          return void response.writeHead(401, { 'www-authenticate': challenge }).end(`no ${shown}`);
        }
        response.writeHead(200, type).end('{"jsonrpc":"2.0","id":1,"result":{"ok":true}}');
      });
      return server;
    }

    const ask = (drawbridge: Drawbridge): Promise<Answer> =>
      call(`${drawbridge.url}/mcp/tools`, 'initialize', INITIALIZE);

    it.each(MISCHIEF)('that is no help at a renewal: %s', async (mischief) => {
      const spy = await startMiniProvider(() => '');
      const provider = await startMiniProvider(() => spy.url);
      const refused = new Set<string>();
      let issuer = provider.url;
      const server = await startProtected(() => issuer, refused);
      const config = {
        destinations: { tools: { kind: 'http', url: server.url, credential: 'login', era: 'legacy' } },
        credentials: {
          login: { kind: 'mcp-oauth', clientId: 'known', clientSecret: SECRET, origins: [server.origin] },
        },
      };
      const configFile = path.join(configs, 'mischief.json');
      await writeFile(configFile, JSON.stringify(config));
      const args = ['--persist', '--log-level', 'debug'];
      const drawbridge = await startDrawbridge(config, { args, env: { HOME: home } });
      const told: string[] = [];
      try {
        const { text } = await ask(drawbridge);
        const address = /http[^\s"]+\/authorize[^\s"]+/.exec(text)?.[0] ?? '';
        const back = (await request(address)).headers.get('location') ?? '';
        told.push((await request(back)).text);
        expect((await ask(drawbridge)).status).toBe(200);
        refused.add('canary-access-1');
        provider.mischief = mischief;
        if (mischief === 'moved') issuer = spy.url;
        else if (mischief in { html: 0, broken: 0, redirect: 0, close: 0 }) provider.misbehave(mischief as Trouble);
        const failed = await ask(drawbridge);
        expect(['CREDENTIAL_UNAVAILABLE', 'LOGIN_REQUIRED', 'CREDENTIAL_REFUSED']).toContain(codeOf(failed));
        // It may wait for a person by now, and nobody else may touch the token meanwhile.
        await drawbridge.stop();
        const doctor = await command(home, configFile, 'doctor', 'tools');
        const logout = await command(home, configFile, 'logout', 'tools');
        told.push(failed.text, JSON.stringify([...failed.headers]), doctor.stdout, doctor.stderr, logout.stderr);
        expect([...told, drawbridge.stderr(), await filesIn(home)].join('\n').match(/.*canary.*/g)).toBeNull();
        expect(JSON.stringify(spy.requests)).not.toContain('canary');
      } finally {
        await drawbridge.stop();
        await Promise.all([server.close(), provider.close(), spy.close()]);
      }
    });
  });
});
