import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Authority, createAuthority, type LeafWish } from '../helpers/certificates.js';
import { type ConnectProxy, startConnectProxy } from '../helpers/connectProxy.js';
import { startModernServer } from '../helpers/mcpServers.js';
import { startLoginProvider } from '../helpers/oauthLogin.js';
import { freePort, stdioCommand } from '../helpers/stdioProgram.js';
import { startIssuer } from '../helpers/tokenIssuer.js';
import { sendJson, startTokenServer } from '../helpers/tokenServer.js';
import { type Handler, json, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

const CANARY = 'canary-s3cr3t';
const EVERYTHING = path.resolve('node_modules/@modelcontextprotocol/server-everything/dist/index.js');

interface Step {
  readonly step: string;
  readonly state: string;
  readonly ms: number;
  readonly said: string;
  readonly mend?: string;
}

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('doctor', () => {
  const closing: (() => unknown)[] = [];
  let folder: string;
  let authority: Authority;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'doctor-'));
    authority = createAuthority('the company');
    await writeFile(path.join(folder, 'ca.pem'), authority.cert);
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  function keep<Thing extends { close(): unknown }>(thing: Thing): Thing {
    closing.push(() => thing.close());
    return thing;
  }

  async function doctor(config: object, args: readonly string[] = [], env: Record<string, string> = {}): Promise<Run> {
    const file = path.join(folder, 'config.json');
    await writeFile(file, JSON.stringify(config));
    const given = stdioCommand([], { HOME: folder, ...env });
    const child = spawn(given.command, [given.args[0] as string, 'doctor', '-c', file, ...args], {
      cwd: folder,
      env: given.env,
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
  }

  /** The steps to the one destination, without those that don't apply. */
  async function walk(config: object, env: Record<string, string> = {}): Promise<Record<string, Step>> {
    const run = await doctor(config, ['--json'], env);
    expect([run.stderr, run.stdout]).toEqual(['', expect.not.stringContaining('canary')]);
    const { ok, destinations } = JSON.parse(run.stdout) as { ok: boolean; destinations: { steps: Step[] }[] };
    expect(run.code).toBe(ok ? 0 : 1);
    const steps = destinations.flatMap((each) => each.steps).filter(({ state }) => state !== 'skipped');
    return Object.fromEntries(steps.map((step) => [step.step, step]));
  }

  /** The last step that was taken must be that one, and it must have failed. */
  async function failing(step: string, config: object, env: Record<string, string> = {}): Promise<Step> {
    const steps = Object.values(await walk(config, env));
    expect(steps.map((each) => `${each.step} ${each.state}`).at(-1)).toBe(`${step} failed`);
    return steps.at(-1) as Step;
  }

  const one = (destination: object, rest: object = {}) => ({ destinations: { tools: destination }, ...rest });
  const at = (url: string, rest: object = {}) => one({ kind: 'http', url, credential: 'own' }, rest);
  const bearer = (origin: string, token = CANARY) => ({ own: { kind: 'static', token, origins: [origin] } });

  async function upstream(handler: Handler): Promise<Upstream> {
    return keep(await startUpstream(handler));
  }

  /** A legacy server with two tools. */
  const legacy: Handler = (seen, response, request) => {
    const { method } = JSON.parse(seen.body.toString() || '{}') as { method?: string };
    if (method === 'initialize')
      return json({
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 't', version: '1' },
      })(seen, response, request);
    if (method === 'tools/list') return json({ tools: [{ name: 'a' }, { name: 'b' }] })(seen, response, request);
    return status(method === 'notifications/initialized' ? 202 : 400)(seen, response, request);
  };

  async function secure(wish: LeafWish = {}, asks = false, from = authority): Promise<string> {
    const tls = { ...from.issue('tools', wish), ca: from.cert, requestCert: asks, rejectUnauthorized: asks };
    const server = https.createServer(tls, (request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk;
      });
      request.on('end', () => {
        const { id, method } = JSON.parse(body || '{}') as { id?: number; method: string };
        const result =
          method === 'tools/list'
            ? { tools: [] }
            : { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 't', version: '1' } };
        if (method === undefined || method === 'server/discover') return sendJson(response, 400, {});
        sendJson(response, 200, { jsonrpc: '2.0', id, result });
      });
    });
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    keep({
      close: () => {
        server.closeAllConnections();
        return new Promise((resolve) => server.close(resolve));
      },
    });
    return `https://localhost:${(server.address() as AddressInfo).port}/mcp`;
  }

  it('walks the whole way to a legacy server, with a token', async () => {
    const server = await upstream(legacy);
    const issuer = keep(await startIssuer({ label: 'canary' }));
    const steps = await walk(at(server.url, { credentials: { own: issuer.credential(server.origin) } }));
    const states = Object.entries(steps).map(([name, { state }]) => `${name} ${state}`);
    expect(states).toEqual(['configuration ok', 'tcp ok', 'token ok', 'era ok', 'tools/list ok']);
    expect(steps.token?.said).toBe('serves for 60 min');
    expect(steps.era?.said).toBe('legacy (2025-11-25)');
    expect(steps['tools/list']?.said).toBe('2 tools');
  });

  it('names a modern server', async () => {
    const server = keep(await startModernServer(() => true));
    const steps = await walk(at(server.url, { credentials: bearer(server.origin) }));
    expect(steps.era?.said).toContain('modern (2026-07-28');
    expect(steps['tools/list']?.state).toBe('ok');
  });

  it('prints one line a step, and its code is 1 where one fails', async () => {
    const server = await upstream(legacy);
    const destinations = {
      good: { kind: 'http', url: server.url },
      bad: { kind: 'http', url: `http://127.0.0.1:${await freePort()}/mcp` },
    };
    const run = await doctor({ destinations });
    expect(run.code).toBe(1);
    expect(run.stdout).toMatch(/^good \(http\)\n {2}ok {6}configuration {2}kind http \(\d+ ms\)\n/);
    expect(run.stdout).toMatch(
      / {2}failed {2}tcp {12}127.0.0.1:\d+ can't be reached \(ECONNREFUSED\) \(\d+ ms\)\n +Check the port/,
    );
    expect((await doctor({ destinations }, ['good'])).code).toBe(0);
    const unknown = await doctor({ destinations }, ['nobody']);
    expect([unknown.code, unknown.stdout]).toEqual([2, '']);
  });

  it('tells the faults of a configuration, and its code is 2', async () => {
    const run = await doctor({ destinations: { a: { kind: 'http', url: 'nonsense' } } }, ['--json']);
    expect(run.code).toBe(2);
    expect(JSON.parse(run.stdout)).toMatchObject({ ok: false, faults: [{ path: 'destinations.a.url' }] });
  });

  it('dns', async () => {
    const { said, mend } = await failing('dns', one({ kind: 'http', url: 'https://nowhere.invalid/mcp' }));
    expect(said).toMatch(/^nowhere.invalid can't be resolved \(E/);
    expect(mend).toContain('HTTPS_PROXY');
  });

  describe('proxy', () => {
    let proxy: ConnectProxy;
    const url = 'https://tools.corp.example/mcp';

    it('that refuses', async () => {
      proxy = keep(await startConnectProxy({ routes: {}, login: `me:${CANARY}` }));
      const { said, mend } = await failing('proxy', one({ kind: 'http', url }), { HTTPS_PROXY: proxy.url });
      expect(said).toContain('(407)');
      expect(mend).toContain('user and password');
    });

    it('that opens the way', async () => {
      const { port } = new URL(await secure({ names: ['tools.corp.example'] }));
      proxy = keep(
        await startConnectProxy({ routes: { 'tools.corp.example:443': Number(port) }, login: `me:${CANARY}` }),
      );
      const network = { proxy: proxy.url.replace('://', `://me:${CANARY}@`), ca: 'ca.pem' };
      const steps = await walk(one({ kind: 'http', url, network }));
      expect(steps.proxy?.said).toBe(`${proxy.url} opens the way to tools.corp.example:443`);
      expect(steps.tls?.said).toMatch(/^TLSv1.3, tools by the company/);
      expect(steps['tools/list']?.said).toBe('0 tools');
    });
  });

  describe('tls', () => {
    const trusting = (url: string, more: object = {}) => one({ kind: 'http', url, network: { ca: 'ca.pem', ...more } });

    it('by an authority that nobody here trusts', async () => {
      const { said, mend } = await failing('tls', one({ kind: 'http', url: await secure() }));
      expect(said).toMatch(/^nobody here trusts the authority the company \(/);
      expect(mend).toMatch(/network\.ca.*NODE_EXTRA_CA_CERTS/);
    });

    it('with a certificate that expired', async () => {
      const { said, mend } = await failing('tls', trusting(await secure({ expired: true })));
      expect(said).toMatch(/^the certificate of tools expired on /);
      expect(mend).toContain('renewed');
    });

    it('with a certificate for another name', async () => {
      const { said, mend } = await failing('tls', trusting(await secure({ names: ['other.example'] })));
      expect(said).toMatch(/^the certificate is for .*other\.example.*, not for localhost$/);
      expect(mend).toContain('url');
    });

    it('where a client certificate is asked for', async () => {
      const url = await secure({}, true);
      expect((await failing('tls', trusting(url))).mend).toContain('network.certificate');
      const { cert: certificate, key: certificateKey } = authority.issue('drawbridge');
      expect((await walk(trusting(url, { certificate, certificateKey }))).tls?.state).toBe('ok');
    });

    it('where none is spoken', async () => {
      const server = await upstream(legacy);
      const { mend } = await failing('tls', one({ kind: 'http', url: server.url.replace('http:', 'https:') }));
      expect(mend).toContain('Check the port');
    });

    it('where nobody says a word', async () => {
      const silent = net.createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => silent.once('listening', resolve));
      keep(silent);
      const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/mcp`;
      const { said } = await failing('tls', one({ kind: 'http', url }, { resilience: { connectMs: 500 } }));
      expect(said).toContain('ETIMEDOUT');
    });
  });

  describe('of a server that wants people to log in', () => {
    /** It refuses, and names its metadata. */
    async function protectedBy(issuer: string | undefined, metadata: object = {}): Promise<Upstream> {
      const server = await upstream((seen, response) => {
        if (!seen.url.startsWith('/.well-known')) {
          response.writeHead(401, { 'www-authenticate': 'Bearer scope="mcp:read"' });
          return void response.end();
        }
        if (issuer === undefined || !seen.url.includes('protected-resource')) return void response.writeHead(404).end();
        const resource = { resource: server.url, authorization_servers: [issuer], ...metadata };
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(resource));
      });
      return server;
    }
    const login = (server: Upstream, more: object = {}) =>
      at(server.url, { credentials: { own: { kind: 'mcp-oauth', origins: [server.origin], ...more } } });

    it('says login where nobody is, opens no browser and registers nothing', async () => {
      const provider = keep(await startLoginProvider());
      const server = await protectedBy(provider.url);
      const steps = await walk(login(server));
      expect(steps.discovery?.said).toBe(`logins at ${provider.url}, scope mcp:read`);
      expect(steps.client?.said).toBe('registers itself at the first login');
      expect(steps.token).toMatchObject({ state: 'failed', mend: 'Run mcp-drawbridge login tools.' });
      expect(provider.granted).toEqual([]);
    });

    it('discovery without metadata', async () => {
      const { mend } = await failing('discovery', login(await protectedBy(undefined)));
      expect(mend).toContain('RFC 8414');
    });

    it('discovery of metadata about another server', async () => {
      const provider = keep(await startLoginProvider());
      const server = await protectedBy(provider.url, { resource: 'https://other.example/mcp' });
      const { said, mend } = await failing('discovery', login(server));
      expect(said).toContain('https://other.example/mcp');
      expect(mend).toContain('resource');
    });

    it('discovery of an issuer that names another one', async () => {
      const liar = keep(
        await startTokenServer({
          tokenPath: '/token',
          handler: () => (_request, response) =>
            sendJson(response, 200, {
              issuer: 'https://other.example',
              authorization_endpoint: 'https://other.example/authorize',
              token_endpoint: 'https://other.example/token',
              response_types_supported: ['code'],
              code_challenge_methods_supported: ['S256'],
            }),
        }),
      );
      const { said } = await failing('discovery', login(await protectedBy(liar.url)));
      expect(said).toMatch(/issuer/i);
    });

    it('client, where none can register', async () => {
      const server = keep(
        await startTokenServer({
          tokenPath: '/token',
          handler: (url) => (_request, response) =>
            sendJson(response, 200, {
              issuer: url,
              authorization_endpoint: `${url}/authorize`,
              token_endpoint: `${url}/token`,
              response_types_supported: ['code'],
              code_challenge_methods_supported: ['S256'],
            }),
        }),
      );
      const { mend } = await failing('client', login(await protectedBy(server.url)));
      expect(mend).toContain('clientId');
    });
  });

  it('token that the provider refuses', async () => {
    const server = await upstream(legacy);
    const issuer = keep(await startIssuer({ clientSecret: CANARY }));
    const credentials = { own: { ...issuer.credential(server.origin), clientSecret: `${CANARY}-wrong` } };
    const { said, mend } = await failing('token', at(server.url, { credentials }));
    expect(said).toContain('invalid_client');
    expect(mend).toContain('clientId and clientSecret');
  });

  it.each([
    ['refuses the token', 401, ''],
    ['repeats the token in its refusal', 403, `no: Bearer ${CANARY}`],
  ])('era of a server that %s', async (_what, code, body) => {
    const server = await upstream(status(code, { 'www-authenticate': `Bearer realm="${body}"` }, body));
    const { said } = await failing('era', at(server.url, { credentials: bearer(server.origin) }));
    expect(said).not.toBe('');
  });

  it('era of what is no MCP server, and tools/list that fails with the token in its words', async () => {
    const website = await upstream(status(404, {}, 'not found'));
    expect((await failing('era', one({ kind: 'http', url: website.url }))).mend).toContain(
      'give the destination a credential',
    );
    const server = await upstream((seen, response, request) => {
      const { method, id } = JSON.parse(seen.body.toString() || '{}') as { method?: string; id?: number };
      if (method !== 'tools/list') return legacy(seen, response, request);
      const error = { code: -32603, message: `broken for ${seen.header('authorization')}` };
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id, error }));
    });
    const { said } = await failing('tools/list', at(server.url, { credentials: bearer(server.origin) }));
    expect(said).toContain('withheld');
  });

  it('command of a stdio destination: not found, ended at once, well', async () => {
    const missing = await failing('command', one({ kind: 'stdio', command: 'no-such-program-at-all' }));
    expect(missing.mend).toContain('PATH');
    const ended = await failing(
      'era',
      one({ kind: 'stdio', command: process.execPath, args: ['-e', 'process.exit(3)'] }),
    );
    expect(ended.said).not.toBe('');
    const steps = await walk(one({ kind: 'stdio', command: process.execPath, args: [EVERYTHING] }));
    expect(steps.era?.said).toContain('legacy');
    expect(steps['tools/list']?.said).toMatch(/^\d+ tools$/);
  });

  it('walks to a URL without a configuration', async () => {
    const server = await upstream(legacy);
    const given = stdioCommand([], { HOME: folder });
    const child = spawn(given.command, [given.args[0] as string, 'doctor', server.url], {
      cwd: given.cwd,
      env: given.env,
    });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk;
    });
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    expect(stdout).toContain('2 tools');
  });
});
