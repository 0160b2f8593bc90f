import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '../../src/core/async.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { callTool, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSignals } from '../helpers/fakes.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

const NAME = 'mcp-proxy-config.json';

describe('an operator', () => {
  let upstream: Upstream;
  let drawbridge: Drawbridge | undefined;
  let folder: string;
  let key: string;
  let tenantKey: string;

  beforeAll(async () => {
    upstream = await startUpstream(json({ content: [] }));
    folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-operations-'));
    const ring = openKeyRing(path.join(folder, 'keys.json'), { clock: systemClock, signals: new FakeSignals() });
    ({ key } = await ring.create({ name: 'op', roles: ['operator'] }));
    ({ key: tenantKey } = await ring.create({ name: 'red', roles: ['operator'], tenant: 'red' }));
  });
  afterEach(async () => {
    await drawbridge?.stop();
    drawbridge = undefined;
  });
  afterAll(async () => {
    await upstream?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const config = (more: object = {}) => ({
    server: { keyFile: path.join(folder, 'keys.json') },
    identity: { keys: { kind: 'api-key' } },
    permissions: { roles: { operator: { allow: ['*/*'], admin: ['admin/*'] } } },
    destinations: { one: { kind: 'http', url: upstream.url }, two: { kind: 'http', url: upstream.url } },
    ...more,
  });
  const start = async (more: object = {}, args: string[] = []) => {
    drawbridge = await startDrawbridge(config(more), { args });
    return drawbridge;
  };
  const admin = async (method: string, route: string, body?: object, as = key) => {
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers = { authorization: `Bearer ${as}`, 'content-type': 'application/json' };
    const answer = await request(`${drawbridge?.url}/admin/v1${route}`, { method, headers, ...init });
    return { status: answer.status, body: JSON.parse(answer.text) };
  };
  const use = (destination: string, tool: string) =>
    callTool(`${drawbridge?.url}/mcp/${destination}`, tool, { authorization: `Bearer ${key}` });
  const logged = (run: Drawbridge, signal: string) => run.records().filter((record) => record.signal === signal);

  it('sees more of one destination for a while, and less of the others', async () => {
    const run = await start({ telemetry: { logLevels: { one: 'warn' } } });
    await use('one', 'unseen');
    await use('two', 'seen');
    await run.record(({ signal, tool }) => signal === 'exchange' && tool === 'seen');
    const set = await admin('PUT', '/log-level', { level: 'warn', destinations: { one: 'debug' }, ttl: '2s' });
    expect(set).toMatchObject({
      status: 200,
      body: {
        level: 'warn',
        destinations: { one: 'debug' },
        configured: { level: 'info', destinations: { one: 'warn' } },
      },
    });
    await use('two', 'unseen');
    await use('one', 'close');
    await run.record(({ signal, tool }) => signal === 'exchange' && tool === 'close');
    const [headers] = logged(run, 'exchange.headers');
    expect(headers).toMatchObject({ destination: 'one', headers: { authorization: '[redacted]' } });
    while ((await admin('GET', '/log-level')).body.until !== undefined) await systemClock.sleep(100);
    await use('one', 'unseen');
    await use('two', 'again');
    await run.record(({ signal, tool }) => signal === 'exchange' && tool === 'again');
    const tools = logged(run, 'exchange').flatMap(({ tool }) => (tool === undefined ? [] : [tool]));
    expect(tools).toEqual(['seen', 'close', 'again']);
  });

  it('changes levels back, and is told of names that nobody has', async () => {
    await start();
    expect((await admin('PUT', '/log-level', { destinations: { thre: 'debug' } })).body.error).toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('there is no destination thre'),
    });
    expect((await admin('PUT', '/log-level', { level: 'loud' })).status).toBe(400);
    expect((await admin('PUT', '/log-level', { level: 'error' })).body.level).toBe('error');
    expect((await admin('DELETE', '/log-level')).body).toMatchObject({ level: 'info', destinations: {} });
    for (const [method, route] of [
      ['GET', '/log-level'],
      ['PUT', '/log-level'],
      ['POST', '/reload'],
    ] as const)
      expect((await admin(method, route, undefined, tenantKey)).status).toBe(403);
  });

  it('reloads, and hears what takes a new process, or why nothing was taken', async () => {
    const run = await start();
    // Watched besides: whichever comes first, the answer is about what stands in the file.
    await writeFile(
      run.configFile,
      JSON.stringify(config({ server: { keyFile: path.join(folder, 'keys.json'), drainMs: 1 } })),
    );
    expect(await admin('POST', '/reload')).toEqual({
      status: 200,
      body: {
        taken: true,
        destinations: ['one', 'two'],
        restart: [],
        notices: [],
      },
    });
    await writeFile(run.configFile, '{\n  "destinations": { "one": { "kind": "htp" } }\n}');
    const refused = await admin('POST', '/reload');
    expect(refused.status).toBe(422);
    expect(refused.body.error).toMatchObject({
      code: 'CONFIG_REFUSED',
      details: { faults: expect.arrayContaining([expect.objectContaining({ line: 2, severity: 'fault' })]) },
    });
    expect((await use('two', 'echo')).status).toBe(200);
    await writeFile(
      run.configFile,
      JSON.stringify(config({ telemetry: { logFormat: 'pretty', metrics: { enabled: false } } })),
    );
    expect((await admin('POST', '/reload')).body).toMatchObject({ taken: true, restart: ['telemetry.metrics'] });
    await run.record(({ signal, restart }) => signal === 'config.reloaded' && String(restart) === 'telemetry.metrics');
  });

  it('is heard by all workers, whichever is asked', async () => {
    const run = await start({}, ['--workers', '2']);
    await admin('PUT', '/log-level', { level: 'warn' });
    await writeFile(
      run.configFile,
      JSON.stringify(config({ destinations: { three: { kind: 'http', url: upstream.url } } })),
    );
    expect((await admin('POST', '/reload')).body).toMatchObject({ taken: true, destinations: ['three'] });
    while (
      (await Promise.all(Array.from({ length: 8 }, () => use('three', 'echo')))).some(({ status }) => status !== 200)
    )
      await systemClock.sleep(50);
    expect(logged(run, 'exchange').filter(({ rpc }) => rpc !== undefined)).toEqual([]);
  });
});

