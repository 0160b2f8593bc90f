import qlik from '../../../src/connectors/qlik/toolset.js';
import type { Toolset } from '../../../src/contracts/tools.js';
import { type MockQlik, startMockQlik } from '../../../src/testing.js';
import { RestWorld } from './restWorld.js';
import { ANN, callOf } from './tinyTenant.js';
import { run } from './toolsWorld.js';

const KEY = 'key-of-ada';

/** The tools against a tenant that refuses what the real one refuses: wrong paths, parameters, bodies, versions. */
describe('tools over REST, before a strict tenant', () => {
  const world = new RestWorld();
  let mock: MockQlik;
  let toolset: Toolset;

  beforeAll(async () => {
    mock = await startMockQlik({ apiKeys: { [KEY]: 'user-ada' } });
    const deps = { ...world.deps(), baseDir: '.', url: new URL(mock.origin) };
    toolset = await qlik.create(qlik.options.parse({ access: 'write' }), deps);
  });
  afterAll(async () => {
    await toolset.close();
    await world.close();
    await mock.close();
  });

  const call = (name: string, args: object = {}) => run(toolset, name, args, callOf(ANN, KEY));
  const firstOf = ({ data }: Record<string, unknown>) => (data as Record<string, unknown>[])[0] ?? {};

  it.each([
    'spaces',
    'users',
    'groups',
    'roles',
    'data-connections',
    'data-files',
    'glossaries',
    'collections',
    'assistants',
    'knowledgebases',
  ])('lists and reads %s', async (resource) => {
    const first = firstOf(await call('qlik_list', { resource }));
    expect(first).toMatchObject({ id: expect.any(String), name: expect.any(String) });
    expect(await call('qlik_get', { resource, id: first.id })).toMatchObject({ id: first.id, name: first.name });
  });

  it.each([
    ['spaces', 'sal'],
    ['collections', 'e'],
    ['data-files', '*.qvd'],
    ['users', 'name co "Ad"'],
    ['groups', 'name co "Sal"'],
    ['roles', 'name co "Tenant"'],
    ['glossaries', 'name co "Sales"'],
  ])('narrows %s by a filter', async (resource, filter) => {
    const all = (await call('qlik_list', { resource })).data as unknown[];
    const some = (await call('qlik_list', { resource, filter })).data as unknown[];
    expect(some.length).toBeGreaterThan(0);
    expect(some.length).toBeLessThanOrEqual(all.length);
  });

  it('walks a list by its cursor, to its end, without a gap', async () => {
    const whole = (await call('qlik_list', { resource: 'users' })).data as { id: string }[];
    const walked: string[] = [];
    let cursor: unknown;
    do {
      const page = await call('qlik_list', { resource: 'users', limit: 2, ...(cursor ? { cursor } : {}) });
      walked.push(...(page.data as { id: string }[]).map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor);
    expect(walked).toEqual(whole.map(({ id }) => id));
  });

  it.each(['tasks', 'automations', 'webhooks'])('lists %s', async (resource) => {
    expect(firstOf(await call('qlik_list_operations', { resource }))).toMatchObject({ id: expect.any(String) });
  });

  it('starts a task and an automation, and sees their runs', async () => {
    const { id: taskId } = firstOf(await call('qlik_list_operations', { resource: 'tasks' }));
    expect(await call('qlik_start_task', { taskId })).toMatchObject({ started: true });
    expect(await call('qlik_get_run', { taskId })).toMatchObject({
      id: expect.any(String),
      status: expect.any(String),
    });
    expect(firstOf(await call('qlik_list_operations', { resource: 'task-runs', id: taskId }))).toHaveProperty('status');

    const { id: automationId } = firstOf(await call('qlik_list_operations', { resource: 'automations' }));
    const { runId } = await call('qlik_run_automation', { automationId });
    expect(await call('qlik_get_run', { automationId, runId })).toMatchObject({ id: runId });
    expect(
      firstOf(await call('qlik_list_operations', { resource: 'automation-runs', id: automationId })),
    ).toHaveProperty('id');
  });

  it('reads what has tools of its own', async () => {
    const { id: glossaryId } = firstOf(await call('qlik_list', { resource: 'glossaries' }));
    expect(firstOf(await call('qlik_list_glossary_terms', { glossaryId }))).toHaveProperty('name');
    const { id: knowledgebaseId } = firstOf(await call('qlik_list', { resource: 'knowledgebases' }));
    const { chunks } = await call('qlik_search_knowledgebase_chunks', { knowledgebaseId, query: 'sales' });
    expect(chunks).toEqual(expect.any(Array));
    expect(await call('qlik_get', { resource: 'tenants', id: 'me' })).toMatchObject({ id: mock.tenantId });
    expect(firstOf(await call('qlik_list_audits', { limit: 5 }))).toHaveProperty('eventType');
    expect(await call('qlik_list_api_keys')).toHaveProperty('data');
    expect(await call('qlik_get_license_overview')).toHaveProperty('allotments');
    const app = firstOf(await call('qlik_search', { query: 'Sales', resourceType: 'app' }));
    for (const direction of ['upstream', 'downstream'])
      expect(await call('qlik_get_lineage', { nodeId: app.resourceId, direction })).toHaveProperty('nodes');
    const dataset = firstOf(await call('qlik_search', { query: 'orders', resourceType: 'dataset' }));
    expect(await call('qlik_get', { resource: 'data-sets', id: dataset.resourceId })).toHaveProperty('name');
  });

  it('makes, changes and deletes what it may', async () => {
    for (const [resource, fields] of [
      ['spaces', { name: 'Trial', type: 'shared' }],
      ['collections', { name: 'Trial', type: 'private' }],
      ['glossaries', { name: 'Trial' }],
    ] as const) {
      const { id } = await call('qlik_create', { resource, fields });
      const patch = [{ op: 'replace', path: '/name', value: 'Tried' }];
      expect(await call('qlik_update', { resource, id, patch })).toMatchObject({ id, name: 'Tried' });
      await expect(call('qlik_delete', { resource, id, confirmName: 'Trial' })).rejects.toThrow('Nothing was deleted');
      expect(await call('qlik_delete', { resource, id, confirmName: 'Tried' })).toMatchObject({ deleted: true });
      await expect(call('qlik_get', { resource, id })).rejects.toThrow('404');
    }
  });
});
