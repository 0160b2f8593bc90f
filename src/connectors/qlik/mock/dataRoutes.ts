import * as z from 'zod';
import { type Resource, resource } from './resource.js';
import type { Route } from './router.js';

const DATA_SETS: Resource = {
  path: '/api/v1/data-sets',
  idName: 'data-set-id',
  scope: 'data-sets',
  listed: false,
  patch: ['name', 'description', 'tags', 'ownerId', 'spaceId'],
};

const FILES: Resource = {
  path: '/api/v1/data-files',
  idName: 'id',
  scope: 'data-files',
  equals: ['name', 'ownerId'],
  query: ['allowInternalFiles', 'appId', 'baseNameWildcard', 'connectionId', 'excludeFiles', 'page'],
  sort: ['name', 'size', 'modifiedDate'],
  removed: true,
};

const CONNECTIONS: Resource = {
  path: '/api/v1/data-connections',
  idName: 'qID',
  scope: 'data-connections',
  equals: ['spaceId'],
  query: [
    'caseinsensitive',
    'dataName',
    'extended',
    'includeQris',
    'locale',
    'noDatafiles',
    'owner',
    'page',
    'personal',
  ],
  filter: ['qName', 'qID', 'spaceId', 'datasourceID', 'qType'],
  sort: ['qName'],
  patch: ['qName'],
  removed: true,
  create: z.looseObject({ qName: z.string().min(1), datasourceID: z.string(), space: z.string().optional() }),
  born: (ask, tenant, body) => ({
    qID: `connection-${tenant.rows('data-connections').size + 1}`,
    spaceId: body.space,
    user: ask.caller.userId,
  }),
};

/** Data sets, files and connections. */
export const dataRoutes: readonly Route[] = [
  ...resource(DATA_SETS),
  {
    method: 'GET',
    path: '/api/v1/data-sets/{data-set-id}/profiles',
    scope: 'data-sets',
    run: (ask, tenant) => {
      const known = tenant.row('data-sets', ask.params['data-set-id'] ?? '');
      const samples = known ? [{ tableName: known.name, fieldNames: ['OrderID', 'Amount'], records: [] }] : [];
      return { status: known ? 200 : 404, json: { meta: { status: 'completed' }, profiles: [], samples } };
    },
  },
  ...resource(FILES),
  {
    method: 'GET',
    path: '/api/v1/data-files/quotas',
    scope: 'data-files',
    run: () => ({ status: 200, json: { size: 4096, maxSize: 53_687_091_200, maxFileSize: 6_291_456_000 } }),
  },
  ...resource(CONNECTIONS),
  // The connectivity service has the same connections under its own name.
  ...resource({ ...CONNECTIONS, path: '/api/connectivity/data-connections' }),
];
