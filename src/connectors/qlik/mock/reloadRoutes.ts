import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { appOf } from './appRoutes.js';
import { type Answer, jsonOf, type RoutedAsk } from './ask.js';
import type { EngineServer } from './engineServer.js';
import { page } from './pages.js';
import { badRequest, forbidden, notFound, Refusal } from './refusal.js';
import type { Route } from './router.js';
import { scimFilter } from './scimFilter.js';
import type { Row, Tenant } from './tenant.js';

const SORT = ['creationTime', 'status', 'startTime', 'endTime'];
const OVER = ['SUCCEEDED', 'FAILED', 'CANCELED', 'EXCEEDED_LIMIT'];

const Request = z.strictObject({
  appId: z.string().min(1),
  partial: z.boolean().optional(),
  variables: z.record(z.string(), z.string()).optional(),
  weight: z.number().optional(),
  resourceId: z.string().optional(),
  resourceType: z.enum(['api', 'reload-tasks', 'tasks', 'automate']).optional(),
});

type End = 'SUCCEEDED' | 'FAILED' | 'EXCEEDED_LIMIT';

/** QUEUED → RELOADING → the end. Resolves with the status that it has then. */
export function stepReload(tenant: Tenant, id: string, end: End = 'SUCCEEDED'): string {
  const row = tenant.row('reloads', id);
  if (!row) throw new Error(`no reload ${id}`);
  if (row.status === 'QUEUED') Object.assign(row, { status: 'RELOADING', startTime: tenant.now });
  else if (row.status === 'RELOADING') finish(tenant, row, end);
  return String(row.status);
}

function finish(tenant: Tenant, row: Row, status: End): void {
  const failed =
    status === 'FAILED' ? { errorCode: 'EngineConnectionError', errorMessage: 'The script has an error.' } : {};
  const log = status === 'SUCCEEDED' ? 'Reload finished.' : 'Reload failed.';
  Object.assign(row, { status, endTime: tenant.now, log, ...failed });
  const app = tenant.row('apps', String(row.appId));
  if (app && status === 'SUCCEEDED') app.lastReloadTime = tenant.now;
}

/** Moves a reload to where the clock says it is, unless a test moves it by hand. */
function current(tenant: Tenant, row: Row): Row {
  const step = tenant.options.reloadStepMs === undefined ? 40 : tenant.options.reloadStepMs;
  const age = tenant.clock.now() - Date.parse(String(row.creationTime));
  if (step !== null && row.status === 'QUEUED' && age >= step) stepReload(tenant, row.id);
  if (step !== null && row.status === 'RELOADING' && age >= 2 * step) stepReload(tenant, row.id);
  return row;
}

/** Queues a reload of an app that the caller may change. */
export function queueReload(tenant: Tenant, ask: RoutedAsk, appId: string, more: object = {}): Row {
  const app = tenant.row('apps', appId);
  if (!app || !tenant.sees(ask.caller, app)) throw badRequest('appId is unknown.');
  if (!tenant.edits(ask.caller, app)) throw forbidden();
  const row: Row = {
    id: randomUUID(),
    status: 'QUEUED',
    type: 'external',
    partial: false,
    ...more,
    appId,
    userId: ask.caller.userId,
    tenantId: tenant.id,
    creationTime: tenant.now,
    log: '',
  };
  tenant.rows('reloads').set(row.id, row);
  return row;
}

function show(row: Row, ask: RoutedAsk, withLog = true): Row {
  const { log, ...rest } = row;
  const links = { self: { href: `${ask.origin}/api/v1/reloads/${row.id}` } };
  return { ...rest, ...(withLog ? { log } : {}), id: row.id, links };
}

function ofApp(ask: RoutedAsk, tenant: Tenant, appId: string): Row[] {
  const app = tenant.row('apps', appId);
  if (!app || !tenant.sees(ask.caller, app)) throw notFound();
  const rows = [...tenant.rows('reloads').values()].filter((row) => row.appId === appId);
  return rows.map((row) => current(tenant, row)).reverse();
}

function list(ask: RoutedAsk, tenant: Tenant): Answer {
  const rows = ofApp(ask, tenant, ask.query.get('appId') ?? '').map((row) =>
    show(row, ask, ask.query.get('log') === 'true'),
  );
  const filter = ask.query.get('filter');
  const fitting = filter ? rows.filter(scimFilter(filter, ['status', 'partial', 'type', 'userId'])) : rows;
  const partial = ask.query.get('partial');
  const wanted = fitting.filter((row) => partial === null || String(row.partial) === partial);
  return page(tenant, ask, wanted, { sort: SORT });
}

function reloadOf(ask: RoutedAsk, tenant: Tenant): Row {
  const row = tenant.row('reloads', ask.params.reloadId ?? '');
  const app = row && tenant.row('apps', String(row.appId));
  if (!row || !app || !tenant.sees(ask.caller, app)) throw notFound();
  return current(tenant, row);
}

function cancel(ask: RoutedAsk, tenant: Tenant): Answer {
  const row = reloadOf(ask, tenant);
  if (row.userId !== ask.caller.userId && !ask.caller.roles.includes('TenantAdmin')) throw forbidden();
  if (OVER.includes(String(row.status))) throw new Refusal(409, 'HTTP-409', 'Conflict', 'The reload is over.');
  Object.assign(row, { status: 'CANCELED', endTime: tenant.now, log: 'Reload canceled.' });
  return { status: 202 };
}

export function reloadRoutes(engine: EngineServer): readonly Route[] {
  const scope = 'apps';
  return [
    {
      method: 'GET',
      path: '/api/v1/reloads',
      scope,
      required: ['appId'],
      query: ['limit', 'next', 'prev', 'sort', 'filter', 'partial', 'log'],
      run: list,
    },
    {
      method: 'POST',
      path: '/api/v1/reloads',
      scope,
      run: (ask, tenant) => {
        const { appId, ...more } = jsonOf(ask, Request);
        return { status: 201, json: show(queueReload(tenant, ask, appId, more), ask) };
      },
    },
    {
      method: 'GET',
      path: '/api/v1/reloads/{reloadId}',
      scope,
      run: (ask, tenant) => ({ status: 200, json: show(reloadOf(ask, tenant), ask) }),
    },
    { method: 'POST', path: '/api/v1/reloads/{reloadId}/actions/cancel', scope, run: cancel },
    ...logRoutes(engine),
  ];
}

function logRoutes(engine: EngineServer): Route[] {
  const scope = 'apps';
  const logs = '/api/v1/apps/{appId}/reloads/logs';
  return [
    {
      method: 'GET',
      path: logs,
      scope,
      run: (ask, tenant) => {
        const over = ofApp(ask, tenant, appOf(ask, tenant).id).filter((row) => OVER.includes(String(row.status)));
        const data = over.map(({ id, endTime }) => ({
          reloadId: id,
          endTime,
          links: { log: { href: `${ask.origin}${ask.path}/${id}` } },
        }));
        return { status: 200, json: { data } };
      },
    },
    {
      method: 'GET',
      path: `${logs}/{reloadId}`,
      scope,
      run: (ask, tenant) => {
        const row = ofApp(ask, tenant, appOf(ask, tenant).id).find(({ id }) => id === ask.params.reloadId);
        if (!row) throw notFound();
        const tables = engine.doc(String(row.appId))?.model.tables ?? [];
        const lines = tables.map(({ name, rows }) => `${name} << ${rows.length} lines fetched`);
        return { status: 200, text: [...lines, String(row.log)].join('\n'), headers: { 'content-type': 'text/plain' } };
      },
    },
  ];
}
