import { GatewayError } from '../../src/core/errors.js';
import { isAdminPath } from '../../src/edge/admin.js';
import { ADMIN_ROUTES } from '../../src/edge/adminRoutes.js';
import { type AdminWorld, adminWorld, line } from './adminWorld.js';

const callers = {
  root: { may: ['admin/*'] },
  reader: { may: ['admin/*/read'] },
  red: { may: ['admin/*'], tenant: 'red' },
};

describe('the management API', () => {
  let world: AdminWorld;

  beforeEach(async () => {
    world = await adminWorld(callers);
  });

  afterEach(() => world.close());

  it('creates a key, shows its text once, and lists it without text and hash', async () => {
    const made = await world.call('POST', '/admin/v1/keys', 'root', {
      name: 'ci',
      roles: ['analyst'],
      destinations: ['qlik*'],
      expires: '90d',
    });
    expect(made.status).toBe(201);
    expect(made.body.key).toBe('secret-text-1');
    expect(made.body.record).toMatchObject({ id: 'k1', name: 'ci', roles: ['analyst'], state: 'active' });
    expect(made.body.record.expiresAt - made.body.record.createdAt).toBe(90 * 86_400_000);
    const listed = await world.call('GET', '/admin/v1/keys', 'root');
    expect(listed.body.items).toEqual([made.body.record]);
    expect(listed.text).not.toMatch(/secret-text|hash/);
  });

  it('rotates with an overlap of a day unless told otherwise', async () => {
    const { record } = await world.keys.create({ name: 'ci', roles: ['analyst'] });
    expect((await world.call('POST', `/admin/v1/keys/${record.id}/rotate`, 'root')).body.key).toBe('secret-text-2');
    await world.call('POST', `/admin/v1/keys/${record.id}/rotate`, 'root', { overlap: '0s' });
    expect(world.keys.overlaps).toEqual([86_400_000, 0]);
    const long = await world.call('POST', `/admin/v1/keys/${record.id}/rotate`, 'root', { overlap: '31d' });
    expect([long.status, long.body.error.message]).toEqual([400, 'body.overlap: must be at most 30d']);
  });

  it('revokes once, and does not bring a revoked key back to life', async () => {
    const { record } = await world.keys.create({ name: 'ci' });
    expect((await world.call('DELETE', `/admin/v1/keys/${record.id}`, 'root')).body).toEqual({ revoked: true });
    expect((await world.call('DELETE', `/admin/v1/keys/${record.id}`, 'root')).status).toBe(404);
    expect((await world.call('POST', `/admin/v1/keys/${record.id}/rotate`, 'root')).status).toBe(400);
    expect((await world.call('GET', '/admin/v1/keys', 'root')).body.items[0].state).toBe('revoked');
  });

  it('pages through a list without losing or repeating a row', async () => {
    for (let i = 0; i < 7; i++) await world.keys.create({ name: `n${i}` });
    const seen: string[] = [];
    let cursor = '';
    for (let pages = 0; pages < 4; pages++) {
      const { body } = await world.call('GET', `/admin/v1/keys?limit=3${cursor}`, 'root');
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      if (body.next === undefined) break;
      cursor = `&cursor=${body.next}`;
    }
    expect(seen).toEqual(['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7']);
  });

  it('lists and resets what runs', async () => {
    const get = async (path: string) => (await world.call('GET', `/admin/v1${path}`, 'root')).body;
    expect((await get('/destinations')).items.map(({ name }: { name: string }) => name)).toEqual(['qlik', 'red-files']);
    expect((await get('/breakers')).items[0]).toEqual({ destination: 'qlik', state: 'open' });
    expect((await get('/tokens')).items).toContainEqual({ name: 'fixed', obtainedAt: 1 });
    expect((await get('/quotas')).items[0]).toMatchObject({ id: 'q1', drawn: 3 });
    expect(await get('/cache')).toEqual({ entries: 1, bytes: 2, hits: 3, misses: 4 });
    await world.call('POST', '/admin/v1/breakers/qlik/reset', 'root');
    await world.call('DELETE', '/admin/v1/tokens/jobs', 'root');
    await world.call('POST', '/admin/v1/quotas/reset', 'root', { id: 'q2' });
    await world.call('DELETE', '/admin/v1/sessions/s2', 'root');
    await world.call('DELETE', '/admin/v1/cache', 'root');
    expect(world.done).toEqual(['breaker qlik', 'token jobs undefined', 'quota q2', 'session s2', 'cache']);
  });

  it('lists and switches the tools of a toolset, and traces which', async () => {
    const tools = '/admin/v1/destinations/qlik/tools';
    const row = { name: 'search', version: '1.0.0', category: 'catalog', effect: 'read', enabled: true };
    expect((await world.call('GET', tools, 'root')).body).toEqual({ items: [row] });
    const off = await world.call('POST', `${tools}/disable`, 'root', { tool: 'search' });
    expect([off.status, off.body]).toEqual([200, { items: [{ ...row, enabled: false }] }]);
    await world.call('POST', `${tools}/enable`, 'root', { tool: 'search' });
    expect(world.done).toEqual(['turn qlik search false', 'turn qlik search true']);
    expect(world.signals.named('admin.changed').map(({ operation, target }) => [operation, target])).toEqual([
      ['tools.disable', 'qlik/search'],
      ['tools.enable', 'qlik/search'],
    ]);
  });

  it.each([
    ['a tool that is not there', 'qlik', { tool: 'nothing' }, 404],
    ['a category that is not there', 'qlik', { category: 'nothing' }, 404],
    ['a destination that is not there', 'nothing', { tool: 'search' }, 404],
    ['a destination whose tools live elsewhere', 'red-files', { tool: 'search' }, 404],
    ['neither tool nor category', 'qlik', {}, 400],
    ['both', 'qlik', { tool: 'search', category: 'catalog' }, 400],
  ])('switches nothing for %s', async (_what, destination, body, status) => {
    const path = `/admin/v1/destinations/${destination}/tools/disable`;
    expect((await world.call('POST', path, 'root', body)).status).toBe(status);
    expect(world.done).toEqual([]);
  });

  it('says who calls and what they may do', async () => {
    const { body } = await world.call('GET', '/admin/v1/whoami', 'reader');
    expect(body.subject).toBe('test:reader');
    expect(body.permissions).toContain('admin/keys/read');
    expect(body.permissions).not.toContain('admin/keys/write');
  });

  it('queries and verifies the audit log', async () => {
    for (let i = 0; i < 3; i++) world.audit.append(line());
    const first = (await world.call('GET', '/admin/v1/audit?limit=2', 'root')).body;
    expect(first.items.map(({ sequence }: { sequence: number }) => sequence)).toEqual([1, 2]);
    const rest = (await world.call('GET', `/admin/v1/audit?limit=2&cursor=${first.next}`, 'root')).body;
    expect(rest.items.map(({ sequence }: { sequence: number }) => sequence)).toEqual([3]);
    expect(rest.next).toBeUndefined();
    expect((await world.call('GET', '/admin/v1/audit/verify', 'root')).body).toEqual({ whole: true, lines: 3 });
  });

  it('exports more lines than one page of the log, and formulas as text', async () => {
    for (let i = 0; i < 1100; i++) world.audit.append(line({ name: '=HYPERLINK("http://evil")' }));
    const jsonl = await world.call('GET', '/admin/v1/audit/export', 'root');
    expect(jsonl.headers.get('content-type')).toBe('application/jsonl');
    expect(
      jsonl.text
        .trimEnd()
        .split('\n')
        .map((one) => JSON.parse(one).sequence),
    ).toHaveLength(1100);
    const csv = await world.call('GET', '/admin/v1/audit/export?format=csv', 'root');
    const rows = csv.text.trimEnd().split('\r\n');
    expect([rows.length, rows[0]?.startsWith('"sequence","hash","at"')]).toEqual([1101, true]);
    expect(rows[1]).toContain(`"'=HYPERLINK(""http://evil"")"`);
  });

  it('answers a log that cannot be read with an error, not with half an export', async () => {
    world.audit.query = () => Promise.reject(new Error('disk on fire at /var/secret'));
    for (const format of ['csv', 'jsonl']) {
      const { status, text } = await world.call('GET', `/admin/v1/audit/export?format=${format}`, 'root');
      expect([status, JSON.parse(text).error.code]).toEqual([500, 'INTERNAL']);
      expect(text).not.toContain('disk');
    }
    expect(world.signals.named('exchange.failed')).toHaveLength(2);
  });

  it('tells every change as a signal and an audit line, and a refused one as a line', async () => {
    await world.call('POST', '/admin/v1/keys', 'red', { name: 'ci' });
    await world.call('POST', '/admin/v1/keys', 'reader', { name: 'ci' });
    await world.call('GET', '/admin/v1/keys', 'root');
    expect(world.signals.named('admin.changed')).toEqual([
      { requestId: expect.any(String), operation: 'keys.create', subject: 'test:red', tenant: 'red', target: 'k1' },
    ]);
    expect(world.audit.lines).toMatchObject([
      { action: 'admin.keys.create', subject: 'test:red', tenant: 'red', outcome: 'allowed', argumentNames: ['name'] },
      { action: 'admin.keys.create', subject: 'test:reader', outcome: 'refused', status: 403, code: 'NOT_PERMITTED' },
    ]);
    expect(JSON.stringify(world.audit.lines) + JSON.stringify(world.signals.emitted)).not.toContain('secret-text');
  });

  it('names the field that is wrong, and no value', async () => {
    const { status, body } = await world.call('POST', '/admin/v1/keys', 'root', { name: 5, expires: 'hunter2', x: 1 });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'INVALID_REQUEST', details: { requestId: expect.any(String) } });
    expect(body.error.message).toMatch(/body\.name: .*body\.expires: must be a whole number with a unit.*"x"/);
    expect(body.error.message).not.toContain('hunter2');
  });

  it('says which methods a path takes', async () => {
    const { status, headers } = await world.call('PUT', '/admin/v1/keys', 'root');
    expect([status, headers.get('allow')]).toEqual([405, 'GET, POST']);
    expect((await world.call('OPTIONS', '/admin/v1/keys', 'root')).status).toBe(405);
  });

  it('passes the stages of its door, and gives them the answer', async () => {
    const passed: string[] = [];
    const other = await adminWorld(callers, {
      through: (terminal) => async (exchange) => {
        if (exchange.request.header('x-bad')) throw new GatewayError('HOST_NOT_ALLOWED', 'no');
        const reply = await terminal(exchange);
        passed.push(`${exchange.door} ${reply.status}`);
        return reply;
      },
    });
    await other.call('GET', '/admin/v1/whoami', 'root');
    expect((await other.call('GET', '/admin/v1/whoami', 'root', undefined, { 'x-bad': '1' })).status).toBe(403);
    expect(passed).toEqual(['admin 200']);
    await other.close();
  });

  it('says what is not configured', async () => {
    const bare = await adminWorld(callers, { audit: undefined, cache: undefined, quotas: undefined } as object);
    expect((await bare.call('GET', '/admin/v1/audit', 'root')).body.error.message).toBe('no audit log is kept');
    for (const path of ['cache', 'quotas', 'audit/verify', 'audit/export']) {
      expect((await bare.call('GET', `/admin/v1/${path}`, 'root')).status).toBe(404);
    }
    await bare.close();
  });

  it('knows its paths', () => {
    const paths = [
      '/admin/v1',
      '/admin/v1/keys',
      '/docs',
      '/openapi.json',
      '/admin/v10',
      '/Admin/v1',
      '/docs/',
      '/mcp',
    ];
    expect(paths.map(isAdminPath)).toEqual([true, true, true, true, false, false, false, false]);
  });

  it('has a permission of its own for reading and for changing, on every row of the table', () => {
    for (const { method, permission, operation } of ADMIN_ROUTES) {
      const expected =
        operation === 'whoami' ? 'any' : `admin/${operation.split('.')[0]}/${method === 'get' ? 'read' : 'write'}`;
      expect(permission).toBe(expected);
    }
  });
});
