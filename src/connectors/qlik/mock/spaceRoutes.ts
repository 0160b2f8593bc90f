import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { jsonOf, type RoutedAsk } from './ask.js';
import { page } from './pages.js';
import { forbidden, notFound } from './refusal.js';
import { type Resource, resource, rowOf } from './resource.js';
import type { Route } from './router.js';
import type { Row, Tenant } from './tenant.js';

const ROLES = [
  ...['consumer', 'contributor', 'dataconsumer', 'datapreview', 'facilitator', 'operator', 'producer', 'publisher'],
  ...['basicconsumer', 'codeveloper'],
] as const;

const SPACES: Resource = {
  path: '/api/v1/spaces',
  idName: 'spaceId',
  scope: 'spaces.shared',
  equals: ['type', 'ownerId'],
  query: ['name', 'action', 'environmentId', 'environment.name', 'roles'],
  sort: ['name', 'type', 'createdAt', 'updatedAt'],
  sees: sees,
  edits: (ask, row, tenant) => rules(ask, row, tenant),
  create: z.strictObject({
    name: z.string().min(1),
    type: z.enum(['shared', 'managed', 'data']),
    description: z.string().optional(),
  }),
  replace: z.strictObject({
    name: z.string().optional(),
    description: z.string().optional(),
    ownerId: z.string().optional(),
  }),
  patch: ['name', 'ownerId', 'description'],
  removed: true,
  born: (ask) => ({ createdBy: ask.caller.userId }),
  list: (rows, ask) => rows.filter((row) => contains(row.name, ask.query.get('name'))),
  show: (row, ask, tenant) => ({
    ...row,
    meta: { actions: rules(ask, row, tenant) ? ['read', 'update', 'delete'] : ['read'], roles: mine(ask, row, tenant) },
    links: {
      self: { href: `${ask.origin}/api/v1/spaces/${row.id}` },
      assignments: { href: `${ask.origin}/api/v1/spaces/${row.id}/assignments` },
    },
  }),
};

const Assignment = z.strictObject({
  assigneeId: z.string(),
  type: z.enum(['user', 'group', 'bot']),
  roles: z.array(z.enum(ROLES)).min(1),
});

function contains(name: unknown, words: string | null): boolean {
  return words === null || String(name).toLowerCase().includes(words.toLowerCase());
}

function mine(ask: RoutedAsk, row: Row, tenant: Tenant): string[] {
  return tenant.spaceRoles(ask.caller.userId, row.id);
}

function sees(ask: RoutedAsk, row: Row, tenant: Tenant): boolean {
  return ask.caller.roles.includes('TenantAdmin') || mine(ask, row, tenant).length > 0;
}

function rules(ask: RoutedAsk, row: Row, tenant: Tenant): boolean {
  if (ask.caller.roles.includes('TenantAdmin')) return true;
  return mine(ask, row, tenant).some((role) => role === 'owner' || role === 'facilitator');
}

function assignments(ask: RoutedAsk, tenant: Tenant): Row[] {
  const space = rowOf(SPACES, ask, tenant);
  return [...tenant.rows('assignments').values()].filter((row) => row.spaceId === space.id);
}

function assignment(ask: RoutedAsk, tenant: Tenant): Row {
  const found = assignments(ask, tenant).find((row) => row.id === ask.params.assignmentId);
  if (!found) throw notFound();
  return found;
}

function ruled(ask: RoutedAsk, tenant: Tenant): Row {
  const space = rowOf(SPACES, ask, tenant);
  if (!rules(ask, space, tenant)) throw forbidden();
  return space;
}

const base = { scope: 'spaces.shared' } as const;
const list = '/api/v1/spaces/{spaceId}/assignments';
const one = `${list}/{assignmentId}`;

export const spaceRoutes: readonly Route[] = [
  ...resource(SPACES),
  {
    ...base,
    method: 'GET',
    path: '/api/v1/spaces/types',
    run: () => ({ status: 200, json: { data: ['shared', 'managed', 'data'] } }),
  },
  {
    ...base,
    method: 'GET',
    path: list,
    query: ['limit', 'next', 'prev', 'assigneeId', 'type'],
    run: (ask, tenant) => page(tenant, ask, assignments(ask, tenant)),
  },
  {
    ...base,
    method: 'POST',
    path: list,
    run: (ask, tenant) => {
      const space = ruled(ask, tenant);
      const stamps = { tenantId: tenant.id, createdAt: tenant.now, createdBy: ask.caller.userId };
      const row: Row = { id: randomUUID(), spaceId: space.id, ...jsonOf(ask, Assignment), ...stamps };
      tenant.rows('assignments').set(row.id, row);
      return { status: 201, json: row };
    },
  },
  { ...base, method: 'GET', path: one, run: (ask, tenant) => ({ status: 200, json: assignment(ask, tenant) }) },
  {
    ...base,
    method: 'PUT',
    path: one,
    run: (ask, tenant) => {
      ruled(ask, tenant);
      const { roles } = jsonOf(ask, Assignment.pick({ roles: true }));
      return { status: 200, json: Object.assign(assignment(ask, tenant), { roles, updatedAt: tenant.now }) };
    },
  },
  {
    ...base,
    method: 'DELETE',
    path: one,
    run: (ask, tenant) => {
      ruled(ask, tenant);
      tenant.rows('assignments').delete(assignment(ask, tenant).id);
      return { status: 204 };
    },
  },
];
