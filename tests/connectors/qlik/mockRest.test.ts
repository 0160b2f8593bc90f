import { get as httpGet } from 'node:http';
import { type MockQlik, startMockQlik } from '../../../src/testing.js';
import { FakeClock } from '../../helpers/fakes.js';
import { type Rest, restOf, restWith } from '../../helpers/mockRest.js';

const SALES = '5a1e5a90-0001-4000-8000-000000000001';
const NOTES = '5a1e5a90-0003-4000-8000-000000000003';

describe('the REST API of the mock', () => {
  let mock: MockQlik;
  let ada: Rest;
  let ben: Rest;
  let dee: Rest;

  beforeEach(async () => {
    mock = await startMockQlik({ apiKeys: { 'key-of-ben': 'user-ben' } });
    [ada, ben, dee] = await Promise.all([restOf(mock, 'user-ada'), restOf(mock, 'user-ben'), restOf(mock, 'user-dee')]);
  });

  afterEach(() => mock.close());

  it.each([
    '/api/v1/items?resourceType=app',
    '/api/v1/spaces',
    '/api/v1/users',
    '/api/v1/users/me',
    '/api/v1/groups',
    '/api/v1/roles',
    `/api/v1/reloads?appId=${SALES}`,
    '/api/scheduling/tasks',
    '/api/scheduling/tasks/task-nightly/runs',
    '/api/v1/automations',
    '/api/workflows/automations/automation-mail/runs',
    '/api/v1/data-connections',
    '/api/connectivity/data-connections',
    '/api/v1/data-files',
    '/api/v1/data-sets/dataset-orders',
    '/api/v1/audits?eventType=com.qlik.v1.app.opened',
    '/api/v1/api-keys',
    '/api/v1/webhooks/webhook-reloads/deliveries',
    '/api/v1/tenants/me',
    '/api/v1/glossaries/glossary-sales/terms',
    '/api/v1/glossaries/glossary-sales/categories',
    '/api/v1/collections/collection-board/items',
    '/api/v1/licenses/overview',
    '/api/v1/assistants',
    '/api/v1/knowledgebases',
    `/api/v1/apps/${SALES}/scripts`,
    `/api/v1/apps/${SALES}/data/metadata`,
    `/api/v1/apps/${SALES}/data/lineage`,
    `/api/v1/apps/${SALES}/reloads/logs/reload-1`,
    `/api/v1/lineage-graphs/nodes/${encodeURIComponent(`qri:app:sense://${SALES}`)}`,
  ])('answers GET %s', async (path) => {
    expect((await ada.get(path)).status).toBe(200);
  });

  it('refuses with the errors of Qlik, never with those of an RFC', async () => {
    const { status, body } = await ben.get('/api/v1/apps');
    expect(status).toBe(405);
    expect(body).toEqual({
      errors: [expect.objectContaining({ code: 'HTTP-405', status: '405' })],
      traceId: expect.any(String),
    });
    expect((await ben.get('/api/v1/nothing')).body.errors?.[0]?.code).toBe('HTTP-404');
    expect((await restWith(mock, {}).get('/api/v1/items')).status).toBe(401);
  });

  it.each([
    ['an unknown parameter', '/api/v1/items?nothing=1'],
    ['a parameter that comes twice', '/api/v1/items?limit=1&limit=2'],
    ['a limit beyond the largest', '/api/v1/items?limit=101'],
    ['a sort by what is no field', '/api/v1/items?sort=-nothing'],
    ['a type that there is none of', '/api/v1/items?resourceType=nothing'],
    ['a filter that can not be read', '/api/v1/users?filter=name%20is%20%22Ada%22'],
    ['a filter by what is no attribute', '/api/v1/users?filter=secret%20eq%20%22x%22'],
    ['reloads of no app', '/api/v1/reloads'],
    [
      'a cursor of another list',
      `/api/v1/items?next=${Buffer.from('{"from":1,"of":"/api/v1/users"}').toString('base64url')}`,
    ],
    ['a node that is no QRI', '/api/v1/lineage-graphs/nodes/nothing'],
  ])('refuses %s', async (_, path) => {
    expect((await ada.get(path)).status).toBe(400);
  });

  it('wants the version on namespaced paths', async () => {
    const authorization = `Bearer ${await mock.mint('user-ada')}`;
    expect((await restWith(mock, { authorization }).get('/api/scheduling/tasks')).status).toBe(400);
    expect(
      (await restWith(mock, { authorization, 'qlik-api-version': '2026-08' }).get('/api/scheduling/tasks')).status,
    ).toBe(200);
  });

  it('leads from page to page by absolute addresses, there and back', async () => {
    const first = (await ada.get('/api/v1/items?limit=2&sort=%2Bname')).body as unknown as Linked;
    expect(first.data).toHaveLength(2);
    expect(first.links.prev).toBeUndefined();
    const second = (await ada.get(first.links.next?.href ?? '')).body as unknown as Linked;
    expect(new URL(first.links.next?.href ?? '').origin).toBe(mock.origin);
    expect(second.data[0]?.id).not.toBe(first.data[0]?.id);
    const back = (await ada.get(second.links.prev?.href ?? '')).body as unknown as Linked;
    expect(back.data).toEqual(first.data);
    expect((await ada.get('/api/v1/automations')).body).toMatchObject({ links: { next: { href: null } } });
  });

  it('makes pages loop, and leads away, where a test asks for it', async () => {
    mock.faults.loopPages(true);
    const first = (await ada.get('/api/v1/items?limit=2')).body as unknown as Linked;
    const again = (await ada.get(first.links.next?.href ?? '')).body as unknown as Linked;
    expect(again.data).toEqual(first.data);
    mock.faults.foreignNext('http://evil.example.test');
    expect(((await ada.get('/api/v1/items?limit=2')).body as unknown as Linked).links.next?.href).toMatch(
      /^http:\/\/evil\.example\.test\//,
    );
  });

  it('filters by SCIM', async () => {
    const names = async (filter: string) =>
      (await ada.get(`/api/v1/users?filter=${encodeURIComponent(filter)}`)).body.data?.map(({ name }) => name);
    expect(await names('name eq "ada"')).toEqual(['Ada']);
    expect(await names('(name sw "B" or name sw "C") and not (status eq "disabled")')).toEqual(['Ben', 'Cem']);
    expect(await names('assignedGroups.name eq "Finance"')).toEqual(['Cem']);
    expect(await names('email pr and name ne "Dee"')).toEqual(['Ada', 'Ben', 'Cem']);
    expect(await names('name co "100%"')).toEqual([]);
  });

  it('shows a user their own things and those of their spaces, and nothing else', async () => {
    const apps = async (rest: Rest) =>
      (await rest.get('/api/v1/items?resourceType=app')).body.data?.map(({ name }) => name);
    expect(await apps(ben)).toEqual(['Sales']);
    expect(await apps(dee)).toEqual(['Notes']);
    expect(await apps(ada)).toEqual(['Sales', 'Budget', 'Notes']);
    expect((await dee.get(`/api/v1/apps/${SALES}`)).status).toBe(404);
    expect((await dee.get('/api/v1/spaces')).body.data).toEqual([]);
    expect((await dee.get('/api/v1/users/user-ada')).body).not.toHaveProperty('email');
    expect((await dee.get('/api/v1/audits')).status).toBe(403);
  });

  it('lets a token no further than its scopes, and a key as far as its user', async () => {
    const narrow = await restOf(mock, 'user-ben', 'apps:read');
    expect((await narrow.get('/api/v1/items')).status).toBe(200);
    expect((await narrow.get('/api/v1/automations')).status).toBe(403);
    expect((await narrow.send('POST', '/api/v1/reloads', { appId: SALES })).status).toBe(403);
    const key = restWith(mock, { authorization: 'Bearer key-of-ben' });
    expect((await key.get('/api/v1/users/me')).body.name).toBe('Ben');
  });

  it('counts by user and tier, and says how long to wait', async () => {
    const clock = new FakeClock();
    const small = await startMockQlik({ tierLimits: { tier1: 2, tier2: 1 }, clock });
    try {
      const [one, other] = [await restOf(small, 'user-ada'), await restOf(small, 'user-ben')];
      await one.get('/api/v1/spaces');
      await one.get('/api/v1/spaces');
      const limited = await one.get('/api/v1/spaces');
      expect(limited.status).toBe(429);
      expect(Number(limited.headers.get('retry-after'))).toBe(60);
      expect(limited.body.errors?.[0]?.code).toBe('HTTP-429');
      expect((await other.get('/api/v1/spaces')).status).toBe(200);
      expect((await one.send('POST', '/api/v1/users/actions/filter', {})).status).toBe(200);
    } finally {
      await small.close();
    }
  });

  it('answers 429 and other statuses as often as a test asks for', async () => {
    mock.faults.limit('tier1', 2, 7);
    const statuses = [];
    for (let index = 0; index < 3; index++) statuses.push((await ada.get('/api/v1/spaces')).status);
    mock.faults.fail('/api/v1/users', 503);
    statuses.push((await ada.get('/api/v1/users')).status, (await ada.get('/api/v1/users')).status);
    expect(statuses).toEqual([429, 429, 200, 503, 200]);
  });

  it('changes what a JSON Patch names, and no other field', async () => {
    const patch = (rest: Rest, body: unknown) => rest.send('PATCH', '/api/v1/spaces/space-sales', body);
    expect((await patch(ada, [{ op: 'replace', path: '/name', value: 'Selling' }])).status).toBe(204);
    expect((await ada.get('/api/v1/spaces/space-sales')).body.name).toBe('Selling');
    expect((await patch(ada, [{ op: 'replace', path: '/tenantId', value: 'x' }])).status).toBe(400);
    expect((await patch(ada, [{ op: 'replace', path: '/name', value: 7 }])).status).toBe(400);
    expect((await patch(ada, { op: 'replace' })).status).toBe(400);
    expect((await patch(ben, [{ op: 'replace', path: '/name', value: 'Mine' }])).status).toBe(403);
  });

  it('takes nothing that the shape of a resource does not have', async () => {
    const create = (body: unknown) => ada.send('POST', '/api/v1/spaces', body);
    expect((await create({ name: 'New', type: 'shared' })).status).toBe(201);
    expect((await create({ name: 'New', type: 'secret' })).status).toBe(400);
    expect((await create({ type: 'shared' })).status).toBe(400);
    expect((await create({ name: 'New', type: 'shared', owner: 'me' })).status).toBe(400);
    const form = await ada.send('POST', '/api/v1/spaces', undefined, { 'content-type': 'text/plain' });
    expect(form.status).toBe(415);
    const hook = { name: 'x', eventTypes: ['com.qlik.v1.app.opened'] };
    expect((await ada.send('POST', '/api/v1/webhooks', { ...hook, url: 'https://10.0.0.1/x' })).status).toBe(400);
    expect((await ada.send('POST', '/api/v1/webhooks', { ...hook, url: 'https://hooks.example.test/x' })).status).toBe(
      201,
    );
  });

  it('reloads by steps, tells of them, and cancels', async () => {
    const byHand = await startMockQlik({ reloadStepMs: null });
    try {
      const rest = await restOf(byHand, 'user-ben');
      const { id } = (await rest.send('POST', '/api/v1/reloads', { appId: SALES })).body as { id: string };
      const status = async (reload = id) => (await rest.get(`/api/v1/reloads/${reload}`)).body.status;
      expect(await status()).toBe('QUEUED');
      expect(byHand.stepReload(id)).toBe('RELOADING');
      expect(byHand.stepReload(id, 'FAILED')).toBe('FAILED');
      expect(await status()).toBe('FAILED');
      expect((await rest.send('POST', `/api/v1/reloads/${id}/actions/cancel`)).status).toBe(409);
      const other = (await rest.send('POST', '/api/v1/reloads', { appId: SALES })).body as { id: string };
      expect((await rest.send('POST', `/api/v1/reloads/${other.id}/actions/cancel`)).status).toBe(202);
      expect(await status(other.id)).toBe('CANCELED');
      expect((await rest.send('POST', '/api/v1/reloads', { appId: NOTES })).status).toBe(400);
    } finally {
      await byHand.close();
    }
  });

  it('reloads by the clock', async () => {
    const clock = new FakeClock();
    const timed = await startMockQlik({ clock, reloadStepMs: 100 });
    try {
      const rest = await restOf(timed, 'user-ben');
      const { id } = (await rest.send('POST', '/api/v1/reloads', { appId: SALES })).body as { id: string };
      const status = async () => (await rest.get(`/api/v1/reloads/${id}`)).body.status;
      const seen = [await status()];
      await clock.sleep(150);
      seen.push(await status());
      await clock.sleep(100);
      seen.push(await status());
      expect(seen).toEqual(['QUEUED', 'RELOADING', 'SUCCEEDED']);
    } finally {
      await timed.close();
    }
  });

  it('starts tasks and automations, whose runs can be followed', async () => {
    expect((await ben.send('POST', '/api/scheduling/tasks/task-nightly/actions/start')).status).toBe(202);
    expect((await ben.get('/api/scheduling/tasks/task-nightly/runs/last')).body.taskId).toBe('task-nightly');
    const runs = '/api/v1/automations/automation-mail/runs';
    const { id } = (await ben.send('POST', runs, { context: 'api' })).body as { id: string };
    expect((await ben.get(`${runs}/${id}`)).body.status).toBe('running');
    expect((await ben.send('POST', `${runs}/${id}/actions/stop`)).status).toBe(204);
    await ben.send('POST', '/api/v1/automations/automation-mail/actions/disable');
    expect((await ben.send('POST', runs, { context: 'api' })).status).toBe(409);
    expect((await dee.send('POST', runs, { context: 'api' })).status).toBe(404);
  });

  it('says of a deprecated path that it will go', async () => {
    const { status, headers } = await ben.get('/api/v1/reload-tasks');
    expect(status).toBe(200);
    expect(headers.get('deprecation')).toMatch(/^@\d+$/);
    expect(Date.parse(headers.get('sunset') ?? '')).toBeGreaterThan(0);
  });

  it('walks the lineage up, and the impact down', async () => {
    const app = encodeURIComponent(`qri:app:sense://${SALES}`);
    const up = (await ben.get(`/api/v1/lineage-graphs/nodes/${app}`)).body as {
      graph: { nodes: object; edges: object[] };
    };
    expect(Object.keys(up.graph.nodes)).toContain('qri:qdf:space://mock/orders.qvd');
    expect(up.graph.edges).toHaveLength(1);
    expect((await ben.get(`/api/v1/lineage-graphs/impact/${app}/overview`)).body).toMatchObject({
      resources: [{ qri: 'qri:alert://revenue' }],
    });
    expect((await dee.get(`/api/v1/lineage-graphs/nodes/${app}`)).status).toBe(404);
  });

  it('searches a knowledge base', async () => {
    const search = '/api/v1/knowledgebases/kb-handbook/actions/search';
    const found = (await ben.send('POST', search, { prompt: 'who must consent to a discount?' })).body;
    expect(found).toMatchObject({ chunks: [{ text: expect.stringContaining('discount') }] });
    expect((await dee.send('POST', search, { prompt: 'discount' })).status).toBe(404);
  });

  it('shows a new key once', async () => {
    const made = (await ben.send('POST', '/api/v1/api-keys', { description: 'laptop' })).body as {
      id: string;
      token: string;
    };
    expect((await restWith(mock, { authorization: `Bearer ${made.token}` }).get('/api/v1/users/me')).body.name).toBe(
      'Ben',
    );
    expect(JSON.stringify((await ben.get(`/api/v1/api-keys/${made.id}`)).body)).not.toContain(made.token);
    expect((await dee.get(`/api/v1/api-keys/${made.id}`)).status).toBe(404);
  });

  it('shows in its ledger where a path that climbs has led', async () => {
    await ada.send('DELETE', '/api/v1/spaces/../../v1/users/user-dee');
    expect(mock.count({ kind: 'rest', method: 'DELETE', path: '/api/v1/users/user-dee' })).toBe(1);
  });

  it('takes a path as it was sent: encoded it is one name, bare it leads nowhere', async () => {
    const authorization = `Bearer ${await mock.mint('user-ada')}`;
    const raw = (path: string) =>
      new Promise<number>((resolve, reject) => {
        const url = new URL(mock.origin);
        const request = httpGet(
          { host: url.hostname, port: url.port, path, headers: { authorization } },
          (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          },
        );
        request.on('error', reject);
      });
    expect(await raw('/api/v1/spaces/..%2F..%2Fv1%2Fusers%2Fme')).toBe(404);
    expect(await raw('/api/v1/spaces/../users/me')).toBe(404);
    expect(await raw('/api/v1/spaces/%zz')).toBe(400);
  });

  it('keeps in the ledger who asked for what', async () => {
    mock.forget();
    await ben.get('/api/v1/items?limit=1');
    expect(mock.ledger).toEqual([
      expect.objectContaining({
        kind: 'rest',
        who: 'auth0|ben',
        method: 'GET',
        path: '/api/v1/items',
        query: 'limit=1',
        status: 200,
      }),
    ]);
  });
});

interface Linked {
  readonly data: { readonly id: string }[];
  readonly links: { readonly next?: { readonly href: string }; readonly prev?: { readonly href: string } };
}
