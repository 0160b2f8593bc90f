import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { type Answer, jsonOf, type RoutedAsk } from './ask.js';
import { page } from './pages.js';
import { forbidden, notFound, Refusal } from './refusal.js';
import { type Resource, resource, rowOf } from './resource.js';
import type { Route } from './router.js';
import type { Row, Tenant } from './tenant.js';

const Automation = z.strictObject({
  name: z.string().optional(),
  description: z.string().optional(),
  workspace: z.unknown().optional(),
  schedules: z.array(z.unknown()).optional(),
  maxConcurrentRuns: z.number().int().optional(),
  spaceId: z.string().optional(),
});
const FINISHED = ['finished', 'finished with warnings', 'failed', 'stopped'];

function automations(path: string): Resource {
  return {
    path,
    idName: 'id',
    store: 'automations',
    scope: 'automations',
    filter: ['name', 'state', 'ownerId', 'spaceId', 'runMode', 'lastRunStatus', 'id'],
    query: ['fields', 'listAll'],
    sort: ['id', 'name', 'runMode', 'state', 'createdAt', 'updatedAt', 'lastRunAt', 'lastRunStatus'],
    nullLinks: true,
    create: Automation,
    replace: Automation,
    removed: true,
    born: () => ({ state: 'available', runMode: 'manual' }),
  };
}

class Actions {
  readonly #resource: Resource;

  constructor(resource: Resource) {
    this.#resource = resource;
  }

  switched(ask: RoutedAsk, tenant: Tenant, state: 'available' | 'disabled'): Answer {
    this.#editable(ask, tenant).state = state;
    return { status: 204 };
  }

  list(ask: RoutedAsk, tenant: Tenant): Answer {
    return page(tenant, ask, this.#runs(ask, tenant), {
      nullLinks: true,
      sort: ['id', 'status', 'startTime', 'createdAt'],
    });
  }

  run(ask: RoutedAsk, tenant: Tenant): Row {
    const found = this.#runs(ask, tenant).find(({ id }) => id === ask.params.runId);
    if (!found) throw notFound();
    return found;
  }

  start(ask: RoutedAsk, tenant: Tenant): Answer {
    jsonOf(
      ask,
      z.strictObject({ context: z.literal('api'), id: z.string().optional(), inputs: z.unknown().optional() }),
    );
    const { id, state } = this.#editable(ask, tenant);
    if (state !== 'available') throw new Refusal(409, 'HTTP-409', 'Conflict', 'The automation is disabled.');
    const { userId } = ask.caller;
    const row: Row = {
      ...{ id: randomUUID(), automationId: id, status: 'running', context: 'api_async', ownerId: userId },
      ...{ executedById: userId, createdAt: tenant.now, startTime: tenant.now, stopTime: null, isTestRun: false },
    };
    tenant.rows('automation-runs').set(row.id, row);
    return { status: 201, json: row };
  }

  stop(ask: RoutedAsk, tenant: Tenant): Answer {
    this.#editable(ask, tenant);
    const run = this.run(ask, tenant);
    if (FINISHED.includes(String(run.status))) throw new Refusal(409, 'HTTP-409', 'Conflict', 'The run is over.');
    Object.assign(run, { status: 'stopped', stopTime: tenant.now });
    return { status: 204 };
  }

  #runs(ask: RoutedAsk, tenant: Tenant): Row[] {
    const { id } = rowOf(this.#resource, ask, tenant);
    return [...tenant.rows('automation-runs').values()].filter((row) => row.automationId === id).reverse();
  }

  #editable(ask: RoutedAsk, tenant: Tenant): Row {
    const row = rowOf(this.#resource, ask, tenant);
    if (!tenant.edits(ask.caller, row)) throw forbidden();
    return row;
  }
}

function routesAt(path: string): Route[] {
  const spec = automations(path);
  const actions = new Actions(spec);
  const base = { scope: 'automations' } as const;
  const one = `${path}/{id}`;
  const runs = `${one}/runs`;
  const query = ['limit', 'next', 'prev', 'sort', 'filter', 'fields'];
  return [
    ...resource(spec),
    {
      ...base,
      method: 'POST',
      path: `${one}/actions/enable`,
      run: (ask, tenant) => actions.switched(ask, tenant, 'available'),
    },
    {
      ...base,
      method: 'POST',
      path: `${one}/actions/disable`,
      run: (ask, tenant) => actions.switched(ask, tenant, 'disabled'),
    },
    { ...base, method: 'GET', path: runs, query, run: (ask, tenant) => actions.list(ask, tenant) },
    { ...base, method: 'POST', path: runs, run: (ask, tenant) => actions.start(ask, tenant) },
    {
      ...base,
      method: 'GET',
      path: `${runs}/{runId}`,
      run: (ask, tenant) => ({ status: 200, json: actions.run(ask, tenant) }),
    },
    { ...base, method: 'POST', path: `${runs}/{runId}/actions/stop`, run: (ask, tenant) => actions.stop(ask, tenant) },
  ];
}

/** Automations, at their older path and at that of the workflows. */
export const automationRoutes: readonly Route[] = [
  ...routesAt('/api/v1/automations'),
  ...routesAt('/api/workflows/automations'),
];
