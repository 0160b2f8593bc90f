import { type Answers, failure, pageOf } from './tinyTenant.js';
import { run, ToolsWorld } from './toolsWorld.js';

const GUID = '116dbfae-7fb9-4983-8e23-5ccd8c508722';

describe('tools over the REST interface', () => {
  let world: ToolsWorld;
  beforeEach(() => {
    world = new ToolsWorld();
  });
  afterEach(() => world.close());

  const reading = (answers: Answers) => world.open({}, answers);
  const writing = (answers: Answers) => world.open({ access: 'write' }, answers);

  it('none that changes or destroys is there without access: "write", but what is a session’s own', async () => {
    const changing = async (options: object) =>
      (await world.open(options, () => undefined)).toolset.tools
        .filter(({ effect }) => effect !== 'read')
        .map(({ name }) => name);
    const own = [
      'qlik_open_app',
      'qlik_close_app',
      'qlik_select_values',
      'qlik_clear_selections',
      'qlik_apply_bookmark',
    ];
    expect((await changing({})).sort()).toEqual(own.sort());
    expect(await changing({ access: 'write' })).toEqual(
      expect.arrayContaining([...own, 'qlik_delete', 'qlik_update', 'qlik_start_app_reload', 'qlik_update_script']),
    );
  });

  describe('catalog', () => {
    const item = {
      id: 'i1',
      name: 'Sales',
      resourceType: 'app',
      resourceId: 'a1',
      spaceId: '',
      thumbnailId: 'x',
      links: {},
    };

    it('searches, and shows little', async () => {
      const { toolset, tenant } = await reading(() =>
        pageOf([{ ...item, description: 'x'.repeat(1_000) }], '/?page=2'),
      );
      const found = await run(toolset, 'qlik_search', { query: '100% "sales"', resourceType: 'app' });
      const description = `${'x'.repeat(300)}…`;
      expect(found).toEqual({
        data: [{ id: 'i1', name: 'Sales', description, resourceType: 'app', resourceId: 'a1' }],
        nextCursor: 'page=2',
      });
      const { pathname, searchParams } = new URL(tenant.heard[0]?.target ?? '', tenant.origin);
      expect([pathname, Object.fromEntries(searchParams)]).toEqual([
        '/api/v1/items',
        { limit: '50', query: '100% "sales"', resourceType: 'app', sort: '-updatedAt' },
      ]);
    });

    it('goes on where a cursor says, and says when it is the end', async () => {
      const { toolset, tenant } = await reading(() => pageOf([item]));
      const found = await run(toolset, 'qlik_search', { query: 'sales', cursor: 'page=2' });
      expect(found).not.toHaveProperty('nextCursor');
      expect(tenant.heard[0]?.target).toBe('/api/v1/items?page=2');
    });

    it('walks pages as far as a limit wants them', async () => {
      const { toolset, tenant } = await reading(({ target }, count) => {
        const size = Number(/limit=(\d+)/.exec(target)?.[1]);
        const page = Array.from({ length: size }, (_, id) => ({ id }));
        return pageOf(page, `/?limit=${size}&page=${count + 1}`);
      });
      const { data, nextCursor } = await run(toolset, 'qlik_list', { resource: 'users', limit: 240 });
      expect([(data as unknown[]).length, nextCursor, tenant.heard.length]).toEqual([240, 'limit=80&page=4', 3]);
    });

    it('says what can’t be filtered, rather than listing all of it', async () => {
      const { toolset, tenant } = await reading(() => pageOf([]));
      const listed = run(toolset, 'qlik_list', { resource: 'assistants', filter: 'name co "x"' });
      await expect(listed).rejects.toThrow("can't filter assistants");
      expect(tenant.heard).toEqual([]);
    });

    it('never shows what a connection, a key or a webhook holds besides', async () => {
      const secret = 'Pa55w0rd';
      const one = {
        qID: 'c',
        qName: 'db',
        qConnectStatement: secret,
        id: 'w',
        secret,
        headers: { x: secret },
        token: secret,
      };
      const { toolset } = await reading(({ target }) => (/\/c$/.test(target) ? { body: one } : pageOf([one])));
      const shown = [
        await run(toolset, 'qlik_list', { resource: 'data-connections' }),
        await run(toolset, 'qlik_get', { resource: 'data-connections', id: 'c' }),
        await run(toolset, 'qlik_list_operations', { resource: 'webhooks' }),
        await run(toolset, 'qlik_list_api_keys', {}),
      ];
      expect(JSON.stringify(shown)).not.toContain(secret);
      expect(shown[0]).toEqual({ data: [{ id: 'c', name: 'db' }] });
    });

    it('reads "me", and no other tenant', async () => {
      const { toolset, tenant } = await reading(() => ({ body: { id: 'u1', name: 'Ann' } }));
      expect(await run(toolset, 'qlik_get', { resource: 'users', id: 'me' })).toEqual({ id: 'u1', name: 'Ann' });
      await run(toolset, 'qlik_get', { resource: 'tenants', id: 'me' });
      await expect(run(toolset, 'qlik_get', { resource: 'tenants', id: 'other' })).rejects.toThrow('"me"');
      expect(tenant.heard.map(({ target }) => target)).toEqual(['/api/v1/users/me', '/api/v1/tenants/me']);
    });

    it('describes an app: its model in short, and what didn’t fit counted', async () => {
      const fields = Array.from({ length: 230 }, (_, at) => ({ name: `f${at}`, src_tables: ['T'], cardinal: at }));
      const { toolset } = await reading(({ target }) =>
        target.endsWith('/metadata')
          ? {
              body: {
                fields: [...fields, { name: '$sys', is_system: true }],
                tables: [{ name: 'T', no_of_rows: 5, no_of_fields: 230 }],
                static_byte_size: 9,
              },
            }
          : { body: { attributes: { id: GUID, name: 'Sales', custom: {} }, privileges: [] } },
      );
      const { fields: shown, ...rest } = await run(toolset, 'qlik_describe_app', { appId: GUID });
      expect((shown as unknown[]).length).toBe(200);
      expect((shown as unknown[])[1]).toEqual({ name: 'f1', tables: ['T'], distinct: 1 });
      expect(rest).toEqual({
        id: GUID,
        name: 'Sales',
        tables: [{ name: 'T', rows: 5, fields: 230 }],
        moreFields: 30,
        bytes: 9,
        reload: {},
      });
    });

    it('describes an app that has no data yet', async () => {
      const { toolset } = await reading(({ target }) =>
        target.endsWith('/metadata') ? failure(404, 'Not found') : { body: { attributes: { name: 'Sales' } } },
      );
      expect(await run(toolset, 'qlik_describe_app', { appId: GUID })).toMatchObject({
        name: 'Sales',
        noData: expect.stringContaining('404'),
      });
    });

    it('asks a knowledge base, which makes nothing that is kept any older', async () => {
      const { toolset, tenant } = await reading(({ method }) =>
        method === 'POST' ? { body: { chunks: [{ text: 'because', score: 0.9, embedding: [1] }] } } : pageOf([]),
      );
      await run(toolset, 'qlik_list', { resource: 'knowledgebases' });
      const found = await run(toolset, 'qlik_search_knowledgebase_chunks', { knowledgebaseId: 'k', query: 'why?' });
      await run(toolset, 'qlik_list', { resource: 'knowledgebases' });
      expect(found).toEqual({ chunks: [{ text: 'because', score: 0.9 }] });
      expect(tenant.heard.map(({ method }) => method)).toEqual(['GET', 'POST']);
      expect(tenant.heard[1]?.body).toBe('{"prompt":"why?","topN":5}');
    });
  });

  describe('changes', () => {
    it('creates, changes by JSON Patch, and shows what became of it', async () => {
      const { toolset, tenant } = await writing(() => ({ body: { id: 's1', name: 'New', type: 'shared', meta: {} } }));
      const fields = { name: 'New', type: 'shared' };
      expect(await run(toolset, 'qlik_create', { resource: 'spaces', fields })).toMatchObject({
        id: 's1',
        name: 'New',
      });
      const patch = [{ op: 'replace', path: '/name', value: 'New' }];
      const changed = await run(toolset, 'qlik_update', { resource: 'spaces', id: 's1', patch });
      expect(changed).toMatchObject({ changed: true, name: 'New' });
      expect(tenant.heard.map(({ method, body }) => [method, body && JSON.parse(body)])).toEqual([
        ['POST', fields],
        ['PATCH', patch],
        ['GET', ''],
      ]);
    });

    it('a change that was made isn’t reported as failed when the look after it fails', async () => {
      const { toolset } = await writing(({ method }) => ({ status: method === 'GET' ? 401 : 204 }));
      const patch = [{ op: 'remove', path: '/description' }];
      const changed = await run(toolset, 'qlik_update', { resource: 'glossaries', id: 'g1', patch });
      expect(changed).toEqual({ id: 'g1', changed: true });
    });

    it.each(['sales', 'Sales ', '', 'undefined'])(
      'deletes nothing whose name isn’t repeated: %j',
      async (confirmName) => {
        const { toolset, tenant } = await writing(() => ({ body: { attributes: { name: 'Sales' } } }));
        const deleted = run(toolset, 'qlik_delete', { resource: 'apps', id: GUID, confirmName });
        await expect(deleted).rejects.toThrow('Nothing was deleted');
        await deleted.catch((error: Error) => expect(error.message).not.toContain('Sales'));
        expect(tenant.heard.map(({ method }) => method)).toEqual(['GET']);
      },
    );

    it('deletes what has no name for nobody', async () => {
      const { toolset, tenant } = await writing(() => ({ body: {} }));
      const deleted = run(toolset, 'qlik_delete', { resource: 'spaces', id: 's1', confirmName: 'undefined' });
      await expect(deleted).rejects.toThrow('Nothing was deleted');
      expect(tenant.heard).toHaveLength(1);
    });

    it('deletes what is named, as it is named now and not in a cache', async () => {
      const { toolset, tenant } = await writing(({ method }) =>
        method === 'GET' ? { body: { id: 's1', name: 'Sales' } } : { status: 204 },
      );
      const deleted = await run(toolset, 'qlik_delete', { resource: 'spaces', id: 's1', confirmName: 'Sales' });
      expect(deleted).toEqual({ resource: 'spaces', id: 's1', name: 'Sales', deleted: true });
      expect(tenant.heard.map(({ method, target }) => `${method} ${target}`)).toEqual([
        'GET /api/v1/spaces/s1',
        'DELETE /api/v1/spaces/s1',
      ]);
    });

    it.each(['users', 'roles', 'api-keys', 'webhooks'])('gives nobody rights: no changes to %s', async (resource) => {
      const { toolset } = await writing(() => undefined);
      await expect(run(toolset, 'qlik_create', { resource, fields: {} })).rejects.toThrow();
      await expect(run(toolset, 'qlik_delete', { resource, id: 'x', confirmName: 'x' })).rejects.toThrow();
    });
  });

  describe('operations', () => {
    it('lists reloads of an app, and runs of their parents', async () => {
      const { toolset, tenant } = await reading(() => pageOf([{ id: 'r1', status: 'finished', errors: 'x' }]));
      expect(await run(toolset, 'qlik_list_operations', { resource: 'reloads', id: 'a1' })).toEqual({
        data: [{ reloadId: 'r1', status: 'finished' }],
      });
      await run(toolset, 'qlik_list_operations', { resource: 'automation-runs', id: 'm1' });
      await run(toolset, 'qlik_list_operations', { resource: 'task-runs', id: 't1' });
      await run(toolset, 'qlik_list_operations', { resource: 'tasks', id: 'a1', filter: 'enabled eq true' });
      expect(tenant.heard.map(({ target }) => target)).toEqual([
        '/api/v1/reloads?limit=50&appId=a1',
        '/api/workflows/automations/m1/runs?limit=50',
        '/api/scheduling/tasks/t1/runs?limit=50',
        '/api/scheduling/tasks?limit=50&resourceId=a1&filter=enabled%20eq%20true',
      ]);
      await expect(run(toolset, 'qlik_list_operations', { resource: 'task-runs' })).rejects.toThrow('need an id');
    });

    it('runs an automation, follows and stops its run; starts a task and shows its last run', async () => {
      const { toolset, tenant } = await writing(() => ({ body: { id: 'r1', status: 'running', inputs: {} } }));
      const args = { automationId: 'm1', runId: 'r1' };
      expect(await run(toolset, 'qlik_run_automation', { automationId: 'm1', inputs: { a: 1 } })).toEqual({
        ...args,
        status: 'running',
      });
      expect(await run(toolset, 'qlik_get_run', args)).toEqual({ id: 'r1', status: 'running' });
      expect(await run(toolset, 'qlik_stop_automation_run', args)).toEqual({ ...args, stopping: true });
      expect(await run(toolset, 'qlik_start_task', { taskId: 't1' })).toMatchObject({ started: true });
      expect(await run(toolset, 'qlik_get_run', { taskId: 't1' })).toMatchObject({ status: 'running' });
      await expect(run(toolset, 'qlik_get_run', { ...args, taskId: 't1' })).rejects.toThrow('taskId alone');
      expect(tenant.heard.map(({ method, target, body }) => `${method} ${target} ${body}`)).toEqual([
        'POST /api/workflows/automations/m1/runs {"context":"api","inputs":{"a":1}}',
        'GET /api/workflows/automations/m1/runs/r1 ',
        'POST /api/workflows/automations/m1/runs/r1/actions/stop ',
        'POST /api/scheduling/tasks/t1/actions/start ',
        'GET /api/scheduling/tasks/t1/runs/last ',
      ]);
    });
  });

  describe('governance', () => {
    it('asks for lineage of an app by its GUID, one way or the other', async () => {
      const nodes = { 'qri:a': { label: 'A', metadata: { type: 'DATASET', id: 'x' } }, 'qri:b': { label: 'B' } };
      const edges = [
        { source: 'qri:a', target: 'qri:b', relation: 'LOAD' },
        { source: 'qri:a', target: 'elsewhere' },
      ];
      const { toolset, tenant } = await reading(() => ({ body: { graph: { nodes, edges, directed: true } } }));
      expect(await run(toolset, 'qlik_get_lineage', { nodeId: GUID })).toEqual({
        nodes: [
          { id: 'qri:a', label: 'A', type: 'DATASET' },
          { id: 'qri:b', label: 'B' },
        ],
        edges: [edges[0]],
      });
      await run(toolset, 'qlik_get_lineage', { nodeId: 'qri:db:x//y', direction: 'downstream', levels: -1 });
      expect(tenant.heard.map(({ target }) => target)).toEqual([
        `/api/v1/lineage-graphs/nodes/qri%3Aapp%3Asense%3A%2F%2F${GUID}?up=5`,
        '/api/v1/lineage-graphs/impact/qri%3Adb%3Ax%2F%2Fy/overview?down=-1',
      ]);
    });

    it('counts the nodes that it doesn’t show', async () => {
      const nodes = Object.fromEntries(Array.from({ length: 400 }, (_, at) => [`n${at}`, { label: `${at}` }]));
      const { toolset } = await reading(() => ({ body: { graph: { nodes, edges: [] } } }));
      expect(await run(toolset, 'qlik_get_lineage', { nodeId: 'qri:x' })).toMatchObject({ moreNodes: 250 });
    });

    it('lists audits by what narrows them, and the licence without its key', async () => {
      const { toolset, tenant } = await reading(({ target }) =>
        target.includes('/licenses/')
          ? { body: { product: 'Qlik', licenseKey: 'k3y' } }
          : pageOf([{ id: 'e1', links: {} }]),
      );
      const eventTime = '2026-01-01T00:00:00Z/2026-01-02T00:00:00Z';
      expect(await run(toolset, 'qlik_list_audits', { eventTime })).toEqual({ data: [{ id: 'e1' }] });
      expect(await run(toolset, 'qlik_get_license_overview', {})).toEqual({ product: 'Qlik' });
      expect(new URL(tenant.heard[0]?.target ?? '', tenant.origin).searchParams.get('eventTime')).toBe(eventTime);
    });
  });
});
