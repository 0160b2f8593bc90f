import type { Principal } from '../../src/contracts.js';
import type { PermissionPolicy } from '../../src/policy/permissions.js';
import { createPermissions } from '../../src/policy/permissions.js';
import { permissionsSchema } from '../../src/policy/permissionsSchema.js';
import { PermissionsError } from '../../src/policy/roles.js';
import { fakeCall } from '../helpers/fakes.js';

function policy(section: unknown): Promise<PermissionPolicy> {
  return createPermissions(permissionsSchema.parse(section));
}

function someone(roles: readonly string[], more: Partial<Principal> = {}): Principal {
  return { subject: 'keys:ada', roles, claims: {}, ...more };
}

function may(permissions: PermissionPolicy, principal: Principal | undefined, method: string, name?: string): boolean {
  return permissions.decide(principal, 'qlik', fakeCall(method, name)).allowed;
}

function callWith(method: string, params: object) {
  const named = fakeCall(method, (params as { name?: string }).name);
  return { ...named, body: Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })) };
}

describe('rules', () => {
  const roles = {
    analyst: { allow: ['qlik/tools/call:qlik_get_*', '*/tools/list'], deny: ['*/tools/call:*_secret_*'] },
    reader: { allow: ['qlik/resources/read:file:///public/*'] },
    writer: { allow: ['qlik/tools/call'] },
    admin: { allow: ['*/*'] },
    guarded: { deny: ['*/tools/call:qlik_delete_*'] },
  };

  it.each([
    ['analyst', 'tools/call', 'qlik_get_app', true],
    ['analyst', 'tools/call', 'qlik_delete_app', false],
    ['analyst', 'tools/call', 'qlik_get_secret_x', false],
    ['analyst', 'tools/list', undefined, true],
    ['analyst', 'prompts/list', undefined, false],
    ['analyst', 'prompts/get', 'qlik_get_app', false],
    ['reader', 'resources/read', 'file:///public/a', true],
    ['reader', 'resources/read', 'file:///private/a', false],
    ['writer', 'tools/call', 'anything', true],
    ['admin', 'completion/complete', undefined, false],
    ['admin', 'x/y/z', undefined, true],
    ['nobody', 'tools/call', 'qlik_get_app', false],
    ['nobody', 'initialize', undefined, false],
  ])('%s, %s of %s: %s', async (role, method, name, allowed) => {
    expect(may(await policy({ roles }), someone([role]), method, name)).toBe(allowed);
  });

  it('deny beats what another role allows', async () => {
    const permissions = await policy({ roles });
    expect(may(permissions, someone(['writer']), 'tools/call', 'qlik_delete_app')).toBe(true);
    expect(may(permissions, someone(['writer', 'guarded']), 'tools/call', 'qlik_delete_app')).toBe(false);
    expect(may(permissions, someone(['guarded', 'admin']), 'tools/call', 'qlik_delete_app')).toBe(false);
  });

  it('of `default` are every known caller’s, and nobody else’s', async () => {
    const permissions = await policy({ roles, default: ['analyst'] });
    expect(may(permissions, someone([]), 'tools/call', 'qlik_get_app')).toBe(true);
    expect(may(permissions, undefined, 'tools/call', 'qlik_get_app')).toBe(false);
  });

  it.each(['initialize', 'ping', 'notifications/initialized', 'server/discover', 'logging/setLevel'])(
    'leave %s to whoever may do anything there',
    async (method) => {
      const permissions = await policy({ roles });
      expect(may(permissions, someone(['reader']), method)).toBe(true);
      expect(permissions.decide(someone(['reader']), 'files', fakeCall(method)).allowed).toBe(false);
    },
  );

  it('leave streams, their end and answers to whoever may do anything there', async () => {
    const permissions = await policy({ roles });
    for (const kind of ['stream', 'end', 'response'] as const) {
      const call = { kind, era: 'legacy', body: null } as const;
      expect(permissions.decide(someone(['reader']), 'qlik', call).allowed).toBe(true);
      expect(permissions.decide(someone(['nobody']), 'qlik', call).allowed).toBe(false);
    }
  });

  it('are checked when they are written', () => {
    const wrong = ['qlik', 'qlik/', 'qlik/tools/call:', 'a b/tools/call', '/tools/call', 'qlik/tools call'];
    for (const rule of wrong)
      expect(permissionsSchema.safeParse({ roles: { a: { allow: [rule] } } }).success).toBe(false);
    expect(permissionsSchema.safeParse({}).success).toBe(false);
    expect(permissionsSchema.safeParse({ roles: {}, default: ['none'] }).error?.issues[0]?.path).toEqual([
      'default',
      0,
    ]);
    expect(permissionsSchema.safeParse({ roles: { a: { alow: [] } } }).success).toBe(false);
  });
});

