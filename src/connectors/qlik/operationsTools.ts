import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';
import { ToolError } from '../../core/toolErrors.js';
import { answer, flag, page, text } from './answerShape.js';
import { pathOf } from './endpoints.js';
import type { Resource } from './resource.js';
import { RESOURCES, type ResourceName } from './resources.js';
import type { QlikRest } from './rest.js';
import { briefly, listed, picked } from './restShapes.js';
import { cursor, limit, restTool } from './restTool.js';

type Json = Record<string, unknown>;

const OPERATIONS = { category: 'operations' } as const;

/** Runs of scheduled tasks and of automations, which say nearly the same. */
const RUN = [
  'id',
  'status',
  'startedAt',
  'startTime',
  'endedAt',
  'stopTime',
  'trigger=context',
  'triggeredBy',
  'title',
  'error',
  'isTestRun',
];

/** Where runs come from: the parent's id is the variable. */
const RUNS = { 'task-runs': pathOf('tasks', 'runs'), 'automation-runs': pathOf('automations', 'runs') } as const;
const LISTED = ['reloads', 'tasks', 'task-runs', 'automations', 'automation-runs', 'webhooks'] as const;

/** What runs in the tenant, and starting it. */
export function operationsTools(rest: QlikRest): readonly Tool[] {
  return [listTool(rest), lastRunTool(rest), startTaskTool(rest), runAutomationTool(rest), stopRunTool(rest)];
}

function listTool(rest: QlikRest): Tool {
  return restTool({
    ...OPERATIONS,
    name: 'qlik_list_operations',
    effect: 'read',
    description: 'List jobs. id: of the app for reloads, of the task or automation for its runs. filter: SCIM.',
    input: z.strictObject({
      resource: z.enum(LISTED),
      id: z.string().optional(),
      filter: z.string().optional(),
      limit,
      cursor,
    }),
    output: page,
    async run({ resource, id, filter, limit: most, cursor: from }, context) {
      const runs = resource === 'task-runs' || resource === 'automation-runs';
      if (id === undefined && (runs || resource === 'reloads')) throw new ToolError(`${resource} need an id.`);
      const path = runs ? RUNS[resource] : (RESOURCES[resource] as Resource).base;
      const query = runs ? { filter } : narrowedBy(resource, id, filter);
      const show = (item: Json) => (runs ? picked(item, RUN, 500) : briefly(resource, item));
      const asked = { query, ...(runs ? { variables: { id: id ?? '' } } : {}) };
      return listed(rest.for(context), path, asked, { limit: most, cursor: from, show });
    },
  });
}

function narrowedBy(resource: ResourceName, id: string | undefined, filter: string | undefined) {
  if (resource === 'reloads') return { appId: id, filter };
  if (resource === 'tasks') return { resourceId: id, filter };
  return resource === 'webhooks' ? { name: filter } : { filter };
}

function lastRunTool(rest: QlikRest): Tool {
  return restTool({
    ...OPERATIONS,
    name: 'qlik_get_run',
    effect: 'read',
    description: 'A run of an automation by runId, or the last run of a scheduled task.',
    input: z.strictObject({
      taskId: z.string().optional(),
      automationId: z.string().optional(),
      runId: z.string().optional(),
    }),
    output: answer({ id: text, status: text }),
    async run({ taskId, automationId, runId }, context) {
      const calls = rest.for(context);
      if (taskId !== undefined && automationId === undefined)
        return picked(await calls.get(pathOf('tasks', 'lastRun'), { variables: { id: taskId } }), RUN);
      if (automationId === undefined || runId === undefined || taskId !== undefined)
        throw new ToolError('Give taskId alone, or automationId and runId.');
      const variables = { id: automationId, runId };
      return picked(await calls.get(pathOf('automations', 'oneRun'), { variables }), RUN);
    },
  });
}

function startTaskTool(rest: QlikRest): Tool {
  return restTool({
    ...OPERATIONS,
    name: 'qlik_start_task',
    effect: 'write',
    description: 'Start a scheduled task now.',
    input: z.strictObject({ taskId: z.string() }),
    output: answer({ taskId: text, started: flag, runId: text }),
    async run({ taskId }, context) {
      const answer = await rest.for(context).send('POST', pathOf('tasks', 'start'), { variables: { id: taskId } });
      return { taskId, started: true, ...picked(answer, ['runId=id', 'status']) };
    },
  });
}

function runAutomationTool(rest: QlikRest): Tool {
  return restTool({
    ...OPERATIONS,
    name: 'qlik_run_automation',
    effect: 'write',
    description: 'Run an automation; qlik_get_run follows it.',
    input: z.strictObject({ automationId: z.string(), inputs: z.record(z.string(), z.unknown()).optional() }),
    output: answer({ automationId: text, runId: text, status: text }),
    async run({ automationId, inputs = {} }, context) {
      const sent = { variables: { id: automationId }, body: { context: 'api', inputs } };
      const run = await rest.for(context).send('POST', pathOf('automations', 'run'), sent);
      return { automationId, ...picked(run, ['runId=id', 'status']) };
    },
  });
}

function stopRunTool(rest: QlikRest): Tool {
  return restTool({
    ...OPERATIONS,
    name: 'qlik_stop_automation_run',
    effect: 'write',
    idempotent: true,
    description: 'Stop a run of an automation.',
    input: z.strictObject({ automationId: z.string(), runId: z.string() }),
    output: answer({ stopping: flag }),
    async run({ automationId, runId }, context) {
      const variables = { id: automationId, runId };
      await rest.for(context).send('POST', pathOf('automations', 'stop'), { variables });
      return { automationId, runId, stopping: true };
    },
  });
}
