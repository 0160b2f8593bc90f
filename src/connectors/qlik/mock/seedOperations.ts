import { AT, MADE, SALES } from './seedStamps.js';
import type { MockRecords } from './types.js';

const RUN = {
  taskId: 'task-nightly',
  taskName: 'Nightly reload',
  resourceId: SALES,
  actionId: 'a1',
  status: 'SUCCEEDED',
};

/** What runs: automations, tasks, reloads, webhooks. */
export const SEED_OPERATIONS: MockRecords = {
  automations: [
    {
      id: 'automation-mail',
      name: 'Mail the board',
      description: 'Sends the overview',
      state: 'available',
      runMode: 'manual',
      spaceId: 'space-sales',
      lastRunStatus: 'finished',
      lastRunAt: AT,
      connectorIds: [],
      snippetIds: [],
      endpointIds: [],
      maxConcurrentRuns: 1,
      workspace: { blocks: [] },
      ...MADE,
      ownerId: 'user-ben',
    },
  ],
  'automation-runs': [
    {
      id: 'run-1',
      automationId: 'automation-mail',
      status: 'finished',
      context: 'api_async',
      startTime: AT,
      stopTime: AT,
      duration: 3,
      ...MADE,
      ownerId: 'user-ben',
    },
  ],
  tasks: [
    {
      id: 'task-nightly',
      name: 'Nightly reload',
      specVersion: '1.0',
      enabled: true,
      resourceId: SALES,
      start: { schedule: { recurrence: 'FREQ=DAILY' } },
      metadata: { resourceType: 'app', ownerId: 'user-ben', spaceId: 'space-sales', createdAt: AT },
      ...MADE,
      ownerId: 'user-ben',
      spaceId: 'space-sales',
    },
  ],
  'task-runs': [{ id: 'taskrun-1', ...RUN, startedAt: AT, endedAt: AT, triggeredBy: 'schedule', workerType: 'reload' }],
  webhooks: [
    {
      id: 'webhook-reloads',
      name: 'Reloads',
      url: 'https://hooks.example.test/qlik',
      eventTypes: ['com.qlik.v1.reload.finished'],
      level: 'user',
      enabled: true,
      description: '',

      ...MADE,
      ownerId: 'user-ben',
    },
  ],
  deliveries: [
    {
      id: 'delivery-1',
      webhookId: 'webhook-reloads',
      status: 'success',
      eventType: 'com.qlik.v1.reload.finished',
      triggeredAt: AT,
      request: { url: 'https://hooks.example.test/qlik', headers: {}, body: '{}' },
      response: { statusCode: 200, headers: {}, body: '' },
    },
  ],
  reloads: [
    {
      id: 'reload-1',
      appId: SALES,
      status: 'SUCCEEDED',
      type: 'hub',
      partial: false,
      userId: 'user-ben',

      creationTime: AT,
      startTime: AT,
      endTime: AT,
      log: 'Reload finished.',
    },
  ],
};