describe('without the section', () => {
  it('every caller may do everything that its proof is not confined from', async () => {
    const permissions = await createPermissions();
    expect(permissions.open).toBe(true);
    expect(may(permissions, undefined, 'tools/call', 'x')).toBe(true);
    expect(may(permissions, someone([]), 'tools/call', 'x')).toBe(true);
    expect(may(permissions, someone([], { destinations: ['ql*'] }), 'tools/call', 'x')).toBe(true);
    expect(may(permissions, someone([], { destinations: ['files'] }), 'tools/call', 'x')).toBe(false);
    expect(permissions.sees(someone([], { destinations: [] }), 'qlik')).toBe(false);
  });
});

describe('what a caller sees', () => {
  const section = {
    roles: {
      all: { allow: ['*/*'] },
      dead: { allow: ['qlik/tools/call:a_*'], deny: ['qlik/tools/*'] },
      german: { allow: ['qlik/*'], when: "principal.claims.country == 'DE'" },
      later: { allow: [{ rule: 'qlik/tools/call', when: "arguments.a == 'b'" }] },
      exiled: { deny: [{ rule: '*/*', when: 'principal.claims.exiled' }] },
    },
    tenants: { acme: { destinations: ['acme-*', 'shared'] }, globex: { destinations: ['shared'] } },
  };

  it.each([
    ['all', undefined, 'qlik', true],
    ['all', undefined, 'acme-1', false],
    ['all', 'acme', 'acme-1', true],
    ['all', 'globex', 'acme-1', false],
    ['all', 'globex', 'shared', true],
    ['all', 'Acme', 'acme-1', false],
    ['none', undefined, 'qlik', false],
    ['dead', undefined, 'qlik', false],
    ['german', undefined, 'qlik', false],
    ['later', undefined, 'qlik', true],
  ])('role %s, tenant %s, destination %s: %s', async (role, tenant, destination, visible) => {
    const permissions = await policy(section);
    expect(permissions.sees(someone([role], tenant === undefined ? {} : { tenant }), destination)).toBe(visible);
  });

  it('hangs on conditions about the caller, of which two never share an answer', async () => {
    const permissions = await policy(section);
    expect(permissions.sees(someone(['german'], { claims: { country: 'DE' } }), 'qlik')).toBe(true);
    expect(permissions.sees(someone(['german'], { claims: { country: 'FR' } }), 'qlik')).toBe(false);
    const exiled = { claims: { exiled: true } };
    expect(permissions.sees(someone(['all', 'exiled'], exiled), 'qlik')).toBe(false);
    expect(permissions.sees(someone(['all', 'exiled'], { claims: { exiled: false } }), 'qlik')).toBe(true);
  });

  it('is confined by its proof, whatever its roles say', async () => {
    const permissions = await policy(section);
    expect(permissions.sees(someone(['all'], { destinations: ['files'] }), 'qlik')).toBe(false);
    expect(may(permissions, someone(['all'], { destinations: ['files'] }), 'ping')).toBe(false);
  });
});

