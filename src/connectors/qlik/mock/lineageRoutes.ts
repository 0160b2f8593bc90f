import type { Answer, RoutedAsk } from './ask.js';
import { badRequest, notFound } from './refusal.js';
import type { Route } from './router.js';
import type { Row, Tenant } from './tenant.js';

type Walk = (tenant: Tenant, node: Row) => readonly string[];

const down: Walk = (_, node) => node.down as string[];
const up: Walk = (tenant, node) =>
  [...tenant.rows('lineage').values()]
    .filter((other) => (other.down as string[]).includes(node.id))
    .map(({ id }) => id);

/** The node of the path, a QRI such as `qri:app:sense://<appId>`; an app's is seen by those who see the app. */
function nodeOf(ask: RoutedAsk, tenant: Tenant): Row {
  const id = ask.params.id ?? '';
  if (!id.startsWith('qri:')) throw badRequest('The id must be a QRI.');
  const node = tenant.row('lineage', id);
  if (!node || !visible(ask, tenant, node)) throw notFound();
  return node;
}

function visible(ask: RoutedAsk, tenant: Tenant, { id }: Row): boolean {
  const app = /^qri:app:sense:\/\/(.+)$/.exec(id)?.[1];
  const row = app === undefined ? undefined : tenant.row('apps', app);
  return app === undefined || (row !== undefined && tenant.sees(ask.caller, row));
}

function levelsOf(ask: RoutedAsk, name: string, byDefault: number): number {
  const text = ask.query.get(name);
  const levels = text === null ? byDefault : Number(text);
  if (!Number.isInteger(levels) || levels < -1 || levels > 50) throw badRequest(`${name} must be from -1 to 50.`);
  return levels === -1 ? 50 : levels;
}

/** Nodes that are reached in so many steps, and the edges on the way. */
function walked(
  ask: RoutedAsk,
  tenant: Tenant,
  from: Row,
  steps: { readonly walk: Walk; readonly levels: number },
): Set<string> {
  const reached = new Set([from.id]);
  let edge = [from];
  for (let level = 0; level < steps.levels && edge.length > 0; level++) {
    const next = edge.flatMap((node) => steps.walk(tenant, node)).filter((id) => !reached.has(id));
    edge = next.flatMap((id) => tenant.row('lineage', id) ?? []).filter((node) => visible(ask, tenant, node));
    for (const { id } of edge) reached.add(id);
  }
  return reached;
}

function graph(tenant: Tenant, ids: ReadonlySet<string>): object {
  const nodes = [...ids].flatMap((id) => tenant.row('lineage', id) ?? []);
  const edges = nodes.flatMap((node) =>
    (node.down as string[])
      .filter((target) => ids.has(target))
      .map((target) => ({ source: node.id, target, relation: 'FROM', metadata: { type: '' } })),
  );
  const shown = nodes.map(({ id, label, type, subtype }) => [
    id,
    { label, metadata: { id, type, subtype, fields: 1, tables: 1 } },
  ]);
  return { directed: true, type: 'RESOURCE', label: 'lineage', nodes: Object.fromEntries(shown), edges };
}

function lineage(ask: RoutedAsk, tenant: Tenant): Answer {
  const node = nodeOf(ask, tenant);
  const ids = walked(ask, tenant, node, { walk: up, levels: levelsOf(ask, 'up', 5) });
  return { status: 200, json: { graph: graph(tenant, ids) } };
}

function expanded(ask: RoutedAsk, tenant: Tenant): Answer {
  const node = nodeOf(ask, tenant);
  const above = walked(ask, tenant, node, { walk: up, levels: levelsOf(ask, 'up', 1) });
  const below = walked(ask, tenant, node, { walk: down, levels: levelsOf(ask, 'down', 0) });
  return { status: 200, json: { graph: graph(tenant, new Set([...above, ...below])) } };
}

function impact(ask: RoutedAsk, tenant: Tenant): Set<string> {
  return walked(ask, tenant, nodeOf(ask, tenant), { walk: down, levels: levelsOf(ask, 'down', 50) });
}

function overview(ask: RoutedAsk, tenant: Tenant): Answer {
  const ids = [...impact(ask, tenant)].filter((id) => id !== ask.params.id);
  const resources = ids.map((qri) => ({
    qri,
    lineage: [{ resourceLabel: tenant.row('lineage', qri)?.label, resourceQRI: qri }],
  }));
  return { status: 200, json: { resources } };
}

const base = { method: 'GET', scope: 'lineage' } as const;
const nodes = '/api/v1/lineage-graphs/nodes/{id}';
const impacts = '/api/v1/lineage-graphs/impact/{id}';

/** Where data comes from, and what hangs on it. */
export const lineageRoutes: readonly Route[] = [
  { ...base, path: nodes, query: ['level', 'up', 'collapse'], run: lineage },
  { ...base, path: `${nodes}/actions/expand`, required: ['node', 'level'], query: ['up', 'down'], run: expanded },
  { ...base, path: `${impacts}/overview`, query: ['down'], run: overview },
  {
    ...base,
    path: `${impacts}/source`,
    run: (ask, tenant) => ({ status: 200, json: { graph: graph(tenant, impact(ask, tenant)) } }),
  },
  {
    ...base,
    path: `${impacts}/actions/expand`,
    required: ['node', 'level'],
    query: ['down'],
    run: (ask, tenant) => ({ status: 200, json: { graph: graph(tenant, impact(ask, tenant)) } }),
  },
];
