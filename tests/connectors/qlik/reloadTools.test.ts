import { GatewayError } from '../../../src/core/errors.js';
import { ANN, type Answers, callOf, failure } from './tinyTenant.js';
import { run, ToolsWorld } from './toolsWorld.js';

const APP = '116dbfae-7fb9-4983-8e23-5ccd8c508722';

describe('reloads', () => {
  let world: ToolsWorld;
  beforeEach(() => {
    world = new ToolsWorld();
  });
  afterEach(() => world.close());

  const opened = (answers: Answers) => world.open({ access: 'write' }, answers);
  const reload = (status: string) => ({ body: { id: 'r1', appId: APP, status, log: 'x', tenantId: 't', links: {} } });

  it('are followed to their end, with progress', async () => {
    const { toolset, tenant } = await opened(({ method }, count) =>
      method === 'POST' ? reload('QUEUED') : reload(count < 4 ? 'RELOADING' : 'SUCCEEDED'),
    );
    const told: unknown[][] = [];
    const context = callOf(ANN, 'ann', { progress: (...step) => told.push(step) });
    const ended = await run(toolset, 'qlik_start_app_reload', { appId: APP }, context);
    expect(ended).toEqual({ reloadId: 'r1', appId: APP, status: 'SUCCEEDED', done: true });
    expect(told).toEqual([
      [0, undefined, 'QUEUED'],
      [1, undefined, 'RELOADING'],
      [3, undefined, 'RELOADING'],
    ]);
    expect(tenant.heard[0]?.body).toBe(`{"appId":"${APP}","partial":false}`);
  });

  it('go on where the time to wait is over', async () => {
    const { toolset, tenant } = await opened(({ method }) => reload(method === 'POST' ? 'QUEUED' : 'RELOADING'));
    const seen = await run(toolset, 'qlik_start_app_reload', { appId: APP, waitSeconds: 10 });
    expect(seen).toMatchObject({ status: 'RELOADING', done: false });
    expect(world.clock.slept.reduce((sum, ms) => sum + ms, 0)).toBe(10_000);
    const only = await run(toolset, 'qlik_start_app_reload', { appId: APP, waitSeconds: 0 });
    expect(only).toMatchObject({ status: 'QUEUED', done: false });
    expect(tenant.heard.filter(({ target }) => target.includes('cancel'))).toEqual([]);
  });

  /** A tenant on which the call ends, for that reason, while its reload runs. */
  async function leavingFor(reason: Error) {
    const leaving = new AbortController();
    const { toolset, tenant } = await opened(({ method }) => {
      if (method === 'GET') leaving.abort(reason);
      return reload('RELOADING');
    });
    const context = callOf(ANN, 'ann', { signal: leaving.signal });
    await expect(run(toolset, 'qlik_start_app_reload', { appId: APP }, context)).rejects.toBe(reason);
    return tenant.heard.map(({ method, target }) => `${method} ${target}`).slice(2);
  }

  it.each([new Error('cancelled'), new GatewayError('CALLER_LEFT', 'the caller left')])(
    'are cancelled with the call that started them: %s',
    async (reason) => {
      expect(await leavingFor(reason)).toEqual(['POST /api/v1/reloads/r1/actions/cancel']);
    },
  );

  it.each([new GatewayError('UPSTREAM_TIMEOUT', 'too long'), new GatewayError('DRAINING', 'stopping')])(
    'live on where it was us who ended the call: %s',
    async (reason) => {
      expect(await leavingFor(reason)).toEqual([]);
    },
  );

  it.each([401, 404, 500])('are never started twice since a look at them failed: %i', async (status) => {
    const { toolset, tenant } = await opened(({ method }) =>
      method === 'POST' ? reload('QUEUED') : failure(status, 'Broken'),
    );
    const seen = await run(toolset, 'qlik_start_app_reload', { appId: APP });
    expect(seen).toMatchObject({ reloadId: 'r1', status: 'QUEUED', done: false });
    expect(seen.note).toContain('qlik_get_reload_status');
    expect(tenant.heard.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  it('that succeeded make what is kept of their app old, whoever started them', async () => {
    const { toolset, tenant } = await opened(({ target }, count) =>
      target.includes('/reloads/') ? reload('SUCCEEDED') : { body: { attributes: { name: `v${count}` } } },
    );
    const described = () => run(toolset, 'qlik_describe_app', { appId: APP }, callOf(null, 'ann'));
    await described();
    await described();
    expect(tenant.heard).toHaveLength(2);
    expect(await run(toolset, 'qlik_get_reload_status', { reloadId: 'r1' })).toMatchObject({ done: true });
    expect(await described()).not.toMatchObject({ name: 'v1' });
    expect(tenant.heard).toHaveLength(5);
  });

  it('can be cancelled by their id', async () => {
    const { toolset } = await opened(() => ({ status: 202, body: { status: 'CANCELING' } }));
    const cancelled = await run(toolset, 'qlik_cancel_app_reload', { reloadId: 'r1' });
    expect(cancelled).toEqual({ reloadId: 'r1', status: 'CANCELING' });
  });

  it('show the end of their log, and any part of it', async () => {
    const log = Array.from({ length: 2_000 }, (_, at) => `line ${at}`).join('\n');
    const { toolset, tenant } = await opened(() => ({ headers: { 'content-type': 'text/plain' }, body: log }));
    const end = await run(toolset, 'qlik_get_reload_log', { appId: APP, reloadId: 'r1' });
    expect(end).toEqual({ log: log.slice(-8_000), offset: log.length - 8_000, total: log.length });
    const start = await run(toolset, 'qlik_get_reload_log', { appId: APP, reloadId: 'r1', offset: 0 });
    expect(start).toEqual({ log: log.slice(0, 8_000), offset: 0, total: log.length, nextOffset: 8_000 });
    expect(tenant.heard[0]?.target).toBe(`/api/v1/apps/${APP}/reloads/logs/r1`);
  });
});

describe('the warm-up', () => {
  const world = new ToolsWorld();
  afterAll(() => world.close());

  it('reads configured apps behind a user’s first call, for that user alone', async () => {
    const cold = new Promise((resolve) => {
      const { emit } = world.signals;
      world.signals.emit = (name, fields) => {
        emit(name, fields);
        if (name === 'qlik.cold') resolve(fields);
      };
    });
    const { toolset, tenant } = await world.open({ warmUp: [APP, 'gone'] }, ({ target }) => {
      if (target.includes('gone')) return failure(404, 'Not found');
      return { body: target.includes('/apps/') ? { attributes: { name: 'Sales' } } : { data: [] } };
    });
    await run(toolset, 'qlik_list', { resource: 'spaces' });
    await cold;
    await toolset.close();
    const askedAs = (shown: string) =>
      tenant.heard.filter(({ target, headers }) => target.includes(APP) && headers.authorization === `Bearer ${shown}`);
    expect(askedAs('ann')).toHaveLength(2);
    expect(await run(toolset, 'qlik_describe_app', { appId: APP })).toMatchObject({ name: 'Sales' });
    expect(askedAs('ann')).toHaveLength(2);
    expect(world.signals.named('qlik.cold')).toMatchObject([{ app: 'gone' }]);
    await run(toolset, 'qlik_describe_app', { appId: APP }, callOf(ANN, 'another'));
    expect(askedAs('another')).toHaveLength(2);
  });
});
