import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';
import { ToolError } from '../../core/toolErrors.js';
import { answer, list, page, text } from './answerShape.js';
import { describeApp } from './appDescription.js';
import { pathOf } from './endpoints.js';
import type { Resource } from './resource.js';
import { RESOURCES } from './resources.js';
import type { QlikRest } from './rest.js';
import { briefly, fully, listed, picked } from './restShapes.js';
import { appId, cursor, limit, restTool } from './restTool.js';

/** What `qlik_list` and `qlik_get` serve: what has no tool of its own in this category. */
const LISTED = [
  'spaces',
  'users',
  'groups',
  'roles',
  'data-connections',
  'data-files',
  'glossaries',
  'collections',
  'assistants',
  'knowledgebases',
] as const;
const SHOWN = [...LISTED, 'items', 'data-sets'] as const;

const CATALOG = { category: 'catalog', effect: 'read' } as const;

/** Finding things, and reading what they are. */
export function catalogTools(rest: QlikRest): readonly Tool[] {
  return [searchTool(rest), describeTool(rest), listTool(rest), getTool(rest), termsTool(rest), chunksTool(rest)];
}

function searchTool(rest: QlikRest): Tool {
  return restTool({
    ...CATALOG,
    name: 'qlik_search',
    description: 'Find apps, data sets and other items by name or description. resourceId is the id of the app.',
    input: z.strictObject({
      query: z.string(),
      resourceType: z.string().describe('app, dataset, note, automation…').optional(),
      spaceId: z.string().optional(),
      collectionId: z.string().optional(),
      limit,
      cursor,
    }),
    output: page,
    async run({ limit: most, cursor: from, query, ...narrowed }, context) {
      const asked = { query: { query: query || undefined, ...narrowed, sort: '-updatedAt' }, keep: 'data' } as const;
      const show = (item: Record<string, unknown>) => briefly('items', item);
      return listed(rest.for(context), RESOURCES.items.base, asked, { limit: most, cursor: from, show });
    },
  });
}

function describeTool(rest: QlikRest): Tool {
  return restTool({
    ...CATALOG,
    name: 'qlik_describe_app',
    description: 'What an app is, its tables and fields, and when it was last reloaded.',
    input: z.strictObject({ appId }),
    output: answer({ id: text, name: text, tables: list, fields: list }),
    run: ({ appId: id }, context) => describeApp(rest.for(context), id),
  });
}

function listTool(rest: QlikRest): Tool {
  return restTool({
    ...CATALOG,
    name: 'qlik_list',
    description:
      'List resources of the tenant. filter: SCIM, name co "sales"; for spaces and collections part of the name; for data-files (personal ones) *.qvd',
    input: z.strictObject({ resource: z.enum(LISTED), filter: z.string().optional(), limit, cursor }),
    output: page,
    async run({ resource, filter, limit: most, cursor: from }, context) {
      const { base, keep, filter: by } = RESOURCES[resource] as Resource;
      if (filter !== undefined && by === undefined)
        throw new ToolError(`Qlik can't filter ${resource}: leave filter out, or use qlik_search.`);
      const asked = { query: by === undefined ? {} : { [by]: filter }, ...(keep ? { keep } : {}) };
      const show = (item: Record<string, unknown>) => briefly(resource, item);
      return listed(rest.for(context), base, asked, { limit: most, cursor: from, show });
    },
  });
}

function getTool(rest: QlikRest): Tool {
  return restTool({
    ...CATALOG,
    name: 'qlik_get',
    description: 'Read one resource by id. users takes "me", tenants only "me".',
    input: z.strictObject({ resource: z.enum([...SHOWN, 'tenants']), id: z.string() }),
    output: answer({ id: text, name: text }),
    async run({ resource, id }, context) {
      const { base, id: name } = RESOURCES[resource] as Resource;
      const path = isMine(resource, id) ? `${base}/me` : `${base}/{${name}}`;
      return fully(resource, await rest.for(context).get(path, { variables: { [name]: id }, keep: 'metadata' }));
    },
  });
}

/** The segment `me` is no id: it stands in the path as it is. */
function isMine(resource: string, id: string): boolean {
  if (resource === 'tenants' && id !== 'me') throw new ToolError('Only the tenant "me" can be read.');
  return id === 'me' && (resource === 'users' || resource === 'tenants');
}

const TERM = ['id', 'name', 'description', 'status', 'abbreviation', 'relatedInformation', 'categories', 'tags'];

function termsTool(rest: QlikRest): Tool {
  return restTool({
    ...CATALOG,
    name: 'qlik_list_glossary_terms',
    description: 'Terms of a business glossary and what they mean. filter: SCIM, such as name co "margin".',
    input: z.strictObject({ glossaryId: z.string(), filter: z.string().optional(), limit, cursor }),
    output: page,
    async run({ glossaryId, filter, limit: most, cursor: from }, context) {
      const asked = { variables: { id: glossaryId }, query: { filter }, keep: 'metadata' } as const;
      const show = (term: Record<string, unknown>) => picked(term, TERM, 1_000);
      return listed(rest.for(context), pathOf('glossaries', 'terms'), asked, { limit: most, cursor: from, show });
    },
  });
}

const CHUNK = ['text', 'score', 'source', 'datasourceId', 'documentId', 'reference'];

function chunksTool(rest: QlikRest): Tool {
  return restTool({
    ...CATALOG,
    name: 'qlik_search_knowledgebase_chunks',
    description: 'Passages of a knowledge base that answer a question.',
    input: z.strictObject({ knowledgebaseId: z.string(), query: z.string(), topN: z.int().min(1).max(50).optional() }),
    output: answer({ chunks: list }),
    async run({ knowledgebaseId, query, topN = 5 }, context) {
      const sent = { variables: { id: knowledgebaseId }, body: { prompt: query, topN }, asks: true };
      const { chunks, data } = await rest.for(context).send('POST', pathOf('knowledgebases', 'search'), sent);
      const found = (Array.isArray(chunks) ? chunks : Array.isArray(data) ? data : []) as Record<string, unknown>[];
      return { chunks: found.map((chunk) => picked(chunk, CHUNK, 4_000)) };
    },
  });
}
