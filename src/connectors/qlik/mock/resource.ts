import { randomUUID } from 'node:crypto';
import type { ZodType } from 'zod';
import { type Answer, jsonOf, type RoutedAsk } from './ask.js';
import { patchRow } from './jsonPatch.js';
import { type Paging, page } from './pages.js';
import { forbidden, notFound } from './refusal.js';
import type { Route } from './router.js';
import { scimFilter } from './scimFilter.js';
import type { Row, Tenant } from './tenant.js';

/** A resource that can be listed, read and perhaps changed; the routes follow from what is given. */
export interface Resource extends Paging {
  /** Of the list, such as `/api/v1/spaces`; of one it is this and the id's name. */
  readonly path: string;
  readonly idName: string;
  /** Where its rows are kept; by default the last name of the path. */
  readonly store?: string;
  readonly scope: string;
  readonly roles?: readonly string[];
  /** Query parameters of the list that must equal the field of the same name. */
  readonly equals?: readonly string[];
  /** Query parameters that `list` looks at itself. */
  readonly query?: readonly string[];
  /** Names that a SCIM filter may use. */
  readonly filter?: readonly string[];
  readonly listed?: boolean;
  readonly read?: boolean;
  readonly removed?: boolean;
  readonly create?: ZodType<Record<string, unknown>>;
  readonly replace?: ZodType<Record<string, unknown>>;
  /** Names that a JSON Patch may change. */
  readonly patch?: readonly string[];
  readonly sees?: (ask: RoutedAsk, row: Row, tenant: Tenant) => boolean;
  readonly edits?: (ask: RoutedAsk, row: Row, tenant: Tenant) => boolean;
  /** Fields of a new row besides those that were sent. */
  readonly born?: (ask: RoutedAsk, tenant: Tenant, body: Record<string, unknown>) => Record<string, unknown>;
  /** What is shown of a row; all of it by default. */
  readonly show?: (row: Row, ask: RoutedAsk, tenant: Tenant) => object;
  readonly list?: (rows: readonly Row[], ask: RoutedAsk, tenant: Tenant) => readonly Row[];
  readonly gone?: (row: Row, tenant: Tenant) => void;
  readonly createdStatus?: number;
}

const CURSORS = ['limit', 'next', 'prev', 'sort'];

export function resource(spec: Resource): Route[] {
  const one = `${spec.path}/{${spec.idName}}`;
  const { scope, roles } = spec;
  const base = { scope, ...(roles ? { roles } : {}) };
  const cursors = spec.cursor === 'page' ? ['limit', 'page', 'sort'] : CURSORS;
  const query = [...cursors, ...(spec.equals ?? []), ...(spec.query ?? []), ...(spec.filter ? ['filter'] : [])];
  const routes: Route[] = [];
  const add = (wanted: unknown, route: Omit<Route, 'scope'>): void => {
    if (wanted) routes.push({ ...base, ...route });
  };
  add(spec.listed !== false, { method: 'GET', path: spec.path, query, run: (ask, tenant) => list(spec, ask, tenant) });
  add(spec.read !== false, {
    method: 'GET',
    path: one,
    query: ['fields'],
    run: (ask, tenant) => get(spec, ask, tenant),
  });
  add(spec.create, { method: 'POST', path: spec.path, run: (ask, tenant) => create(spec, ask, tenant) });
  add(spec.replace, { method: 'PUT', path: one, run: (ask, tenant) => replace(spec, ask, tenant) });
  add(spec.patch, { method: 'PATCH', path: one, run: (ask, tenant) => patch(spec, ask, tenant) });
  add(spec.removed, { method: 'DELETE', path: one, run: (ask, tenant) => remove(spec, ask, tenant) });
  return routes;
}

function storeOf({ store, path }: Resource): string {
  return store ?? path.slice(path.lastIndexOf('/') + 1);
}

function visible(spec: Resource, ask: RoutedAsk, row: Row, tenant: Tenant): boolean {
  return spec.sees ? spec.sees(ask, row, tenant) : tenant.sees(ask.caller, row);
}

/** The row of the path; one that the caller may not see isn't there. */
export function rowOf(spec: Resource, ask: RoutedAsk, tenant: Tenant): Row {
  const row = tenant.row(storeOf(spec), ask.params[spec.idName] ?? '');
  if (!row || !visible(spec, ask, row, tenant)) throw notFound();
  return row;
}

function editable(spec: Resource, ask: RoutedAsk, tenant: Tenant): Row {
  const row = rowOf(spec, ask, tenant);
  if (!(spec.edits ? spec.edits(ask, row, tenant) : tenant.edits(ask.caller, row))) throw forbidden();
  return row;
}

function shown(spec: Resource, row: Row, ask: RoutedAsk, tenant: Tenant): object {
  return spec.show ? spec.show(row, ask, tenant) : row;
}

function list(spec: Resource, ask: RoutedAsk, tenant: Tenant): Answer {
  const all = [...tenant.rows(storeOf(spec)).values()].filter((row) => visible(spec, ask, row, tenant));
  const equal = all.filter((row) =>
    (spec.equals ?? []).every((name) => !ask.query.has(name) || String(row[name]) === ask.query.get(name)),
  );
  const filter = ask.query.get('filter');
  const fitting = filter ? equal.filter(scimFilter(filter, spec.filter ?? [])) : equal;
  const rows = spec.list ? spec.list(fitting, ask, tenant) : fitting;
  return page(
    tenant,
    ask,
    rows.map((row) => shown(spec, row, ask, tenant) as Row),
    spec,
  );
}

function get(spec: Resource, ask: RoutedAsk, tenant: Tenant): Answer {
  return { status: 200, json: shown(spec, rowOf(spec, ask, tenant), ask, tenant) };
}

function create(spec: Resource, ask: RoutedAsk, tenant: Tenant): Answer {
  if (!spec.create) throw notFound();
  const body = jsonOf(ask, spec.create);
  const stamps = { tenantId: tenant.id, ownerId: ask.caller.userId, createdAt: tenant.now, updatedAt: tenant.now };
  const row: Row = { id: randomUUID(), ...stamps, ...body, ...spec.born?.(ask, tenant, body) };
  tenant.rows(storeOf(spec)).set(row.id, row);
  return { status: spec.createdStatus ?? 201, json: shown(spec, row, ask, tenant) };
}

function replace(spec: Resource, ask: RoutedAsk, tenant: Tenant): Answer {
  if (!spec.replace) throw notFound();
  const row = Object.assign(editable(spec, ask, tenant), jsonOf(ask, spec.replace), { updatedAt: tenant.now });
  return { status: 200, json: shown(spec, row, ask, tenant) };
}

function patch(spec: Resource, ask: RoutedAsk, tenant: Tenant): Answer {
  const row = editable(spec, ask, tenant);
  patchRow(ask, row, spec.patch ?? []);
  row.updatedAt = tenant.now;
  return { status: 204 };
}

function remove(spec: Resource, ask: RoutedAsk, tenant: Tenant): Answer {
  const row = editable(spec, ask, tenant);
  tenant.rows(storeOf(spec)).delete(row.id);
  spec.gone?.(row, tenant);
  return { status: 204 };
}