describe('conditions', () => {
  const section = {
    roles: {
      writer: {
        allow: [{ rule: 'qlik/tools/call:write', when: "arguments.path.startsWith('/tmp/')" }, 'qlik/tools/call:read'],
        deny: [{ rule: 'qlik/tools/call:read', when: "arguments.path.contains('..')" }],
      },
    },
  };

  it.each([
    ['write', { path: '/tmp/a' }, true],
    ['write', { path: '/etc/a' }, false],
    ['write', {}, false],
    ['write', { path: 1 }, false],
    ['read', { path: 'a' }, true],
    ['read', { path: '../a' }, false],
    ['read', {}, false],
    ['read', { path: ['..'] }, false],
    ['read', { path: `..${'x'.repeat(20_000)}` }, false],
  ])('%s with %j: %s; one without an answer counts against the caller', async (name, given, allowed) => {
    const permissions = await policy(section);
    const call = callWith('tools/call', { name, arguments: given });
    expect(permissions.decide(someone(['writer']), 'qlik', call).allowed).toBe(allowed);
  });

  it('about arguments hide nothing from a list: with the right ones it may be called', async () => {
    const permissions = await policy(section);
    expect(permissions.mayUse(someone(['writer']), 'qlik', 'tools/call', 'write')).toBe(true);
    expect(permissions.mayUse(someone(['writer']), 'qlik', 'tools/call', 'read')).toBe(true);
  });

  it('are all told when they can’t be used, with where they stand', async () => {
    const roles = {
      a: { when: 'true &&', allow: ['x/y', { rule: 'x/y', when: "name.matches('x')" }] },
      b: { deny: [{ rule: 'x/y', when: 'nothing' }] },
    };
    const failure = await policy({ roles }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PermissionsError);
    expect((failure as PermissionsError).faults.map(({ path }) => path.join('.'))).toEqual([
      'roles.a.when',
      'roles.a.allow.1.when',
      'roles.b.deny.0.when',
    ]);
  });
});

describe('scopes', () => {
  const section = {
    roles: { all: { allow: ['*/*'] }, some: { allow: ['qlik/tools/call:qlik_get_*'] } },
    scopes: { 'qlik/tools/call:qlik_start_*': ['mcp:execute', 'jobs'], 'qlik/tools/call': 'mcp' },
  };

  it('that a call needs are named all at once', async () => {
    const permissions = await policy(section);
    const verdict = permissions.decide(
      someone(['all'], { scopes: ['mcp'] }),
      'qlik',
      fakeCall('tools/call', 'qlik_start_x'),
    );
    expect(verdict).toEqual({ allowed: false, scopes: ['mcp:execute', 'jobs', 'mcp'] });
    const full = someone(['all'], { scopes: ['jobs', 'mcp', 'mcp:execute'] });
    expect(may(permissions, full, 'tools/call', 'qlik_start_x')).toBe(true);
  });

  it('give nobody what no role allows', async () => {
    const permissions = await policy(section);
    const caller = someone(['some'], { scopes: ['jobs', 'mcp', 'mcp:execute'] });
    expect(permissions.decide(caller, 'qlik', fakeCall('tools/call', 'qlik_start_x'))).toEqual({ allowed: false });
  });

  it('that are missing hide nothing from a list: the call says which', async () => {
    const permissions = await policy(section);
    expect(permissions.mayUse(someone(['all']), 'qlik', 'tools/call', 'qlik_start_x')).toBe(true);
  });
});

