import type { RestRequest } from '../../contracts.js';
import type { Ability, Resource } from './resource.js';
import { RESOURCES, type ResourceName } from './resources.js';
import { type Budget, TIER_1, TIER_2 } from './restBudgets.js';

const METHODS: Readonly<Record<Ability, RestRequest['method']>> = {
  list: 'GET',
  get: 'GET',
  create: 'POST',
  patch: 'PATCH',
  put: 'PUT',
  delete: 'DELETE',
};

/** Method and path of what a resource can do. */
export function endpointsOf({ base, id, can, more = {} }: Resource): readonly string[] {
  const own = can.map((ability) => `${METHODS[ability]} ${hasId(ability) ? `${base}/{${id}}` : base}`);
  return [...own, ...Object.values(more).map((endpoint) => endpoint.replace(' ', ` ${base}`))];
}

function hasId(ability: Ability): boolean {
  return ability !== 'list' && ability !== 'create';
}

/** Path of a further endpoint of a resource, its variables still in it. */
export function pathOf<Name extends ResourceName>(name: Name, what: keyof MoreOf<Name> & string): string {
  const { base, more } = RESOURCES[name] as Resource;
  return `${base}${more?.[what]?.replace(/^\w+ /, '')}`;
}

type MoreOf<Name extends ResourceName> = (typeof RESOURCES)[Name] extends { readonly more: infer More } ? More : never;

/** Endpoints with limits of their own, as their specifications publish them. Calls per minute. */
const SPECIAL: ReadonlyMap<string, number> = new Map([
  ...endpointsOf(RESOURCES['lineage-graphs']).map((endpoint): [string, number] => [endpoint, 20]),
  ...endpointsOf(RESOURCES.audits).map((endpoint): [string, number] => [endpoint, 1_000]),
  ['POST /api/v1/reloads', 50],
  ['POST /api/v1/reloads/{reloadId}/actions/cancel', 50],
  ['POST /api/v1/users/actions/filter', 200],
  ['POST /api/v1/groups/actions/filter', 200],
  ['PUT /api/v1/data-files/{id}', 800],
]);

/** What a call is counted under: tier 1 reads, tier 2 changes, and some endpoints alone. */
export function budgetOf(method: RestRequest['method'], path: string): Budget {
  const endpoint = `${method} ${path}`;
  const perMinute = SPECIAL.get(endpoint);
  if (perMinute !== undefined) return { name: endpoint, perMinute };
  return method === 'GET' ? TIER_1 : TIER_2;
}
