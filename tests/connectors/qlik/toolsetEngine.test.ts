import { connect, type Socket } from 'node:net';
import qlik from '../../../src/connectors/qlik/toolset.js';
import { systemClock } from '../../../src/core/async.js';
import { type MockQlik, startMockQlik } from '../../../src/testing.js';
import { RestWorld } from './restWorld.js';
import { ANN, callOf } from './tinyTenant.js';
import { run } from './toolsWorld.js';

const KEY = 'key-of-ben';

describe('REST and engine together', () => {
  const world = new RestWorld();
  let mock: MockQlik;
  beforeAll(async () => {
    mock = await startMockQlik({ apiKeys: { [KEY]: 'user-ben' }, reloadStepMs: null });
  });
  afterAll(async () => {
    await world.close();
    await mock.close();
  });

  async function opened(reach?: (url: URL) => Promise<Socket>) {
    const deps = {
      ...world.deps(),
      clock: systemClock,
      baseDir: '.',
      url: new URL(mock.origin),
      ...(reach ? { reach } : {}),
    };
    return qlik.create(qlik.options.parse({ access: 'write' }), deps);
  }

  it('an app that was reloaded is opened anew by who only reads it; selections stay', async () => {
    const toolset = await opened();
    const context = callOf(ANN, KEY);
    const call = (name: string, args: object) => run(toolset, name, args, context);
    const { data } = await call('qlik_search', { query: 'Sales', resourceType: 'app' });
    const appId = (data as { resourceId: string }[])[0]?.resourceId ?? '';
    const opens = () => mock.count({ method: 'OpenDoc' });
    const sum = { appId, expression: 'Sum(Amount)' };
    await call('qlik_evaluate_expression', sum);
    await call('qlik_evaluate_expression', sum);
    const selections = [{ field: 'Region', values: ['North'] }];
    const { handle } = await call('qlik_select_values', { appId, selections });
    expect(opens()).toBe(2);

    const { reloadId } = await call('qlik_start_app_reload', { appId, waitSeconds: 0 });
    await call('qlik_evaluate_expression', sum);
    expect(opens()).toBe(2);
    while (mock.stepReload(String(reloadId)) !== 'SUCCEEDED');
    expect(await call('qlik_get_reload_status', { reloadId })).toMatchObject({ done: true });
    await call('qlik_evaluate_expression', sum);
    expect(opens()).toBe(3);
    expect(JSON.stringify(await call('qlik_get_current_selections', { handle }))).toContain('North');
    expect(opens()).toBe(3);
    await toolset.close();
    expect(mock.openSockets).toBe(0);
  });

  it('sockets to the engine go the way of the destination’s network, too', async () => {
    const reached: string[] = [];
    const toolset = await opened(async (url) => {
      reached.push(url.pathname.split('/').slice(0, 2).join('/'));
      return connect(Number(url.port), url.hostname);
    });
    const { data } = await run(toolset, 'qlik_search', { query: 'Sales' }, callOf(ANN, KEY));
    const appId = (data as { resourceId: string }[])[0]?.resourceId ?? '';
    await run(toolset, 'qlik_list_sheets', { appId }, callOf(ANN, KEY));
    await toolset.close();
    expect(reached).toHaveLength(1);
  });
});
