import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '../../src/core/async.js';
import { openKeyRing } from '../../src/identity/keyRing.js';
import { call, request } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { FakeSignals } from '../helpers/fakes.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

interface Line {
  readonly id: string;
  readonly limit: string;
  readonly subject?: string;
  readonly remaining?: number;
}

describe('/admin/v1/quotas', () => {
  let upstream: Upstream;
  let drawbridge: Drawbridge | undefined;
  let folder: string;

  beforeAll(async () => {
    upstream = await startUpstream(json({ tools: [] }));
    folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-quotas-'));
  });
  afterAll(async () => {
    await drawbridge?.stop();
    await upstream?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('tells who has drawn what, gives it back, and shows a tenant its own only', async () => {
    const keyFile = path.join(folder, 'keys.json');
    const ring = openKeyRing(keyFile, { clock: systemClock, signals: new FakeSignals() });
    const ops = (await ring.create({ name: 'ops', roles: ['ops'] })).key;
    const { key: ann, record } = await ring.create({ name: 'ann', tenant: 'red', roles: ['ops'] });
    const { key: bob } = await ring.create({ name: 'bob', tenant: 'blue', roles: ['ops'] });
    drawbridge = await startDrawbridge({
      server: { keyFile },
      destinations: { up: { kind: 'http', url: upstream.url } },
      identity: { keys: { kind: 'api-key' } },
      permissions: { roles: { ops: { allow: ['*/*'], admin: ['admin/quotas/*'] } } },
      quotas: { perCaller: '2/h' },
    });
    const { url } = drawbridge;
    const shown = (key: string) => ({ authorization: `Bearer ${key}` });
    const statusOf = async (key: string) => (await call(`${url}/mcp/up`, 'tools/list', {}, shown(key))).status;
    const lines = async (key: string): Promise<Line[]> => {
      const answer = await request(`${url}/admin/v1/quotas`, { headers: shown(key) });
      return (JSON.parse(answer.text) as { items: Line[] }).items;
    };
    const reset = (key: string, id: string | undefined) =>
      request(`${url}/admin/v1/quotas/reset`, {
        method: 'POST',
        headers: { ...shown(key), 'content-type': 'application/json' },
        body: JSON.stringify({ id }),
      });
    expect([await statusOf(ann), await statusOf(ann), await statusOf(ann)]).toEqual([200, 200, 429]);
    const line = (await lines(ops)).find(({ subject }) => subject === `keys:${record.id}`);
    expect(line).toMatchObject({ limit: 'perCaller', allowed: '2/h', tenant: 'red', drawn: 2, remaining: 0 });
    expect(await lines(bob)).toEqual([]);
    expect((await reset(bob, line?.id)).status).toBe(404);
    expect(await statusOf(ann)).toBe(429);
    expect((await reset(ops, line?.id)).status).toBe(200);
    expect(await statusOf(ann)).toBe(200);
  });
});
