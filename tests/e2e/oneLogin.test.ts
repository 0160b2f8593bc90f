import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { callTool, request } from '../helpers/calls.js';
import { type Desk, startDesk } from '../helpers/desk.js';
import { startDrawbridge } from '../helpers/drawbridge.js';
import { Browser, type LoginProvider, startLoginProvider } from '../helpers/oauthLogin.js';
import { INITIALIZE, type StdioProgram, startStdioProgram, stdioCommand, until } from '../helpers/stdioProgram.js';
import type { Upstream } from '../helpers/upstreamFixture.js';
import { addressIn, startPeopleServer } from './publicLoginWorld.js';

const PROCESSES = 10;
const INITIALIZED = { jsonrpc: '2.0', method: 'notifications/initialized' };

/** A login that many wait for, and a browser that is elsewhere. */
describe('one login', () => {
  let provider: LoginProvider;
  let server: Upstream;
  let desk: Desk;
  const homes: string[] = [];

  beforeAll(async () => {
    [provider, desk] = await Promise.all([startLoginProvider(), startDesk()]);
    desk.present = false;
    server = await startPeopleServer(provider);
  });

  afterAll(async () => {
    await Promise.all([server?.close(), provider?.close(), desk?.close()]);
    await Promise.all(homes.map((home) => rm(home, { recursive: true, force: true })));
  });

  async function newHome(): Promise<string> {
    const home = await mkdtemp(path.join(tmpdir(), 'drawbridge-one-'));
    homes.push(home);
    return home;
  }

  /** Where the person comes back to, and with what. */
  async function visit(address: URL, user = 'ada'): Promise<string> {
    const redirect = address.searchParams.get('redirect_uri') ?? '';
    return `${redirect}?${await new Browser(user).visit(address, redirect)}`;
  }

  describe('that ten processes wait for', () => {
    const programs: StdioProgram[] = [];
    let first: string;

    beforeAll(async () => {
      const env = { HOME: await newHome(), PATH: desk.path };
      for (let count = 0; count < PROCESSES; count++)
        programs.push(startStdioProgram([server.url, '--auth-timeout', '2'], env));
      await Promise.all(
        programs.map(async (program) => {
          program.say(INITIALIZE);
          await program.answer('first');
          program.say(INITIALIZED);
        }),
      );
    }, 60_000);

    afterAll(async () => {
      for (const program of programs) program.child.stdin?.end();
      await Promise.all(programs.map(({ exited }) => exited));
    });

    async function ask(program: StdioProgram, id: string): Promise<string> {
      program.say({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'whoami' } });
      const { result, error } = (await program.answer(id)) as {
        result?: { content: { text: string }[] };
        error?: { data: { code: string; hint: string } };
      };
      if (result) return result.content[0]?.text ?? '';
      return error?.data.code === 'LOGIN_REQUIRED'
        ? (/https?:\S+/.exec(error.data.hint)?.[0] ?? '')
        : `${error?.data.code}`;
    }

    it('tells all of them one address, in one tab', async () => {
      const told = await Promise.all(programs.flatMap((program) => ['a', 'b'].map((id) => ask(program, id))));
      expect(new Set(told).size).toBe(1);
      first = told[0] as string;
      expect(desk.opened.map(({ href }) => href)).toEqual([first]);
    }, 60_000);

    it('opens no other by itself when it was refused, though each may log in all the same', async () => {
      const address = new URL(first);
      const refusal = { error: 'access_denied', state: address.searchParams.get('state') ?? '' };
      expect(
        (await request(`${address.searchParams.get('redirect_uri')}?${new URLSearchParams(refusal)}`)).status,
      ).toBe(400);
      let told: string[] = [];
      await until(async () => {
        told = await Promise.all(programs.map((program, at) => ask(program, `again-${at}-${Math.random()}`)));
        return told.every((each) => each.startsWith('http') && each !== first);
      });
      expect(new Set(told).size).toBe(1);
      expect(desk.opened).toHaveLength(1);
      expect((await request(await visit(new URL(told[0] as string)))).status).toBe(200);
      // The others look every now and then only.
      await until(async () => {
        told = await Promise.all(programs.map((program, at) => ask(program, `at-last-${at}-${Math.random()}`)));
        return told.every((each) => each === 'ada');
      });
      expect(desk.opened).toHaveLength(1);
    }, 60_000);
  });

  it('takes the address that a browser elsewhere ended at, on a page, once', async () => {
    const drawbridge = await startDrawbridge({
      destinations: { tools: { kind: 'http', url: server.url, credential: 'login' } },
      credentials: { login: { kind: 'mcp-oauth', origins: [server.origin] } },
    });
    try {
      const answer = await callTool(`${drawbridge.url}/mcp/tools`, 'whoami');
      const address = addressIn(answer);
      const page = /http\S+\/login\/[\w-]{43}/.exec(answer.text)?.[0] ?? '';
      expect(page).toContain(drawbridge.url);
      const shown = await request(page);
      expect(shown.text).toContain('everybody who may use this gateway');
      const ended = await visit(address);
      const paste = async (pasted: string, origin = drawbridge.url) => {
        const body = new URLSearchParams({ address: pasted });
        const { status, text } = await request(page, { method: 'POST', headers: { origin }, body });
        expect(text).not.toContain(new URL(ended).searchParams.get('code'));
        return status;
      };
      expect(await paste(ended, 'http://localhost:1')).toBe(403);
      expect(await paste(ended.replace('/oauth/callback', '/elsewhere'))).toBe(400);
      expect(await paste(ended.replace('http://', 'https://'))).toBe(400);
      expect(await paste(ended.replace(/state=[^&]+/, 'state=guessed'))).toBe(400);
      expect(await paste('nonsense')).toBe(400);
      expect(await paste(` ${ended}\n`)).toBe(200);
      expect(await paste(ended)).toBe(400);
      expect((await callTool(`${drawbridge.url}/mcp/tools`, 'whoami')).text).toContain('"ada"');
      expect(drawbridge.stderr()).not.toMatch(/[?&](?:code|state)=/);
    } finally {
      await drawbridge.stop();
    }
  }, 60_000);

  const onTerminal = existsSync('/usr/bin/script') ? it : it.skip;
  onTerminal(
    'takes it on the terminal that asked for it',
    async () => {
      const { command, args } = stdioCommand([]);
      // `login` would first be content with a server that lets everybody in.
      const closed = server.handler;
      server.handler = (seen, response, request) => {
        if (seen.header('authorization') !== undefined || seen.url.startsWith('/.well-known'))
          return closed(seen, response, request);
        response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
      };
      const line = `${command} ${args[0]} login ${server.url} --browser none`;
      const env = { HOME: await newHome(), PATH: process.env.PATH ?? '' };
      const login = spawn('/usr/bin/script', ['-qec', line, '/dev/null'], { env, stdio: 'pipe' });
      let shown = '';
      login.stdout.on('data', (chunk: Buffer) => {
        shown += chunk;
      });
      const exited = new Promise<number | null>((resolve) => login.once('exit', resolve));
      try {
        await until(() => shown.includes('press Enter'));
        const ended = await visit(new URL(/http\S+redirect_uri\S+/.exec(shown)?.[0] ?? ''));
        login.stdin.write(`${ended.replace('/oauth/callback', '/elsewhere')}\n`);
        await until(() => shown.includes('That is not the address'));
        login.stdin.write(`${ended}\n`);
        expect(await exited).toBe(0);
        expect(shown).toContain(`for ${server.url}`);
      } finally {
        login.kill();
        server.handler = closed;
      }
    },
    60_000,
  );
});
