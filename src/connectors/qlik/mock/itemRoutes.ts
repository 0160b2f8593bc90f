import * as z from 'zod';
import type { RoutedAsk } from './ask.js';
import { jsonOf } from './ask.js';
import { page } from './pages.js';
import { badRequest, forbidden, notFound } from './refusal.js';
import type { Route } from './router.js';
import type { Row, Tenant } from './tenant.js';

/** Resources that the catalogue lists, by their store. */
const TYPES: Readonly<Record<string, string>> = {
  apps: 'app',
  'data-sets': 'dataset',
  automations: 'automation',
  glossaries: 'glossary',
  knowledgebases: 'knowledgebase',
  assistants: 'assistant',
};
const EQUAL = ['resourceType', 'resourceId', 'spaceId', 'ownerId', 'name', 'id', 'resourceSubType'];
const ITEM_QUERY = [
  ...['limit', 'next', 'prev', 'sort', 'query', 'resourceIds', 'collectionId', 'notOwnerId', 'noActions', 'spaceType'],
  ...['createdByUserId', 'shared', ...EQUAL],
];
const SORT = ['createdAt', 'name', 'updatedAt', 'recentlyUsed'];

const Update = z.strictObject({
  name: z.string().optional(),
  description: z.string().optional(),
  resourceType: z.string(),
  resourceId: z.string().optional(),
  spaceId: z.string().optional(),
  resourceAttributes: z.unknown().optional(),
  resourceCustomAttributes: z.unknown().optional(),
});

/** All that the caller may see, as items of the catalogue. */
export function itemsOf(tenant: Tenant, ask: RoutedAsk): Row[] {
  return Object.entries(TYPES).flatMap(([store, type]) =>
    [...tenant.rows(store).values()]
      .filter((row) => tenant.sees(ask.caller, row))
      .map((row) => item(tenant, ask, row, type)),
  );
}

function item(tenant: Tenant, ask: RoutedAsk, row: Row, resourceType: string): Row {
  const id = `item-${row.id}`;
  const createdAt = row.createdAt ?? row.createdDate;
  const updatedAt = row.updatedAt ?? row.modifiedDate;
  const actions = tenant.edits(ask.caller, row) ? ['read', 'update', 'delete'] : ['read'];
  const inCollections = [...tenant.rows('collections').values()].filter((one) =>
    (one.itemIds as string[]).includes(id),
  );
  return {
    id,
    name: row.name,
    description: row.description ?? '',
    resourceType,
    resourceId: row.id,
    ...(resourceType === 'dataset' ? { resourceSubType: row.type } : {}),
    ...(row.spaceId === undefined ? {} : { spaceId: row.spaceId }),
    ownerId: row.ownerId,
    creatorId: row.ownerId,
    tenantId: tenant.id,
    createdAt,
    updatedAt,
    resourceCreatedAt: createdAt,
    resourceUpdatedAt: updatedAt,
    ...(resourceType === 'app' ? { resourceReloadEndTime: row.lastReloadTime, resourceReloadStatus: 'ok' } : {}),
    resourceAttributes: {},
    resourceCustomAttributes: {},
    actions,
    collectionIds: inCollections.map((one) => one.id),
    isFavorited: false,
    meta: { actions, collections: [], isFavorited: false, tags: [] },
    links: { self: { href: `${ask.origin}/api/v1/items/${id}` }, open: { href: `${ask.origin}/sense/app/${row.id}` } },
  };
}

function fitting(ask: RoutedAsk, tenant: Tenant): Row[] {
  const { query } = ask;
  const type = query.get('resourceType');
  if (type !== null && !Object.values(TYPES).includes(type)) throw badRequest(`resourceType can't be ${type}.`);
  const words = query.get('query')?.toLowerCase();
  const ids = query.get('resourceIds')?.split(',');
  const spaceType = query.get('spaceType');
  return itemsOf(tenant, ask)
    .filter((row) => EQUAL.every((name) => !query.has(name) || row[name] === query.get(name)))
    .filter((row) => !words || `${row.name} ${row.description}`.toLowerCase().includes(words))
    .filter((row) => !ids || ids.includes(String(row.resourceId)))
    .filter(
      (row) => !query.has('collectionId') || (row.collectionIds as string[]).includes(query.get('collectionId') ?? ''),
    )
    .filter((row) => !query.has('notOwnerId') || row.ownerId !== query.get('notOwnerId'))
    .filter((row) => !query.has('createdByUserId') || row.creatorId === query.get('createdByUserId'))
    .filter((row) => !spaceType || typeOfSpace(tenant, row) === spaceType);
}

function typeOfSpace(tenant: Tenant, row: Row): unknown {
  return row.spaceId === undefined ? 'personal' : tenant.row('spaces', String(row.spaceId))?.type;
}

function itemOf(ask: RoutedAsk, tenant: Tenant): Row {
  const found = itemsOf(tenant, ask).find((row) => row.id === ask.params.itemId);
  if (!found) throw notFound();
  return found;
}

/** What an item stands for, where the caller may change it. */
function behind(ask: RoutedAsk, tenant: Tenant): { readonly store: string; readonly row: Row } {
  const { resourceId, resourceType } = itemOf(ask, tenant);
  const [store = ''] = Object.entries(TYPES).find(([, type]) => type === resourceType) ?? [];
  const row = tenant.row(store, String(resourceId));
  if (!row || !tenant.edits(ask.caller, row)) throw forbidden();
  return { store, row };
}

export const itemRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/items',
    scope: 'apps',
    query: ITEM_QUERY,
    run: (ask, tenant) => page(tenant, ask, fitting(ask, tenant), { byDefault: 10, max: 100, sort: SORT }),
  },
  {
    method: 'GET',
    path: '/api/v1/items/{itemId}',
    scope: 'apps',
    run: (ask, tenant) => ({ status: 200, json: itemOf(ask, tenant) }),
  },
  {
    method: 'PUT',
    path: '/api/v1/items/{itemId}',
    scope: 'apps',
    run: (ask, tenant) => {
      const { name, description } = jsonOf(ask, Update);
      Object.assign(
        behind(ask, tenant).row,
        name === undefined ? {} : { name },
        description === undefined ? {} : { description },
      );
      return { status: 200, json: itemOf(ask, tenant) };
    },
  },
  {
    method: 'DELETE',
    path: '/api/v1/items/{itemId}',
    scope: 'apps',
    run: (ask, tenant) => {
      const { store, row } = behind(ask, tenant);
      tenant.rows(store).delete(row.id);
      return { status: 204 };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/items/{itemId}/collections',
    scope: 'apps',
    query: ['limit', 'next', 'prev', 'sort', 'name', 'type'],
    run: (ask, tenant) => {
      const { id } = itemOf(ask, tenant);
      const rows = [...tenant.rows('collections').values()].filter((row) => (row.itemIds as string[]).includes(id));
      return page(tenant, ask, rows, { sort: ['name'] });
    },
  },
];
