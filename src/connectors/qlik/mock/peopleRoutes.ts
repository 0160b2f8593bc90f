import { randomBytes, randomUUID } from 'node:crypto';
import * as z from 'zod';
import { type Answer, jsonOf, type RoutedAsk } from './ask.js';
import { page } from './pages.js';
import { forbidden, notFound } from './refusal.js';
import { type Resource, resource } from './resource.js';
import type { Route } from './router.js';
import { scimFilter } from './scimFilter.js';
import type { Row, Tenant } from './tenant.js';

const ADMIN = ['TenantAdmin'];
const isAdmin = (ask: RoutedAsk) => ask.caller.roles.includes('TenantAdmin');
const GROUP_FILTER = ['id', 'name', 'status', 'providerType'];

const GROUPS: Resource = {
  path: '/api/v1/groups',
  idName: 'groupId',
  scope: 'groups',
  filter: GROUP_FILTER,
  query: ['systemGroups'],
  sort: ['name'],
  sees: () => true,
};

const ROLES: Resource = {
  path: '/api/v1/roles',
  idName: 'id',
  scope: 'roles',
  filter: ['id', 'name', 'type', 'level', 'description'],
  query: ['totalResults'],
  sort: ['name', 'type', 'level'],
  sees: () => true,
};

/** Keys are shown to whoever they belong to, and to administrators; the key itself but once. */
const KEYS: Resource = {
  path: '/api/v1/api-keys',
  idName: 'id',
  scope: 'api-keys',
  equals: ['sub', 'status', 'createdByUser'],
  sort: ['sub', 'status', 'description', 'created'],
  sees: (ask, row) => isAdmin(ask) || row.sub === ask.caller.userId,
  edits: () => true,
  patch: ['description'],
  removed: true,
  show: ({ secret: _, ...row }) => row,
};

const NewKey = z.strictObject({
  description: z.string().min(1),
  expiry: z.string().regex(/^P/).optional(),
  sub: z.string().optional(),
  subType: z.enum(['user', 'externalClient', 'scimClient']).optional(),
});

/** The answer alone shows the key. */
function newKey(ask: RoutedAsk, tenant: Tenant): Answer {
  const body = jsonOf(ask, NewKey);
  if (body.sub !== undefined && body.sub !== ask.caller.userId && !isAdmin(ask)) throw forbidden();
  const secret = `mock-${randomBytes(24).toString('base64url')}`;
  const times = {
    created: tenant.now,
    lastUpdated: tenant.now,
    expiry: new Date(tenant.clock.now() + 86_400_000).toISOString(),
  };
  const owner = { sub: ask.caller.userId, subType: 'user', createdByUser: ask.caller.userId, tenantId: tenant.id };
  const row: Row = { id: randomUUID(), status: 'active', ...owner, ...times, ...body, secret };
  tenant.rows('api-keys').set(row.id, row);
  const { secret: _, ...shown } = row;
  return { status: 201, json: { ...shown, token: secret } };
}

function groupsFiltered(ask: RoutedAsk, tenant: Tenant): Answer {
  const { filter } = jsonOf(ask, z.strictObject({ filter: z.string() }));
  const fitting = scimFilter(filter, GROUP_FILTER);
  return page(tenant, ask, [...tenant.rows('groups').values()].filter(fitting), { sort: ['name'] });
}

function tenantRow({ id, options, origin }: Tenant): object {
  return {
    id,
    name: options.name ?? 'Mock',
    hostnames: [new URL(origin).host],
    region: 'mock',
    datacenter: 'mock',
    status: 'active',
    created: '2026-01-05T08:00:00.000Z',
    links: { self: { href: `${origin}/api/v1/tenants/${id}` } },
  };
}

function licences(tenant: Tenant): Route[] {
  const base = { scope: 'licenses', method: 'GET', roles: ADMIN } as const;
  const valid = '2026-01-01/2027-12-31';
  const allotments = [
    { name: 'professional', units: 10, unitsUsed: tenant.rows('users').size, overage: 0, usageClass: 'user' },
    { name: 'analyzer', units: 20, unitsUsed: 0, overage: 0, usageClass: 'user' },
  ];
  const overview = {
    ...{ licenseKey: 'mock', licenseNumber: '0000', origin: 'Internal', product: 'Qlik Sense', trial: false, valid },
    ...{ secondaryNumber: '', updated: '2026-01-05T08:00:00.000Z', version: '1.0', parameters: [], allotments },
  };
  const status = { type: 'Signed', trial: false, valid, origin: 'Internal', product: 'Qlik Sense', deactivated: false };
  const assignments = (ask: RoutedAsk) => {
    const rows = [...tenant.rows('users').values()].map(({ id, subject, createdAt }) => {
      return { id, subject, type: 'professional', excess: false, created: createdAt };
    });
    return page(tenant, ask, rows, { sort: ['created', 'type', 'subject'] });
  };
  const query = ['limit', 'page', 'next', 'prev', 'sort', 'filter'];
  return [
    { ...base, path: '/api/v1/licenses/overview', run: () => ({ status: 200, json: overview }) },
    {
      ...base,
      path: '/api/v1/licenses/status',
      run: () => ({ status: 200, json: { ...status, extensionStatus: 'Unavailable' } }),
    },
    { ...base, path: '/api/v1/licenses/assignments', query, run: assignments },
    { ...base, path: '/api/v1/licenses/consumption', query, run: (ask) => page(tenant, ask, []) },
    {
      ...base,
      path: '/api/v1/licenses/settings',
      run: () => ({ status: 200, json: { autoAssignAnalyzer: true, autoAssignProfessional: true } }),
    },
  ];
}

/** Groups, roles, keys, the tenant and its licence. */
export function peopleRoutes(tenant: Tenant): readonly Route[] {
  const tenants = { scope: 'tenants', method: 'GET' } as const;
  return [
    ...resource(GROUPS),
    {
      scope: 'groups',
      method: 'POST',
      path: '/api/v1/groups/actions/filter',
      reads: true,
      query: ['limit', 'next', 'prev', 'sort'],
      run: groupsFiltered,
    },
    ...resource(ROLES),
    ...resource(KEYS),
    { scope: 'api-keys', method: 'POST', path: '/api/v1/api-keys', tier: 'special', run: newKey },
    { ...tenants, path: '/api/v1/tenants/me', run: () => ({ status: 200, json: tenantRow(tenant) }) },
    {
      ...tenants,
      path: '/api/v1/tenants/{tenantId}',
      run: (ask) => {
        if (ask.params.tenantId !== tenant.id) throw notFound();
        return { status: 200, json: tenantRow(tenant) };
      },
    },
    ...licences(tenant),
  ];
}
