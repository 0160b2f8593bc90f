import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { type Answer, jsonOf, type RoutedAsk } from './ask.js';
import type { EngineServer } from './engineServer.js';
import { badRequest, forbidden, notFound } from './refusal.js';
import type { Route } from './router.js';
import type { Row, Tenant } from './tenant.js';

const Attributes = z.strictObject({
  attributes: z.strictObject({
    name: z.string().optional(),
    description: z.string().optional(),
    spaceId: z.string().optional(),
    locale: z.string().optional(),
    usage: z.string().optional(),
    ownerId: z.string().optional(),
  }),
});

/** The app of the path, where the caller may see it. */
export function appOf(ask: RoutedAsk, tenant: Tenant): Row {
  const row = tenant.row('apps', ask.params.appId ?? '');
  if (!row || !tenant.sees(ask.caller, row)) throw notFound();
  return row;
}

export function editableApp(ask: RoutedAsk, tenant: Tenant): Row {
  const row = appOf(ask, tenant);
  if (!tenant.edits(ask.caller, row)) throw forbidden();
  return row;
}

function show(row: Row, ask: RoutedAsk, tenant: Tenant): object {
  const privileges = tenant.edits(ask.caller, row) ? ['read', 'update', 'delete', 'reload'] : ['read'];
  return { attributes: { ...row, owner: row.ownerId }, privileges, create: [] };
}

/** A space that the caller may put apps into. */
function target(ask: RoutedAsk, tenant: Tenant, spaceId: string | undefined): { spaceId?: string } {
  if (spaceId === undefined) return {};
  const space = tenant.row('spaces', spaceId);
  if (!space) throw badRequest('spaceId is unknown.');
  if (!tenant.edits(ask.caller, { id: spaceId, spaceId })) throw forbidden();
  return { spaceId };
}

function created(ask: RoutedAsk, tenant: Tenant, from?: Row): Answer {
  const { attributes } = jsonOf(ask, Attributes);
  const { name = 'Untitled', description = '', spaceId } = attributes;
  const definition = from && tenant.apps.get(from.id);
  const id = randomUUID();
  const named = { id, name, description, ownerId: ask.caller.userId, ...target(ask, tenant, spaceId) };
  const { spaceId: _, ...copied } = definition ?? {};
  tenant.addApp({ ...copied, ...named });
  return answer(tenant.row('apps', id), ask, tenant);
}

function answer(row: Row | undefined, ask: RoutedAsk, tenant: Tenant): Answer {
  if (!row) throw notFound();
  return { status: 200, json: show(row, ask, tenant) };
}

function update(ask: RoutedAsk, tenant: Tenant): Answer {
  const row = editableApp(ask, tenant);
  const { name, description } = jsonOf(ask, Attributes).attributes;
  Object.assign(row, name === undefined ? {} : { name }, description === undefined ? {} : { description });
  row.modifiedDate = tenant.now;
  return answer(row, ask, tenant);
}

function move(ask: RoutedAsk, tenant: Tenant): Answer {
  const row = editableApp(ask, tenant);
  const { spaceId } = jsonOf(ask, z.strictObject({ spaceId: z.string() }));
  Object.assign(row, target(ask, tenant, spaceId));
  return answer(row, ask, tenant);
}

function changeOwner(ask: RoutedAsk, tenant: Tenant): Answer {
  const row = editableApp(ask, tenant);
  const { ownerId } = jsonOf(ask, z.strictObject({ ownerId: z.string() }));
  if (!tenant.row('users', ownerId)) throw badRequest('ownerId is unknown.');
  row.ownerId = ownerId;
  return answer(row, ask, tenant);
}

/** A copy in a managed space. */
function publish(ask: RoutedAsk, tenant: Tenant): Answer {
  const row = editableApp(ask, tenant);
  const Body = z.object({ spaceId: z.string(), attributes: z.object({ name: z.string().optional() }).optional() });
  const { spaceId, attributes } = jsonOf(ask, Body);
  if (tenant.row('spaces', spaceId)?.type !== 'managed') throw badRequest('spaceId must name a managed space.');
  const definition = tenant.apps.get(row.id);
  const id = randomUUID();
  const name = attributes?.name ?? String(row.name);
  tenant.addApp({ ...definition, id, name, ownerId: ask.caller.userId, ...target(ask, tenant, spaceId) });
  const made = tenant.row('apps', id);
  if (made) Object.assign(made, { published: true, originAppId: row.id });
  return answer(made, ask, tenant);
}

/** Fields and tables, as `data/metadata` tells of them after a reload. */
function metadata(ask: RoutedAsk, tenant: Tenant, engine: EngineServer): Answer {
  const model = engine.doc(appOf(ask, tenant).id)?.model;
  const fields = [...(model?.fields.values() ?? [])].map(({ name, tables, values, numeric, tags }) => ({
    ...{ name, src_tables: tables, tags, cardinal: values.length, total_count: values.length, byte_size: 8 },
    ...{ is_system: false, is_hidden: false, is_semantic: false, is_numeric: numeric, is_locked: false },
    ...{ distinct_only: false, always_one_selected: false, comment: '' },
  }));
  const tables = (model?.tables ?? []).map(({ name, fields: columns, rows }) => ({
    ...{ name, is_system: false, is_semantic: false, is_loose: false, comment: '', byte_size: 64 },
    ...{ no_of_rows: rows.length, no_of_fields: columns.length, no_of_key_fields: 0 },
  }));
  return {
    status: 200,
    json: { fields, tables, has_section_access: false, is_direct_query_mode: false, static_byte_size: 512 },
  };
}

export function appRoutes(engine: EngineServer): readonly Route[] {
  const scope = 'apps';
  const one = '/api/v1/apps/{appId}';
  return [
    { method: 'POST', path: '/api/v1/apps', scope, run: (ask, tenant) => created(ask, tenant) },
    { method: 'GET', path: one, scope, run: (ask, tenant) => answer(appOf(ask, tenant), ask, tenant) },
    { method: 'PUT', path: one, scope, run: update },
    {
      method: 'DELETE',
      path: one,
      scope,
      run: (ask, tenant) => {
        tenant.rows('apps').delete(editableApp(ask, tenant).id);
        return { status: 200 };
      },
    },
    { method: 'POST', path: `${one}/copy`, scope, run: (ask, tenant) => created(ask, tenant, appOf(ask, tenant)) },
    { method: 'POST', path: `${one}/publish`, scope, run: publish },
    { method: 'PUT', path: `${one}/space`, scope, run: move },
    { method: 'PUT', path: `${one}/owner`, scope, run: changeOwner },
    { method: 'GET', path: `${one}/data/metadata`, scope, run: (ask, tenant) => metadata(ask, tenant, engine) },
    {
      method: 'GET',
      path: `${one}/data/lineage`,
      scope,
      run: (ask, tenant) => {
        const script = engine.doc(appOf(ask, tenant).id)?.script ?? '';
        const sources = [...script.matchAll(/FROM \[([^\]]+)\]/g)].map(([, discriminator]) => ({ discriminator }));
        return { status: 200, json: sources };
      },
    },
    {
      method: 'GET',
      path: '/api/v1/apps/privileges',
      scope,
      run: () => ({ status: 200, json: { create: [{ resource: 'app', canCreate: true }] } }),
    },
  ];
}
