import { execFile } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Agent, request as send } from 'undici';
import type { KeyRing, NewKey } from '../../src/contracts/callers.js';
import { systemClock } from '../../src/core/async.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { type Answer, call, callTool, codeOf, request } from '../helpers/calls.js';
import { type Drawbridge, runDrawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSignals } from '../helpers/fakes.js';
import { programNode } from '../helpers/programNode.js';
import { rawRequest } from '../helpers/raw.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

const PROGRAM = fileURLToPath(new URL('../../bin/mcp-drawbridge.js', import.meta.url));
const JSON_TYPE = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

describe('whoever attacks the door', () => {
  let folder: string;
  let upstream: Upstream;
  let ring: KeyRing;
  let drawbridge: Drawbridge;
  let keys: Record<'reader' | 'ops' | 'acme' | 'globex', string>;

  const keyFile = () => path.join(folder, 'keys.json');
  const make = async (wanted: NewKey) => (await ring.create(wanted)).key;
  const shown = (key: string) => ({ authorization: `Bearer ${key}` });
  const at = (place: string) => `${drawbridge.url}${place}`;

  const agents: Agent[] = [];
  const agentOf = (connections: number) => {
    const agent = new Agent({ connections, pipelining: 1 });
    agents.push(agent);
    return agent;
  };

  const config = (more: object = {}) => ({
    server: { keyFile: keyFile(), passthrough: 'site' },
    destinations: {
      common: { kind: 'http', url: upstream.url },
      open: { kind: 'http', url: upstream.url, forward: ['authorization', 'x-api-key'] },
      acme: { kind: 'http', url: upstream.url },
      globex: { kind: 'http', url: upstream.url },
      site: { kind: 'web', url: upstream.origin },
    },
    identity: { keys: { kind: 'api-key' } },
    permissions: {
      roles: {
        reader: { allow: ['*/tools/list', '*/tools/call:echo', 'site/http/*'] },
        ops: { admin: ['admin/*'], allow: ['*/*', '*/*:*'] },
      },
      default: ['reader'],
      tenants: { acme: { destinations: ['acme'] }, globex: { destinations: ['globex'] } },
    },
    ...more,
  });

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-attacks-'));
    upstream = await startUpstream(json({ done: true }));
    ring = openKeyRing(keyFile(), { clock: systemClock, signals: new FakeSignals() });
    keys = {
      reader: await make({ name: 'the-reader' }),
      ops: await make({ name: 'the-operator', roles: ['ops'] }),
      acme: await make({ name: 'of-acme', tenant: 'acme' }),
      globex: await make({ name: 'of-globex', tenant: 'globex' }),
    };
    drawbridge = await startDrawbridge(config());
  });
  afterEach(() => {
    upstream.handler = json({ done: true });
  });
  afterAll(async () => {
    await Promise.all(agents.map((agent) => agent.destroy()));
    await drawbridge?.stop();
    await upstream?.close();
    await rm(folder, { recursive: true, force: true });
  });

  describe('the management API on the data port', () => {
    const admin = (headers: Record<string, string>) => request(at('/admin/v1/keys'), { headers });

    it('is for whoever has the right, and for nobody without a key, with a bad one, or with a key that only reads', async () => {
      expect((await admin(shown(keys.ops))).text).toContain('the-operator');
      const refused = await Promise.all([admin({}), admin(shown(`${keys.ops}x`)), admin(shown(keys.reader))]);
      expect(refused.map(({ status }) => status)).toEqual([401, 401, 403]);
      for (const { text } of refused) expect(text).not.toContain('the-operator');
    });

    it.each([
      '/ADMIN/v1/keys',
      '//admin/v1/keys',
      '/admin/v1//keys',
      '/admin/v1/keys/',
      '/admin%2fv1/keys',
      '/mcp/../admin/v1/keys',
      '/mcp/..%2fadmin/v1/keys',
      '/health/../admin/v1/keys',
      '/.well-known/oauth-protected-resource/../../admin/v1/keys',
      'http://localhost/admin/v1/keys',
    ])('is not reached by the path %s', async (target) => {
      for (const proof of ['', `Authorization: Bearer ${keys.reader}\r\n`]) {
        const { status, body } = await rawRequest(
          drawbridge.port,
          `GET ${target} HTTP/1.1\r\nHost: localhost\r\n${proof}Connection: close\r\n\r\n`,
        );
        // What isn't the management API's goes to the website, for whoever may go there.
        expect(proof === '' ? [401, 404] : [200, 400, 403, 404]).toContain(status);
        expect(body.toString()).not.toContain('the-operator');
      }
    });

    it.each(['evil.example', 'localhost.evil.example', 'localhost@evil.example'])(
      'is not reached by the Host %s, with an operator’s key or without',
      async (host) => {
        for (const proof of ['', `Authorization: Bearer ${keys.ops}\r\n`]) {
          const head = `GET /admin/v1/keys HTTP/1.1\r\nHost: ${host}\r\n${proof}Connection: close\r\n\r\n`;
          const { status, body } = await rawRequest(drawbridge.port, head);
          expect([400, 403]).toContain(status);
          expect(body.toString()).not.toContain('the-operator');
        }
      },
    );
  });

  describe('a port that other machines reach', () => {
    const exposed = { server: { host: '0.0.0.0' }, destinations: {} };

    it('is not opened where nobody would know who calls', async () => {
      const run = await runDrawbridge(exposed, ['--port', '0']);
      expect((await run.exited).code).toBe(2);
      expect(run.stderr()).toContain('--insecure-no-auth');
    });

    it('is opened with --insecure-no-auth', async () => {
      const open = await startDrawbridge(exposed, { args: ['--insecure-no-auth'] });
      expect((await request(`http://127.0.0.1:${open.port}/health/live`)).status).toBe(200);
      await open.stop();
    });
  });

  it('can’t tell a destination that is hidden from one that isn’t there: not unknown, not from another tenant', async () => {
    for (const headers of [{}, shown(keys.acme)]) {
      const hidden = await callTool(at('/mcp/globex'), 'echo', headers);
      const absent = await callTool(at('/mcp/glober'), 'echo', headers);
      expect([hidden.status, anonymised(hidden)]).toEqual([absent.status, anonymised(absent)]);
      expect(headersOf(hidden)).toEqual(headersOf(absent));
      expect([401, 403]).toContain(hidden.status);
    }
    expect((await callTool(at('/mcp/globex'), 'echo', shown(keys.globex))).status).toBe(200);
  });

  describe('a tool that the caller may not call', () => {
    const post = (body: string, headers: Record<string, string> = {}) =>
      request(at('/mcp/common'), {
        method: 'POST',
        headers: { ...JSON_TYPE, ...shown(keys.reader), ...headers },
        body,
      });
    const named = (name: string) => ({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } });

    it.each<[string, string, Record<string, string>]>([
      ['by itself', JSON.stringify(named('drop')), {}],
      [
        'by an Mcp-Name that says another',
        JSON.stringify(named('drop')),
        { 'mcp-name': 'echo', 'mcp-method': 'tools/call' },
      ],
      ['by an Mcp-Method that says another', JSON.stringify(named('drop')), { 'mcp-method': 'tools/list' }],
      ['in a batch', JSON.stringify([named('echo'), named('drop')]), { 'mcp-protocol-version': '2025-03-26' }],
      ['by a key said twice', JSON.stringify(named('drop')).replace('"name"', '"name":"echo","name"'), {}],
      [
        'by a key said twice, the good one last',
        JSON.stringify(named('drop')).replace('"drop"', '"drop","name":"echo"'),
        {},
      ],
      ['by a key in another case', JSON.stringify(named('drop')).replace('"drop"', '"echo","Name":"drop"'), {}],
      ['by an escaped key', JSON.stringify(named('drop')).replace('"drop"', '"echo","n\\u0061me":"drop"'), {}],
      ['by another case', JSON.stringify(named('ECHO')), {}],
      [
        'by parameters said twice',
        JSON.stringify(named('drop')).replace('"params"', '"params":{"name":"echo"},"params"'),
        {},
      ],
    ])('is not smuggled in %s', async (_how, body, headers) => {
      const before = upstream.requests.length;
      expect([400, 403]).toContain((await post(body, headers)).status);
      expect(upstream.requests).toHaveLength(before);
    });

    it('leaves the others what they are', async () => {
      expect((await post(JSON.stringify(named('echo')))).status).toBe(200);
    });
  });

  it('can’t use a session of somebody else’s, nor end it, and a reload doesn’t change whose it is', async () => {
    upstream.handler = json({}, { 'mcp-session-id': 'the-session' });
    const begun = await call(at('/mcp/common'), 'initialize', {}, shown(keys.acme));
    upstream.handler = json({ done: true });
    const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') ?? '' };
    const use = (key: string) => callTool(at('/mcp/common'), 'echo', { ...shown(key), ...session });
    const end = (key: string) =>
      request(at('/mcp/common'), { method: 'DELETE', headers: { ...shown(key), ...session } });
    const before = upstream.requests.length;
    expect([(await use(keys.globex)).status, (await end(keys.globex)).status]).toEqual([404, 404]);
    expect(codeOf(await use(keys.reader))).toBe('SESSION_LOST');
    const reloads = () => drawbridge.records().filter(({ signal }) => signal === 'config.reloaded').length;
    const known = reloads();
    process.kill(drawbridge.pid, 'SIGHUP');
    await until(() => reloads() > known);
    expect([(await use(keys.globex)).status, upstream.requests.length]).toEqual([404, before]);
    expect((await use(keys.acme)).status).toBe(200);
  });

  it.each(['common', 'open'])('never has its own key carried to the upstream of %s', async (destination) => {
    for (const proof of [shown(keys.reader), { 'x-api-key': keys.reader }]) {
      const before = upstream.requests.length;
      expect((await callTool(at(`/mcp/${destination}`), 'echo', proof)).status).toBe(200);
      expect((await upstream.arrived(before + 1)).rawHeaders.join()).not.toContain(keys.reader);
    }
  });

  it('never has its own key carried to the website behind', async () => {
    for (const proof of [shown(keys.reader), { 'x-api-key': keys.reader }]) {
      const before = upstream.requests.length;
      expect((await request(at('/page'), { headers: proof })).status).toBe(200);
      expect((await upstream.arrived(before + 1)).rawHeaders.join()).not.toContain(keys.reader);
    }
  });

  it('gains nothing from a revoked key, two seconds later', async () => {
    const { key, record } = await ring.create({ name: 'soon-gone' });
    await sleep(600);
    expect((await callTool(at('/mcp/common'), 'echo', shown(key))).status).toBe(200);
    await ring.revoke(record.id);
    await sleep(2000);
    expect((await callTool(at('/mcp/common'), 'echo', shown(key))).status).toBe(401);
  });

  it('can’t have a connection cut by a bad token on which somebody else calls next', async () => {
    const agent = agentOf(1);
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo' } });
    const post = async (key: string) => {
      const headers = { ...JSON_TYPE, ...shown(key) };
      // The body comes later than the head: the refusal is out before.
      const late = (async function* () {
        await sleep(50);
        yield body;
      })();
      const answer = await send(at('/mcp/common'), {
        method: 'POST',
        headers,
        body: Readable.from(late),
        dispatcher: agent,
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    };
    upstream.handler = async (seen, response, incoming) => {
      await sleep(4000);
      await json({ done: true })(seen, response, incoming);
    };
    expect((await post(`${keys.reader}x`)).status).toBe(401);
    expect(await post(keys.reader)).toEqual({ status: 200, text: expect.stringContaining('done') });
  });

  it('pays more for a good call than we pay for a bad token', async () => {
    const agent = agentOf(AT_ONCE);
    const good = { ...JSON_TYPE, ...shown(keys.reader) };
    const bad = { ...JSON_TYPE, ...shown(`${keys.reader.slice(0, -4)}aaaa`) };
    const flood = (headers: Record<string, string>, status: number) => spent(drawbridge, agent, headers, status);
    await flood(good, 200);
    await flood(bad, 401);
    const [costly, cheap] = [await flood(good, 200), await flood(bad, 401)];
    expect(cheap / costly).toBeLessThan(1);
  }, 60_000);

  it('isn’t believed by a key file that everybody may write', async () => {
    const file = path.join(folder, 'open.json');
    const other = openKeyRing(file, { clock: systemClock, signals: new FakeSignals() });
    const { key } = await other.create({ name: 'planted' });
    chmodSync(file, 0o666);
    const run = await startDrawbridge(config({ server: { keyFile: file } }));
    expect((await callTool(`${run.url}/mcp/common`, 'echo', shown(key))).status).toBe(401);
    expect(await run.record(({ signal }) => signal === 'keys.unreadable')).toMatchObject({ file });
    await run.stop();
  });

  it('uses up its own quota only', async () => {
    const run = await startDrawbridge(config({ quotas: { perCaller: '5/m' } }));
    const flood = await Promise.all(
      Array.from({ length: 20 }, () => callTool(`${run.url}/mcp/common`, 'echo', shown(keys.acme))),
    );
    const refused = flood.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(15);
    for (const { headers, text } of refused) {
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(headers.get('ratelimit')).toMatch(/^"perCaller";r=0;t=\d+$/);
      expect(headers.get('ratelimit-policy')).toBe('"perCaller";q=5;w=60');
      expect(text).toContain('QUOTA_EXCEEDED');
    }
    const other = await callTool(`${run.url}/mcp/common`, 'echo', shown(keys.globex));
    expect([other.status, other.headers.get('ratelimit')]).toEqual([200, expect.stringMatching(/^"perCaller";r=4;/)]);
    await run.stop();
  });

  it('leaves a line in the audit file of the process that it met, with two of them', async () => {
    const file = path.join(folder, 'audit.jsonl');
    const run = await startDrawbridge(config({ telemetry: { audit: { file } } }), { args: ['--workers', '2'] });
    await Promise.all(Array.from({ length: 30 }, () => callTool(`${run.url}/mcp/common`, 'echo', shown(keys.acme))));
    await run.stop();
    const files = readdirSync(folder).filter((name) => /^audit.*\.jsonl$/.test(name));
    expect(files.sort()).toEqual(['audit.1.jsonl', 'audit.2.jsonl']);
    const lines = files.flatMap((name) => readFileSync(path.join(folder, name), 'utf8').split('\n').filter(Boolean));
    expect(lines.filter((line) => line.includes('"action":"tools/call"'))).toHaveLength(30);
    expect(lines.join()).not.toContain(keys.acme);
  });

  describe('a key of the command line', () => {
    const run = async (...args: string[]) => {
      const env = { PATH: process.env.PATH ?? '', HOME: folder };
      return promisify(execFile)(programNode(), [PROGRAM, 'keys', ...args, '-c', path.join(folder, 'cli.json')], {
        env,
      });
    };
    const idOf = async (name: string) => {
      const rows = JSON.parse((await run('list', '--json')).stdout) as { id: string; name: string; state: string }[];
      return rows.find((row) => row.name === name && row.state === 'active')?.id as string;
    };

    it('serves from its creation on, is replaced, and ends', async () => {
      await writeFile(path.join(folder, 'cli.json'), JSON.stringify(config()));
      const key = (await run('create', '--name', 'cli', '--tenant', 'acme', '--expires', '1h')).stdout.trim();
      const id = await idOf('cli');
      const use = async (shownKey: string) => (await callTool(at('/mcp/acme'), 'echo', shown(shownKey))).status;
      await sleep(600);
      expect(await use(key)).toBe(200);
      const next = (await run('rotate', id, '--overlap', '0s')).stdout.trim();
      await sleep(600);
      expect([await use(key), await use(next)]).toEqual([401, 200]);
      const successor = await idOf('cli');
      await run('revoke', successor);
      await sleep(600);
      expect(await use(next)).toBe(401);
      const table = (await run('list')).stdout;
      expect(table).toMatch(new RegExp(`^${successor} +cli +revoked +acme`, 'm'));
      for (const secret of [key, next]) expect(table + readFileSync(keyFile(), 'utf8')).not.toContain(secret);
    }, 60_000);

    it('can’t be ended twice, nor made without a name', async () => {
      await writeFile(path.join(folder, 'cli.json'), JSON.stringify(config()));
      await expect(run('revoke', 'nosuchkey')).rejects.toMatchObject({ code: 1 });
      await expect(run('create')).rejects.toMatchObject({ code: 2 });
    });
  });
});

