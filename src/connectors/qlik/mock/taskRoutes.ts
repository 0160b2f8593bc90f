import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { RoutedAsk } from './ask.js';
import { page } from './pages.js';
import { forbidden, notFound } from './refusal.js';
import { queueReload } from './reloadRoutes.js';
import { type Resource, resource, rowOf } from './resource.js';
import type { Route } from './router.js';
import type { Row, Tenant } from './tenant.js';

const SORT = ['name', 'createdAt', 'enabled', 'ownerId', 'resourceId', 'updatedAt'];
const Task = z.looseObject({
  name: z.string().min(1),
  specVersion: z.string(),
  resourceId: z.string().optional(),
  enabled: z.boolean().optional(),
});

const TASKS: Resource = {
  path: '/api/scheduling/tasks',
  idName: 'id',
  scope: 'apps',
  cursor: 'page',
  equals: ['resourceId'],
  filter: ['name', 'enabled', 'resourceId', 'ownerId', 'spaceId'],
  sort: SORT,
  create: Task,
  replace: Task,
  patch: ['name', 'description', 'enabled', 'start', 'states', 'events'],
  removed: true,
};

function runs(ask: RoutedAsk, tenant: Tenant): Row[] {
  const task = rowOf(TASKS, ask, tenant);
  const found = [...tenant.rows('task-runs').values()].filter((row) => row.taskId === task.id);
  // A run is as far as the reload that it has started.
  for (const run of found) {
    const reload = tenant.row('reloads', String(run.reloadId));
    if (reload) Object.assign(run, { status: reload.status, endedAt: reload.endTime });
  }
  return found.reverse();
}

function start(ask: RoutedAsk, tenant: Tenant): Row {
  const task = rowOf(TASKS, ask, tenant);
  if (!tenant.edits(ask.caller, task)) throw forbidden();
  const reload = queueReload(tenant, ask, String(task.resourceId), { type: 'choreographer' });
  const row: Row = {
    id: randomUUID(),
    ...{
      taskId: task.id,
      taskName: task.name,
      resourceId: task.resourceId,
      reloadId: reload.id,
      actionId: randomUUID(),
    },
    ...{ status: 'QUEUED', startedAt: tenant.now, triggeredBy: ask.caller.userId, workerType: 'reload' },
  };
  tenant.rows('task-runs').set(row.id, row);
  return row;
}

const base = { scope: 'apps' } as const;
const one = '/api/scheduling/tasks/{id}';

/** Tasks of the scheduler and their runs; the older `reload-tasks` still answer, and say that they will go. */
export const taskRoutes: readonly Route[] = [
  ...resource(TASKS),
  {
    ...base,
    method: 'POST',
    path: `${one}/actions/start`,
    run: (ask, tenant) => ({ status: 202, json: { id: start(ask, tenant).id } }),
  },
  {
    ...base,
    method: 'GET',
    path: `${one}/runs`,
    query: ['limit', 'page', 'sort', 'filter'],
    run: (ask, tenant) =>
      page(tenant, ask, runs(ask, tenant), { cursor: 'page', sort: ['startedAt', 'endedAt', 'status'] }),
  },
  {
    ...base,
    method: 'GET',
    path: `${one}/runs/last`,
    run: (ask, tenant) => {
      const [last] = runs(ask, tenant);
      if (!last) throw notFound();
      return { status: 200, json: last };
    },
  },
  {
    ...base,
    method: 'GET',
    path: `${one}/runs/{runId}/log`,
    run: (ask, tenant) => {
      const run = runs(ask, tenant).find(({ id }) => id === ask.params.runId);
      if (!run) throw notFound();
      return { status: 200, text: `Task ${run.taskName}: ${run.status}`, headers: { 'content-type': 'text/plain' } };
    },
  },
  {
    ...base,
    method: 'GET',
    path: '/api/v1/reload-tasks',
    successor: '/api/scheduling/tasks',
    query: ['appId', 'limit', 'next', 'prev', 'partial'],
    run: (ask, tenant) => {
      const visible = [...tenant.rows('tasks').values()].filter((row) => tenant.sees(ask.caller, row));
      const rows = visible.map(({ id, resourceId, name, enabled }) => ({
        id,
        appId: resourceId,
        name,
        state: enabled ? 'Enabled' : 'Disabled',
      }));
      return page(
        tenant,
        ask,
        rows.filter(({ appId }) => !ask.query.has('appId') || appId === ask.query.get('appId')),
      );
    },
  },
];
