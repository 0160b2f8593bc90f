import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';
import { answer, list, page } from './answerShape.js';
import { pathOf } from './endpoints.js';
import { RESOURCES } from './resources.js';
import type { QlikRest } from './rest.js';
import { briefly, listed, picked } from './restShapes.js';
import { cursor, limit, restTool } from './restTool.js';

type Json = Record<string, unknown>;

const GOVERNANCE = { category: 'governance', effect: 'read' } as const;
const MOST_NODES = 150;

/** Where data comes from and goes to, who did what, and what the tenant is allowed. */
export function governanceTools(rest: QlikRest): readonly Tool[] {
  return [lineageTool(rest), auditsTool(rest), keysTool(rest), licenseTool(rest)];
}

function lineageTool(rest: QlikRest): Tool {
  return restTool({
    ...GOVERNANCE,
    name: 'qlik_get_lineage',
    description: 'What a node is made from (upstream), or what a change of it reaches (downstream).',
    input: z.strictObject({
      nodeId: z.string().describe('QRI, or the GUID of an app'),
      direction: z.enum(['upstream', 'downstream']).default('upstream'),
      levels: z.int().min(-1).max(50).default(5).describe('-1: all'),
    }),
    output: answer({ nodes: list, edges: list }),
    async run({ nodeId, direction, levels }, context) {
      const up = direction === 'upstream';
      const asked = {
        variables: { id: qriOf(nodeId) },
        query: { [up ? 'up' : 'down']: levels },
        keep: 'metadata',
      } as const;
      const { graph, graphs } = await rest
        .for(context)
        .get(pathOf('lineage-graphs', up ? 'upstream' : 'impact'), asked);
      return graphShown(graph ?? (Array.isArray(graphs) ? graphs[0] : undefined));
    },
  });
}

/** Qlik names nodes by resource identifiers; an app's is made from its GUID. */
function qriOf(nodeId: string): string {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(nodeId) ? `qri:app:sense://${nodeId}` : nodeId;
}

/** Nodes and edges in short; those past the limit are counted, and edges are shown between nodes that are. */
function graphShown(graph: unknown): object {
  const { nodes = {}, edges = [] } = (graph ?? {}) as { nodes?: Record<string, Json>; edges?: Json[] };
  const all = Object.entries(nodes);
  const shown = all.slice(0, MOST_NODES);
  const ids = new Set(shown.map(([id]) => id));
  const of = [
    'label',
    'type=metadata.type',
    'subtype=metadata.subtype',
    'tables=metadata.tables',
    'fields=metadata.fields',
  ];
  return {
    nodes: shown.map(([id, node]) => ({ id, ...picked(node, of) })),
    edges: edges
      .filter(({ source, target }) => ids.has(String(source)) && ids.has(String(target)))
      .map((edge) => picked(edge, ['source', 'target', 'relation'])),
    ...(all.length > MOST_NODES ? { moreNodes: all.length - MOST_NODES } : {}),
  };
}

function auditsTool(rest: QlikRest): Tool {
  return restTool({
    ...GOVERNANCE,
    name: 'qlik_list_audits',
    description: 'Audit events, newest first.',
    input: z.strictObject({
      eventType: z.string().optional(),
      userId: z.string().optional(),
      source: z.string().optional(),
      eventTime: z.string().describe('Interval: 2026-01-01T00:00:00Z/2026-01-02T00:00:00Z').optional(),
      limit,
      cursor,
    }),
    output: page,
    async run({ limit: most, cursor: from, ...query }, context) {
      const asked = { query: { ...query, sort: '-eventTime' }, keep: 'data' } as const;
      const show = (event: Json) => briefly('audits', event);
      return listed(rest.for(context), RESOURCES.audits.base, asked, { limit: most, cursor: from, show });
    },
  });
}

function keysTool(rest: QlikRest): Tool {
  return restTool({
    ...GOVERNANCE,
    name: 'qlik_list_api_keys',
    description: 'API keys, whose they are and when they end; never the keys themselves.',
    input: z.strictObject({ userId: z.string().optional(), cursor }),
    output: page,
    async run({ userId, cursor: from }, context) {
      const show = (key: Json) => briefly('api-keys', key);
      return listed(rest.for(context), RESOURCES['api-keys'].base, { query: { sub: userId } }, { cursor: from, show });
    },
  });
}

function licenseTool(rest: QlikRest): Tool {
  return restTool({
    ...GOVERNANCE,
    name: 'qlik_get_license_overview',
    description: 'What the licence of the tenant allots, and how much of it is used.',
    input: z.strictObject({}),
    output: answer({}),
    async run(_none, context) {
      const overview = await rest.for(context).get(pathOf('licenses', 'overview'), { keep: 'data' });
      return picked(overview, RESOURCES.licenses.fields);
    },
  });
}