/** Waits for at most ten seconds; the assertion behind it tells what was waited for. */
async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds() && Date.now() < deadline) await sleep(20);
}

/** The body without the id of the request. */
function anonymised({ text }: Answer): string {
  return text.replace(/"requestId":"[^"]*"/, '');
}

function headersOf({ headers }: Answer): [string, string][] {
  const own = new Set(['date', 'x-request-id', 'content-length']);
  // The challenge names the very path that was asked for.
  return [...headers]
    .filter(([name]) => !own.has(name))
    .map(([name, value]) => [name, value.replace(/glober|globex/g, '?')]);
}

const FLOOD = 2000;
const AT_ONCE = 8;

/** CPU of the process for so many calls, in clock ticks, by proc(5). */
async function spent(
  { pid, url }: Drawbridge,
  agent: Agent,
  headers: Record<string, string>,
  status: number,
): Promise<number> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } });
  const before = ticksOf(pid);
  const one = async () => {
    for (let i = 0; i < FLOOD / AT_ONCE; i++) {
      const answer = await send(`${url}/mcp/common`, { method: 'POST', headers, body, dispatcher: agent });
      await answer.body.dump();
      if (answer.statusCode !== status) throw new Error(`answered ${answer.statusCode}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return ticksOf(pid) - before;
}

function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
