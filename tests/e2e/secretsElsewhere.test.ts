import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '../../src/core/async.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { call, callTool, codeOf, request } from '../helpers/calls.js';
import { startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSignals } from '../helpers/fakes.js';
import { json, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';
import { type Canaries, startCanaries } from './canaries.js';
import { CANARY, CANARY_KINDS } from './canaryKinds.js';

/** A server that says what it was started with. */
const TELLTALE = `
const say = (id) => console.log(JSON.stringify({ jsonrpc: '2.0', id, result: { env: process.env, argv: process.argv.slice(1) } }));
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id } = JSON.parse(line);
  if (id !== undefined) say(id);
});`;

/** Public, and nobody is there in time. */
const PUBLIC = '192.88.99.1';

describe('secrets, wherever one may look', () => {
  let canaries: Canaries;
  let folder: string;

  beforeAll(async () => {
    canaries = await startCanaries();
    folder = await mkdtemp(path.join(tmpdir(), 'elsewhere-'));
  });
  afterAll(async () => {
    await canaries?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Every file below a folder, as text. */
  async function filesIn(below: string): Promise<string> {
    const entries = await readdir(below, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && entry.name !== 'mcp-proxy-config.json');
    return (await Promise.all(files.map((file) => readFile(path.join(file.parentPath, file.name), 'latin1')))).join(
      '\n',
    );
  }

  it('show in no metric, probe or document, in nothing of the management API, no file and no child', async () => {
    const { config } = canaries;
    const child = { kind: 'stdio', command: process.execPath, args: ['-e', TELLTALE] };
    const keyFile = path.join(folder, 'keys.json');
    const ring = openKeyRing(keyFile, { clock: systemClock, signals: new FakeSignals() });
    const { key } = await ring.create({ name: 'ops', roles: ['ops'] });
    const drawbridge = await startDrawbridge(
      {
        ...config,
        server: { ...config.server, keyFile },
        destinations: { ...config.destinations, child },
        identity: { keys: { kind: 'api-key' }, all: { kind: 'anonymous', roles: ['ops'] } },
        permissions: { roles: { ops: { allow: ['*/*'], admin: ['admin/*/*'] } } },
        telemetry: { audit: { file: 'audit.jsonl' } },
      },
      {
        args: ['--log-level', 'debug', '--persist'],
        env: { HTTPS_PROXY: `http://me:${encodeURIComponent(CANARY)}@127.0.0.1:1`, CANARY, JOBS_SECRET: CANARY },
      },
    );
    try {
      const { url } = drawbridge;
      const names = Object.keys(config.destinations).filter((name) => name !== 'web');
      await Promise.all(names.map((name) => callTool(`${url}/mcp/${name}`, 'echo')));
      const started = await call(`${url}/mcp/child`, 'initialize', {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'test', version: '1' },
      });
      expect(started.text).toContain('"PATH"');
      const api = ['whoami', 'keys', 'sessions', 'destinations', 'breakers', 'tokens', 'quotas', 'audit', 'cache'];
      const paths = [
        ...api.map((name) => `admin/v1/${name}`),
        'metrics',
        'health/ready',
        'health/live',
        'openapi.json',
      ];
      const answers = await Promise.all(
        paths.map((place) => request(`${url}/${place}`, { headers: { 'x-api-key': key } })),
      );
      const seen = answers.map((answer, index) => [paths[index], answer.status] as const);
      expect(seen.filter(([place]) => place === 'metrics' || place === 'admin/v1/tokens')).toEqual([
        ['admin/v1/tokens', 200],
        ['metrics', 200],
      ]);
      expect(JSON.parse(answers[api.indexOf('tokens')]?.text ?? '')).not.toEqual([]);
      const told = [...answers, started].map(({ text, headers }) => `${text} ${JSON.stringify([...headers])}`);
      expect(canaries.leaksIn(told.join('\n'))).toEqual([]);
      expect(canaries.leaksIn(await filesIn(drawbridge.folder))).toEqual([]);
      expect(canaries.leaksIn(drawbridge.stderr())).toEqual([]);
    } finally {
      await drawbridge.stop();
    }
  });

  describe('are shown to no origin that their credential does not list', () => {
    let good: Upstream;
    let spy: Upstream;

    beforeAll(async () => {
      [good, spy] = await Promise.all([startUpstream(json({})), startUpstream(json({}))]);
    });
    beforeEach(() => {
      good.handler = json({});
      spy.requests.length = 0;
    });
    afterAll(() => Promise.all([good.close(), spy.close()]));

    it.each(Object.keys(CANARY_KINDS))('%s: by a redirect, or a header that names another one', async (kind) => {
      const made = await (CANARY_KINDS[kind] as (typeof CANARY_KINDS)[string])({ origins: [good.origin], folder });
      const destination = { kind: 'http', url: good.url, credential: 'own', allowPrivate: true, ...made.destination };
      const drawbridge = await startDrawbridge({
        destinations: {
          unlisted: destination,
          listed: { ...destination, allowedUrls: [spy.url] },
        },
        credentials: { own: made.credential },
      });
      try {
        const ping = (name: string, headers = {}) => call(`${drawbridge.url}/mcp/${name}`, 'ping', {}, headers);
        expect((await ping('listed')).status).toBe(200);
        expect(codeOf(await ping('unlisted', { 'x-mcp-url': spy.url }))).toBe('TARGET_NOT_ALLOWED');
        expect(codeOf(await ping('listed', { 'x-mcp-url': spy.url }))).toBe('CREDENTIAL_ORIGIN_NOT_ALLOWED');
        good.handler = status(307, { location: spy.url });
        expect((await ping('listed')).status).toBe(307);
        made.provider?.misbehave('redirect');
        expect(spy.requests).toEqual([]);
      } finally {
        await drawbridge.stop();
        await made.provider?.close();
      }
    });

    it('nor to an address that a name has changed to', async () => {
      let connections = 0;
      const inner = net.createServer((socket) => {
        connections += 1;
        socket.destroy();
      });
      await new Promise<void>((resolve) => inner.listen(0, '127.0.0.1', resolve));
      const { port } = inner.address() as AddressInfo;
      // A resolver that gives a public address first, and one of this machine from then on.
      const resolver = path.join(folder, 'rebinding.mjs');
      await writeFile(
        resolver,
        `import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
const real = dns.lookup;
let asked = 0;
dns.lookup = (name, options, callback) => {
  if (name !== 'rebind.example') return real(name, options, callback);
  asked += 1;
  const address = asked === 1 ? '${PUBLIC}' : '127.0.0.1';
  if (options.all) callback(null, [{ address, family: 4 }]); else callback(null, address, 4);
};
syncBuiltinESMExports();
`,
      );
      const target = `http://rebind.example:${port}`;
      const drawbridge = await startDrawbridge(
        {
          resilience: { connectMs: 300, retry: { attempts: 1 } },
          destinations: { tools: { kind: 'http', url: good.url, credential: 'own', allowedUrls: [target] } },
          credentials: { own: { kind: 'static', token: CANARY, origins: [good.origin, target] } },
        },
        { args: ['--allow-http'], env: { NODE_OPTIONS: `--import=${resolver}` } },
      );
      try {
        const codes: unknown[] = [];
        for (let i = 0; i < 3; i++)
          codes.push(codeOf(await call(`${drawbridge.url}/mcp/tools`, 'ping', {}, { 'x-mcp-url': `${target}/mcp` })));
        expect(codes.slice(1)).toEqual(['ADDRESS_NOT_ALLOWED', 'ADDRESS_NOT_ALLOWED']);
        expect(connections).toBe(0);
      } finally {
        await drawbridge.stop();
        inner.close();
      }
    });
  });
});
