import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { jsonOf, type RoutedAsk } from './ask.js';
import { page } from './pages.js';
import { notFound } from './refusal.js';
import { type Resource, resource } from './resource.js';
import type { Route } from './router.js';
import { scimFilter } from './scimFilter.js';
import type { Row, Tenant } from './tenant.js';

const FILTER = ['id', 'subject', 'name', 'email', 'status', 'assignedRoles.name', 'assignedGroups.name'];
const isAdmin = (ask: RoutedAsk) => ask.caller.roles.includes('TenantAdmin');

/** Whoever is no administrator sees of others no more than their name. */
function show(row: Row, ask: RoutedAsk): object {
  const links = { self: { href: `${ask.origin}/api/v1/users/${row.id}` } };
  if (isAdmin(ask) || row.id === ask.caller.userId) return { ...row, links };
  return { id: row.id, name: row.name, tenantId: row.tenantId, status: row.status, links };
}

const USERS: Resource = {
  path: '/api/v1/users',
  idName: 'userId',
  scope: 'users',
  filter: FILTER,
  query: ['fields', 'totalResults', 'status', 'subject', 'email'],
  equals: [],
  sort: ['name', 'id', 'subject', 'email', 'status', 'createdAt'],
  byDefault: 20,
  sees: () => true,
  edits: (ask) => isAdmin(ask),
  show,
  list: (rows, ask) => rows.filter((row) => !row.hidden && fits(row, ask)),
};

function fits(row: Row, { query }: RoutedAsk): boolean {
  return ['status', 'subject', 'email'].every((name) => !query.has(name) || row[name] === query.get(name));
}

const NewUser = z.strictObject({
  subject: z.string().min(1),
  name: z.string().optional(),
  email: z.string().optional(),
  picture: z.string().optional(),
  status: z.literal('invited').optional(),
  tenantId: z.string().optional(),
  assignedRoles: z
    .array(z.union([z.strictObject({ id: z.string() }), z.strictObject({ name: z.string() })]))
    .optional(),
});
const admin = { scope: 'users', roles: ['TenantAdmin'] } as const;

function created(ask: RoutedAsk, tenant: Tenant): Row {
  const { subject, name = subject, email } = jsonOf(ask, NewUser);
  return tenant.addUser({ id: randomUUID(), subject, name, ...(email === undefined ? {} : { email }) });
}

function filtered(ask: RoutedAsk, tenant: Tenant): Row[] {
  const { filter } = jsonOf(ask, z.strictObject({ filter: z.string().optional() }));
  const fitting = filter === undefined ? () => true : scimFilter(filter, FILTER);
  return [...tenant.rows('users').values()].filter(fitting).map((row) => show(row, ask) as Row);
}

export const userRoutes: readonly Route[] = [
  ...resource(USERS),
  ...resource({
    ...USERS,
    ...admin,
    listed: false,
    read: false,
    patch: ['name', 'status', 'assignedRoles', 'email'],
    removed: true,
  }),
  {
    method: 'GET',
    path: '/api/v1/users/me',
    scope: 'users',
    run: (ask, tenant) => {
      const row = tenant.row('users', ask.caller.userId);
      if (!row) throw notFound();
      return { status: 200, json: show(row, ask) };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/users/actions/count',
    scope: 'users',
    run: (_, tenant) => ({ status: 200, json: { total: tenant.rows('users').size } }),
  },
  {
    method: 'POST',
    path: '/api/v1/users/actions/filter',
    scope: 'users',
    reads: true,
    query: ['limit', 'next', 'prev', 'sort', 'fields'],
    run: (ask, tenant) => page(tenant, ask, filtered(ask, tenant), { byDefault: 20, sort: ['name'] }),
  },
  {
    ...admin,
    method: 'POST',
    path: '/api/v1/users',
    run: (ask, tenant) => ({ status: 201, json: created(ask, tenant) }),
  },
];