describe("Kubernetes' swap of a ConfigMap", () => {
  it('is one reload, and a stream under way lives on', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-configmap-'));
    const upstream = await startUpstream(json({}));
    const write = async (version: string, destination: string) => {
      await mkdir(path.join(folder, version, 'secrets'), { recursive: true });
      const headers = { 'x-team': `\${file:${folder}/mount/secrets/team}` };
      const destinations = { [destination]: { kind: 'http', url: upstream.url, headers } };
      await writeFile(path.join(folder, version, NAME), JSON.stringify({ destinations }));
      await writeFile(path.join(folder, version, 'secrets', 'team'), version);
    };
    /** As the kubelet's AtomicWriter does it: the user's paths are links through `..data`, which alone is replaced. */
    const swap = async (version: string) => {
      await symlink(path.join('..', version), path.join(folder, 'mount', '..data_tmp'));
      await rename(path.join(folder, 'mount', '..data_tmp'), path.join(folder, 'mount', '..data'));
    };
    await mkdir(path.join(folder, 'mount'));
    await mkdir(path.join(folder, 'app'));
    await write('v1', 'old');
    await swap('v1');
    await symlink(path.join('..data', NAME), path.join(folder, 'mount', NAME));
    await symlink(path.join('..data', 'secrets'), path.join(folder, 'mount', 'secrets'));
    // And a link of the image's own into the mount.
    const file = path.join(folder, 'app', NAME);
    await symlink(path.join(folder, 'mount', NAME), file);
    const drawbridge = await startDrawbridge(null, { args: ['-c', file], env: { AUTH_BROKER_PATH: folder } });
    try {
      upstream.handler = (_seen, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: one\n\n');
        upstream.server.once('swapped', () => response.end('data: two\n\n'));
      };
      const stream = await fetch(`${drawbridge.url}/mcp/old`, { headers: { accept: 'text/event-stream' } });
      const reader = stream.body?.getReader();
      expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toContain('one');
      await write('v2', 'new');
      await swap('v2');
      await drawbridge.record(
        ({ signal, destinations }) => signal === 'config.reloaded' && (destinations as string[]).includes('new'),
      );
      upstream.server.emit('swapped');
      expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toContain('two');
      upstream.handler = json({});
      expect((await callTool(`${drawbridge.url}/mcp/new`, 'echo')).status).toBe(200);
      expect(upstream.requests.at(-1)?.header('x-team')).toBe('v2');
      expect((await callTool(`${drawbridge.url}/mcp/old`, 'echo')).status).toBe(403);
      await write('v3', 'newest');
      await swap('v3');
      await drawbridge.record(
        ({ signal, destinations }) => signal === 'config.reloaded' && (destinations as string[]).includes('newest'),
      );
    } finally {
      await drawbridge.stop();
      await upstream.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