describe('attacks', () => {
  const roles = { analyst: { allow: ['qlik/tools/call:qlik_get_*', 'qlik/resources/*:file:///public/*'] } };

  it.each(['Qlik_get_app', 'qlik_GET_app', 'QLIK_GET_APP'])('a tool smuggled by case: %s', async (name) => {
    expect(may(await policy({ roles }), someone(['analyst']), 'tools/call', name)).toBe(false);
  });

  it.each([
    'qlik_gеt_app',
    'qlik_get\u200b_app',
    'ｑlik_get_app',
    'qlik_ge\u0301t_app',
    'qlik\u0000_get_app',
    ' qlik_get_app',
  ])('a tool smuggled by a Unicode look-alike: %j', async (name) => {
    expect(may(await policy({ roles }), someone(['analyst']), 'tools/call', name)).toBe(false);
  });

  it('a denied tool stays denied under its own name only: composed and decomposed are two names', async () => {
    const permissions = await policy({ roles: { a: { allow: ['qlik/tools/call:caf\u00e9'] } } });
    expect(may(permissions, someone(['a']), 'tools/call', 'caf\u00e9')).toBe(true);
    expect(may(permissions, someone(['a']), 'tools/call', 'cafe\u0301')).toBe(false);
  });

  it('a method smuggled by case or a slash more', async () => {
    const permissions = await policy({ roles: { a: { allow: ['qlik/*'], deny: ['qlik/tools/call'] } } });
    expect(may(permissions, someone(['a']), 'tools/call', 'x')).toBe(false);
    const strict = await policy({ roles });
    for (const method of ['Tools/call', 'tools/call/', 'tools//call', 'tools/call:qlik_get_x'])
      expect(may(strict, someone(['analyst']), method, 'qlik_get_app')).toBe(false);
  });

  it('a name that is no text, which would pass every deny', async () => {
    const permissions = await policy({ roles: { a: { allow: ['qlik/*'], deny: ['qlik/tools/call:evil'] } } });
    expect(may(permissions, someone(['a']), 'tools/call', undefined)).toBe(false);
    expect(permissions.decide(someone(['a']), 'qlik', callWith('tools/call', { arguments: {} })).allowed).toBe(false);
  });

  it('a subscription under a name that nobody reads', async () => {
    const permissions = await policy({ roles });
    const smuggled = callWith('resources/subscribe', { uri: 'file:///secret', name: 'file:///public/x' });
    expect(permissions.decide(someone(['analyst']), 'qlik', smuggled).allowed).toBe(false);
    const honest = callWith('resources/subscribe', { uri: 'file:///public/x' });
    expect(permissions.decide(someone(['analyst']), 'qlik', honest).allowed).toBe(true);
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('a role named %s', async (role) => {
    const permissions = await policy({ roles });
    expect(may(permissions, someone([role]), 'tools/call', 'qlik_get_app')).toBe(false);
    expect(permissions.sees(someone([role], { tenant: role }), 'qlik')).toBe(false);
  });

  it('roles that run together in a key', async () => {
    const permissions = await policy({ roles: { 'a","b': {}, b: { allow: ['*/*'] } } });
    expect(may(permissions, someone(['b']), 'ping')).toBe(true);
    expect(may(permissions, someone(['a","b']), 'ping')).toBe(false);
    expect(may(permissions, someone([], { tenant: 'b' }), 'ping')).toBe(false);
  });

  it('globs that explode', async () => {
    const rule = `qlik/tools/call:${'*a'.repeat(400)}*b`;
    const permissions = await policy({ roles: { a: { allow: [rule] } } });
    const started = process.cpuUsage();
    expect(may(permissions, someone(['a']), 'tools/call', 'a'.repeat(1_000_000))).toBe(false);
    expect(process.cpuUsage(started).user / 1_000).toBeLessThan(3_000);
  });

  it('a flood of names fills no cache, and changes no answer', async () => {
    const permissions = await policy({ roles });
    const caller = someone(['analyst']);
    for (let index = 0; index < 30_000; index++) may(permissions, caller, 'tools/call', `x${index}`);
    expect(may(permissions, caller, 'tools/call', 'qlik_get_app')).toBe(true);
    expect(may(permissions, caller, 'tools/call', 'x1')).toBe(false);
    expect(may(permissions, someone(['other']), 'tools/call', 'qlik_get_app')).toBe(false);
  });
});
