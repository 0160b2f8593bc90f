import * as z from 'zod';
import { jsonOf, type RoutedAsk } from './ask.js';
import { itemsOf } from './itemRoutes.js';
import { page } from './pages.js';
import { forbidden, notFound } from './refusal.js';
import { type Resource, resource, rowOf } from './resource.js';
import type { Route } from './router.js';
import type { Row, Tenant } from './tenant.js';

const Named = z.strictObject({ name: z.string().optional(), description: z.string().optional() });

const COLLECTIONS: Resource = {
  path: '/api/v1/collections',
  idName: 'collectionId',
  scope: 'collections',
  equals: ['type', 'name', 'creatorId'],
  query: ['query', 'includeItems'],
  sort: ['name', 'createdAt', 'updatedAt'],
  sees: (ask, row, tenant) => row.type === 'public' || tenant.sees(ask.caller, row),
  create: z.strictObject({
    name: z.string().min(1),
    description: z.string().optional(),
    type: z.enum(['private', 'public', 'publicgoverned']),
  }),
  replace: Named,
  patch: ['name', 'description', 'type'],
  removed: true,
  born: (ask) => ({ creatorId: ask.caller.userId, itemIds: [] }),
  show: ({ itemIds, ...row }, ask) => ({
    ...row,
    itemCount: (itemIds as string[]).length,
    links: { self: { href: `${ask.origin}/api/v1/collections/${row.id}` } },
  }),
};

/** Those of the collection that the caller sees. */
function items(ask: RoutedAsk, tenant: Tenant): Row[] {
  const ids = rowOf(COLLECTIONS, ask, tenant).itemIds as string[];
  return itemsOf(tenant, ask).filter(({ id }) => ids.includes(id));
}

function idsToChange(ask: RoutedAsk, tenant: Tenant): string[] {
  const row = rowOf(COLLECTIONS, ask, tenant);
  if (!tenant.edits(ask.caller, row)) throw forbidden();
  return row.itemIds as string[];
}

const base = { scope: 'collections' } as const;
const list = '/api/v1/collections/{collectionId}/items';

/** Collections and what is in them. */
export const collectionRoutes: readonly Route[] = [
  ...resource(COLLECTIONS),
  {
    ...base,
    method: 'GET',
    path: list,
    query: ['limit', 'next', 'prev', 'sort', 'name', 'resourceType', 'query', 'spaceId'],
    run: (ask, tenant) => page(tenant, ask, items(ask, tenant), { sort: ['name', 'createdAt', 'updatedAt'] }),
  },
  {
    ...base,
    method: 'POST',
    path: list,
    run: (ask, tenant) => {
      const { id } = jsonOf(ask, z.strictObject({ id: z.string() }));
      const item = itemsOf(tenant, ask).find((one) => one.id === id);
      if (!item) throw notFound();
      const ids = idsToChange(ask, tenant);
      if (!ids.includes(id)) ids.push(id);
      return { status: 201, json: item };
    },
  },
  {
    ...base,
    method: 'GET',
    path: `${list}/{itemId}`,
    run: (ask, tenant) => {
      const item = items(ask, tenant).find(({ id }) => id === ask.params.itemId);
      if (!item) throw notFound();
      return { status: 200, json: item };
    },
  },
  {
    ...base,
    method: 'DELETE',
    path: `${list}/{itemId}`,
    run: (ask, tenant) => {
      const ids = idsToChange(ask, tenant);
      const at = ids.indexOf(ask.params.itemId ?? '');
      if (at === -1) throw notFound();
      ids.splice(at, 1);
      return { status: 204 };
    },
  },
];
