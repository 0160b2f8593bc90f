import * as z from 'zod';
import { jsonOf, type RoutedAsk } from './ask.js';
import { forbidden, notFound } from './refusal.js';
import { type Resource, resource, rowOf } from './resource.js';
import type { Route } from './router.js';
import type { Row, Tenant } from './tenant.js';

const texts = { name: z.string().min(1), description: z.string().optional(), tags: z.array(z.string()).optional() };

const GLOSSARIES: Resource = {
  path: '/api/v1/glossaries',
  idName: 'id',
  scope: 'glossary',
  filter: ['name', 'description', 'spaceId', 'tags'],
  query: ['countTotal'],
  sort: ['name', 'createdAt', 'updatedAt'],
  create: z.strictObject({
    ...texts,
    overview: z.string().optional(),
    spaceId: z.string().optional(),
    termTemplate: z.unknown().optional(),
  }),
  replace: z.strictObject({
    ...texts,
    overview: z.string().optional(),
    spaceId: z.string().optional(),
    ownerId: z.string().optional(),
  }),
  patch: ['name', 'description', 'overview', 'tags'],
  removed: true,
};

/** Whatever is in a glossary is seen and changed by those who see and change the glossary. */
function inside(path: string, idName: string, more: Partial<Resource>): Resource {
  const holder = (ask: RoutedAsk, tenant: Tenant) => rowOf(GLOSSARIES, ask, tenant);
  return {
    path: `/api/v1/glossaries/{id}/${path}`,
    idName,
    store: path,
    scope: 'glossary',
    query: ['countTotal'],
    sort: ['name', 'createdAt', 'updatedAt'],
    filter: ['name', 'description', 'abbreviation', 'tags', 'categories', 'status.type'],
    sees: (ask, row, tenant) => row.glossaryId === holder(ask, tenant).id,
    edits: (ask, _, tenant) => tenant.edits(ask.caller, holder(ask, tenant)),
    patch: ['name', 'description', 'abbreviation', 'tags', 'stewards', 'categories'],
    removed: true,
    born: (ask, tenant) => {
      const glossary = holder(ask, tenant);
      if (!tenant.edits(ask.caller, glossary)) throw forbidden();
      return {
        glossaryId: glossary.id,
        createdBy: ask.caller.userId,
        ...(path === 'terms' ? { status: { type: 'draft' } } : {}),
      };
    },
    ...more,
  };
}

const NewTerm = z.strictObject({
  ...texts,
  abbreviation: z.string().optional(),
  categories: z.array(z.string()).optional(),
  stewards: z.array(z.string()).optional(),
  relatedInformation: z.string().optional(),
  linksTo: z.array(z.unknown()).optional(),
  relatesTo: z.array(z.unknown()).optional(),
});
const { tags: _, ...categoryTexts } = texts;
const NewCategory = z.strictObject({
  ...categoryTexts,
  parentId: z.string().optional(),
  stewards: z.array(z.string()).optional(),
});

const TERMS = inside('terms', 'termId', { create: NewTerm, replace: NewTerm });
const CATEGORIES = inside('categories', 'categoryId', { create: NewCategory, replace: NewCategory });

function changeable(ask: RoutedAsk, tenant: Tenant): Row {
  const term = rowOf(TERMS, ask, tenant);
  if (!tenant.edits(ask.caller, rowOf(GLOSSARIES, ask, tenant))) throw forbidden();
  return term;
}

const term = '/api/v1/glossaries/{id}/terms/{termId}';

/** Glossaries, their terms and categories. */
export const glossaryRoutes: readonly Route[] = [
  ...resource(GLOSSARIES),
  ...resource(TERMS),
  ...resource(CATEGORIES),
  {
    method: 'POST',
    path: `${term}/actions/change-status`,
    scope: 'glossary',
    required: ['status'],
    run: (ask, tenant) => {
      const type = z.enum(['draft', 'verified', 'deprecated']).safeParse(ask.query.get('status'));
      if (!type.success) throw notFound('The status is unknown.');
      return { status: 200, json: Object.assign(changeable(ask, tenant), { status: { type: type.data } }) };
    },
  },
  {
    method: 'GET',
    path: `${term}/links`,
    scope: 'glossary',
    query: ['limit', 'next', 'prev', 'sort', 'filter'],
    run: (ask, tenant) => ({ status: 200, json: { data: rowOf(TERMS, ask, tenant).linksTo ?? [], links: {} } }),
  },
  {
    method: 'POST',
    path: `${term}/links`,
    scope: 'glossary',
    run: (ask, tenant) => {
      const links = jsonOf(ask, z.array(z.record(z.string(), z.unknown())).min(1));
      return { status: 200, json: Object.assign(changeable(ask, tenant), { linksTo: links }) };
    },
  },
];
