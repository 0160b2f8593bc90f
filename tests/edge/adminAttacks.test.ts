import net from 'node:net';
import { ADMIN_ROUTES } from '../../src/edge/adminRoutes.js';
import { type AdminWorld, adminWorld, line } from './adminWorld.js';

const callers = {
  root: { may: ['admin/*'] },
  nobody: { may: [] },
  keeper: { may: ['admin/keys/*'], roles: ['analyst'], destinations: ['qlik*'] },
  red: { may: ['admin/*'], tenant: 'red' },
  redReader: { may: ['admin/*/read'], tenant: 'red' },
};

/** A request with its target as it stands, which `fetch` would tidy up. */
function raw(url: string, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(head));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}

const asked = (target: string, more = '') => `GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${more}\r\n`;
const AS_ROOT = 'authorization: Bearer root\r\n';

describe('attacks on the management API', () => {
  let world: AdminWorld;

  beforeEach(async () => {
    world = await adminWorld(callers);
  });

  afterEach(() => world.close());

  it.each(ADMIN_ROUTES.map(({ method, path }) => [method.toUpperCase(), path.replace(/\{\w+\}/, 'qlik')]))(
    'stops %s %s without a right, without and with a bad proof',
    async (method, path) => {
      const target = `/admin/v1${path}`;
      const unknown = await world.call(method, target);
      expect([unknown.status, unknown.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="test"']);
      expect((await world.call(method, target, 'forged')).status).toBe(401);
      expect((await world.call(method, target, '__proto__')).status).toBe(401);
      expect((await world.call(method, target, 'nobody')).status).toBe(403);
      expect([world.done, world.keys.list()]).toEqual([[], []]);
    },
  );

  it('stops everybody where callers cannot be known: nothing is there', async () => {
    const closed = await adminWorld(callers, { identify: undefined } as object);
    for (const path of ['/admin/v1/keys', '/admin/v1', '/openapi.json', '/docs']) {
      expect((await closed.call('GET', path, 'root')).status).toBe(404);
    }
    await closed.close();
  });

  it('stops a caller without proof from learning which paths there are', async () => {
    expect((await world.call('GET', '/admin/v1/nothing')).status).toBe(401);
    expect((await world.call('GET', '/admin/v1/nothing', 'root')).status).toBe(404);
  });

  it.each([
    '/admin/v1/../v1/keys',
    '/admin/v1/whoami/../keys',
    '/docs/../admin/v1/keys',
    '/admin/v1/%2e%2e/v1/keys',
    '/admin/v1/./keys',
    '//admin/v1/keys',
    '/admin//v1/keys',
    '/admin/v1//keys',
    '/admin/v1%2fkeys',
    '/admin%2Fv1/keys',
    '/admin/v1\\keys',
    '/admin/v1/%5ckeys',
    '/admin/v1/keys/',
    '/admin/v1/keys%00',
    '/ADMIN/v1/keys',
    '/admin/V1/keys',
    '/admin/v1/KEYS',
    '/Docs',
    'http://x/admin/v1/keys',
  ])('stops the path trick %s, for whoever has every right and for whoever has none', async (target) => {
    for (const proof of [AS_ROOT, '']) {
      const text = await raw(world.url, asked(target, proof));
      expect(text).toMatch(/^HTTP\/1\.1 (404|401|400) /);
      expect(text).not.toContain('"items"');
    }
  });

  it('answers the same request without the trick', async () => {
    expect(await raw(world.url, asked('/admin/v1/keys', AS_ROOT))).toContain('"items":[]');
  });

  it('stops a path whose encoding is broken without a stack trace', async () => {
    const text = await raw(
      world.url,
      `DELETE /admin/v1/keys/%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${AS_ROOT}\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 400 .*INVALID_REQUEST/s);
    expect(text).not.toMatch(/\bat .*node_modules|URIError/);
  });

  describe('privilege raised by a key', () => {
    it.each([
      ['more roles', { name: 'x', roles: ['analyst', 'operator'] }],
      ['a tenant that is not its own', { name: 'x', tenant: 'red' }],
      ['more destinations', { name: 'x', destinations: ['qlik*', 'files'] }],
      ['a wider glob', { name: 'x', destinations: ['*'] }],
      ['a glob with the star in front', { name: 'x', destinations: ['*qlik'] }],
    ])('is stopped: %s', async (_what, body) => {
      const { status, body: answer } = await world.call('POST', '/admin/v1/keys', 'keeper', body);
      expect([status, answer.error.code]).toEqual([403, 'NOT_PERMITTED']);
      expect(world.keys.list()).toEqual([]);
    });

    it('is stopped: a key that says nothing of destinations has those of its creator', async () => {
      await world.call('POST', '/admin/v1/keys', 'keeper', { name: 'x', roles: ['analyst'] });
      expect(world.keys.list()).toMatchObject([{ roles: ['analyst'], destinations: ['qlik*'] }]);
      expect(
        (await world.call('POST', '/admin/v1/keys', 'keeper', { name: 'y', destinations: ['qlik-*'] })).status,
      ).toBe(201);
    });

    it('is stopped: rotating a stronger key to get its text', async () => {
      const { record } = await world.keys.create({ name: 'boss', roles: ['operator'] });
      const { status, text } = await world.call('POST', `/admin/v1/keys/${record.id}/rotate`, 'keeper');
      expect(status).toBe(403);
      expect(text).not.toContain('secret-text');
      expect(world.keys.overlaps).toEqual([]);
    });

    it('is stopped: a tenant cannot leave itself, whatever it may', async () => {
      expect((await world.call('POST', '/admin/v1/keys', 'red', { name: 'x', tenant: 'blue' })).status).toBe(403);
      await world.call('POST', '/admin/v1/keys', 'red', { name: 'x', roles: ['operator'] });
      expect(world.keys.list()).toMatchObject([{ tenant: 'red', roles: ['operator'] }]);
    });
  });

  describe("another tenant's", () => {
    it('key is neither seen, revoked nor rotated, and looks like one that is not there', async () => {
      const { record } = await world.keys.create({ name: 'theirs', tenant: 'blue' });
      const shared = await world.keys.create({ name: 'everybody' });
      const nowhere = await world.call('DELETE', '/admin/v1/keys/nowhere', 'red');
      for (const { id } of [record, shared.record]) {
        const revoked = await world.call('DELETE', `/admin/v1/keys/${id}`, 'red');
        expect([revoked.status, revoked.body.error.message]).toEqual([404, nowhere.body.error.message]);
        expect((await world.call('POST', `/admin/v1/keys/${id}/rotate`, 'red')).status).toBe(404);
      }
      expect((await world.call('GET', '/admin/v1/keys', 'red')).body.items).toEqual([]);
      expect(world.keys.list().every(({ revokedAt }) => revokedAt === undefined)).toBe(true);
    });

    it('sessions, quotas, tokens and destinations are neither seen nor touched', async () => {
      const ids = async (path: string) =>
        (await world.call('GET', `/admin/v1${path}`, 'red')).body.items.map(
          (row: { id?: string; name?: string }) => row.id ?? row.name,
        );
      expect(await ids('/sessions')).toEqual(['s1']);
      expect(await ids('/quotas')).toEqual(['q1']);
      expect(await ids('/tokens')).toEqual(['jobs']);
      expect(await ids('/destinations')).toEqual(['red-files']);
      expect((await world.call('DELETE', '/admin/v1/sessions/s2', 'red')).status).toBe(404);
      expect((await world.call('POST', '/admin/v1/quotas/reset', 'red', { id: 'q2' })).status).toBe(404);
      expect((await world.call('POST', '/admin/v1/breakers/qlik/reset', 'red')).status).toBe(404);
      expect((await world.call('GET', '/admin/v1/destinations/qlik/tools', 'red')).status).toBe(404);
      const off = await world.call('POST', '/admin/v1/destinations/qlik/tools/disable', 'red', { tool: 'search' });
      expect(off.status).toBe(404);
      expect((await world.call('DELETE', '/admin/v1/tokens/fixed', 'red')).status).toBe(404);
      await world.call('DELETE', '/admin/v1/tokens/jobs', 'red');
      for (const method of ['GET', 'DELETE'])
        expect((await world.call(method, '/admin/v1/cache', 'red')).status).toBe(403);
      expect(world.done).toEqual(['token jobs red']);
    });

    it('audit lines are not seen, even where the log forgets the filter', async () => {
      world.audit.append(line({ tenant: 'blue' }));
      world.audit.append(line({ tenant: 'red' }));
      world.audit.append(line());
      for (const careless of [false, true]) {
        world.audit.careless = careless;
        const { body } = await world.call('GET', '/admin/v1/audit', 'redReader');
        expect(body.items.map(({ tenant }: { tenant: string }) => tenant)).toEqual(['red']);
        expect((await world.call('GET', '/admin/v1/audit/export', 'redReader')).text).not.toMatch(/blue|"sequence":3/);
      }
      expect((await world.call('GET', '/admin/v1/audit?tenant=blue', 'redReader')).status).toBe(403);
      expect((await world.call('GET', '/admin/v1/audit/verify', 'redReader')).status).toBe(403);
    });
  });

  it('destinations outside a proof are not seen', async () => {
    const other = await adminWorld({ files: { may: ['admin/*'], destinations: ['red-*'] } });
    const { body } = await other.call('GET', '/admin/v1/destinations', 'files');
    expect(body.items.map(({ name }: { name: string }) => name)).toEqual(['red-files']);
    expect((await other.call('GET', '/admin/v1/sessions', 'files')).body.items).toEqual([]);
    await other.close();
  });

  it('stops a form post from a browser: cookies are no proof, and a form is no JSON', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded', cookie: 'token=root; authorization=root' };
    expect((await world.call('POST', '/admin/v1/keys', undefined, 'name=x', form)).status).toBe(401);
    for (const type of [
      'application/x-www-form-urlencoded',
      'text/plain',
      'multipart/form-data; boundary=x',
      'application/jsonp',
      '',
    ]) {
      const answer = await world.call('POST', '/admin/v1/keys', 'root', '{"name":"x"}', { 'content-type': type });
      expect([type, answer.status]).toEqual([type, 415]);
    }
    const preflight = await world.call('OPTIONS', '/admin/v1/keys', undefined, undefined, {
      origin: 'https://evil.example',
      'access-control-request-method': 'POST',
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([401, null]);
    expect(world.keys.list()).toEqual([]);
  });

  it('stops an identity that a browser would bring by itself, such as a certificate', async () => {
    const ambient = await adminWorld(callers, {
      identify: () => ({ subject: 'mtls:x', roles: [], claims: { may: ['*'] } }),
    });
    expect((await ambient.call('GET', '/admin/v1/keys')).status).toBe(401);
    expect((await ambient.call('GET', '/admin/v1/keys', undefined, undefined, { 'x-api-key': 'k' })).status).toBe(200);
    await ambient.close();
  });

  it('stops a body that is too large, announced or not', async () => {
    const big = JSON.stringify({ name: 'x'.repeat(70_000) });
    const announced = await world.call('POST', '/admin/v1/keys', 'root', big);
    expect([announced.status, announced.body.error.code]).toEqual([413, 'BODY_TOO_LARGE']);
    const head = `POST /admin/v1/keys HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n${AS_ROOT}transfer-encoding: chunked\r\n\r\n`;
    const chunked = await raw(world.url, `${head}${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`);
    expect(chunked).toMatch(/^HTTP\/1\.1 413 .*BODY_TOO_LARGE/s);
  });

  it.each([
    ['__proto__', '{"name":"x","__proto__":{"roles":["operator"]}}'],
    ['an escaped __proto__', '{"name":"x","\\u005f_proto__":{"tenant":"red"}}'],
    ['a nested __proto__', '{"name":"x","roles":[{"__proto__":{"polluted":true}}]}'],
    ['constructor.prototype', '{"name":"x","constructor":{"prototype":{"polluted":true}}}'],
  ])('stops prototype pollution by JSON: %s', async (_what, text) => {
    expect((await world.call('POST', '/admin/v1/keys', 'root', text)).status).toBe(400);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(world.keys.list()).toEqual([]);
  });

  it.each(['[1]', '"x"', 'null', '{', '[[[['.repeat(15_000), '{"a":'.repeat(13_000)])(
    'stops a body that is no JSON object',
    async (text) => {
      expect((await world.call('POST', '/admin/v1/keys', 'root', text)).status).toBe(400);
    },
  );

  it('stops names of objects in the query, and a name said twice', async () => {
    for (const query of [
      '__proto__=1',
      'constructor=1',
      'limit=1&limit=2',
      'limit=0',
      'limit=501',
      'limit=x',
      'limit[]=1',
    ]) {
      expect([query, (await world.call('GET', `/admin/v1/keys?${query}`, 'root')).status]).toEqual([query, 400]);
    }
  });

  it('stops a body where none is taken', async () => {
    expect((await world.call('POST', '/admin/v1/breakers/qlik/reset', 'root', {})).status).toBe(400);
    expect(world.done).toEqual([]);
  });

  it('stops a failure inside from telling of the inside', async () => {
    world.keys.create = () => Promise.reject(new Error('EACCES /srv/keys.json'));
    const { status, text } = await world.call('POST', '/admin/v1/keys', 'root', { name: 'x' });
    expect([status, JSON.parse(text).error.code]).toEqual([500, 'INTERNAL']);
    expect(text).not.toMatch(/EACCES|srv|at /);
    expect(world.audit.lines).toMatchObject([{ outcome: 'failed', status: 500 }]);
  });

  it('lets nothing out that the schema of an answer does not name', async () => {
    const row = { id: 's', destination: 'd', subject: 's', since: 1, lastUsed: 1, secret: 'canary' };
    const leaky = await adminWorld(callers, { sessions: () => [row] });
    expect((await leaky.call('GET', '/admin/v1/sessions', 'root')).text).not.toContain('canary');
    await leaky.close();
  });

  it('keeps every answer out of caches, frames and guesses, errors too', async () => {
    for (const [path, token] of [
      ['/admin/v1/keys', 'root'],
      ['/admin/v1/keys', ''],
      ['/nothing', ''],
      ['/docs', ''],
      ['/openapi.json', ''],
    ]) {
      const { headers } = await world.call('GET', path as string, token as string);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
      expect(headers.get('x-powered-by')).toBeNull();
      expect(headers.get('etag')).toBeNull();
    }
  });
});
