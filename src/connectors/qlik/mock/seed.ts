import type { MockRecord, MockRecords } from './types.js';

const AT = '2026-01-05T08:00:00.000Z';
const MADE = { ownerId: 'user-ada', createdAt: AT, updatedAt: AT, createdBy: 'user-ada', updatedBy: 'user-ada' };
const SALES = '5a1e5a90-0001-4000-8000-000000000001';

/** What a tenant holds besides people, spaces and apps, by the resource's name. */
export function seedRecords(tenantId: string): MockRecords {
  return {
    ...catalogue(tenantId),
    ...operations(tenantId),
    ...governance(tenantId),
  };
}

function catalogue(tenantId: string): MockRecords {
  const qri = 'qdf:qix-datafiles:mock:sid@space-data:orders.qvd';
  return {
    'data-sets': [
      {
        id: 'dataset-orders',
        name: 'orders.qvd',
        technicalName: 'orders.qvd',
        description: 'All orders since 2020',
        qri,
        secureQri: `qri:${qri}`,
        spaceId: 'space-data',
        type: 'qix-df',
        tags: ['orders'],
        tenantId,
        dataAssetInfo: { id: 'asset-1', name: 'DataFiles', dataStoreInfo: { id: 'store-1', type: 'qix-datafiles' } },
        schema: {
          dataFields: [
            { name: 'OrderID', dataType: { type: 'INTEGER' } },
            { name: 'Amount', dataType: { type: 'DOUBLE' } },
          ],
        },
        operational: { rowCount: 60, size: 4096 },
        ...MADE,
      },
    ],
    'data-files': [
      {
        id: 'file-orders',
        name: 'orders.qvd',
        baseName: 'orders.qvd',
        spaceId: 'space-data',
        size: 4096,
        createdDate: AT,
        modifiedDate: AT,
        ...MADE,
      },
    ],
    'data-connections': [
      {
        id: 'connection-files',
        qID: 'connection-files',
        qName: 'DataFiles',
        qType: 'folder',
        qConnectStatement: 'CUSTOM CONNECT TO "…"',
        space: 'space-data',
        spaceId: 'space-data',
        datasourceID: 'qix-datafiles',
        user: 'user-ada',
        created: AT,
        updated: AT,
        ownerId: 'user-ada',
      },
    ],
    glossaries: [
      {
        id: 'glossary-sales',
        name: 'Sales words',
        description: 'What we mean',
        tags: ['sales'],
        spaceId: 'space-sales',
        ...MADE,
      },
    ],
    terms: [
      {
        id: 'term-revenue',
        glossaryId: 'glossary-sales',
        name: 'Revenue',
        description: 'Invoiced amount without tax',
        abbreviation: 'Rev',
        status: { type: 'verified' },
        tags: [],
        stewards: ['user-ben'],
        categories: ['category-money'],
        linksTo: [
          {
            id: 'link-1',
            resourceType: 'app',
            resourceId: SALES,
            subResourceType: 'master_measure',
            subResourceId: 'measure-revenue',
            type: 'definition',
          },
        ],
        ...MADE,
      },
      {
        id: 'term-order',
        glossaryId: 'glossary-sales',
        name: 'Order',
        description: 'What a customer has asked for',
        status: { type: 'draft' },
        tags: [],
        stewards: [],
        categories: [],
        linksTo: [],
        ...MADE,
      },
    ],
    categories: [
      {
        id: 'category-money',
        glossaryId: 'glossary-sales',
        name: 'Money',
        description: 'What is counted',
        stewards: [],
        ...MADE,
      },
    ],
    collections: [
      {
        id: 'collection-board',
        name: 'For the board',
        description: '',
        type: 'public',
        itemIds: [`item-${SALES}`],
        creatorId: 'user-ada',
        tenantId,
        ...MADE,
      },
    ],
    knowledgebases: [
      {
        id: 'kb-handbook',
        name: 'Handbook',
        description: 'How we sell',
        spaceId: 'space-sales',
        tags: [],
        tenantId,
        datasources: [],
        contentSummary: { fileCount: 1, fileSize: 2048, textSize: 900, effectivePages: 1 },
        chunks: [
          {
            id: 'chunk-1',
            source: 'handbook.pdf',
            text: 'A discount above ten per cent needs the consent of the head of sales.',
          },
          { id: 'chunk-2', source: 'handbook.pdf', text: 'Orders are invoiced on the day of their delivery.' },
        ],
        ...MADE,
      },
    ],
    assistants: [
      {
        id: 'assistant-sales',
        name: 'Sales assistant',
        title: 'Ask about selling',
        description: '',
        spaceId: 'space-sales',
        knowledgeBases: ['kb-handbook'],
        tags: [],
        tenantId,
        ...MADE,
      },
    ],
  };
}

function operations(tenantId: string): MockRecords {
  const run = {
    taskId: 'task-nightly',
    taskName: 'Nightly reload',
    resourceId: SALES,
    actionId: 'a1',
    status: 'SUCCEEDED',
  };
  return {
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
        metadata: { resourceType: 'app', ownerId: 'user-ben', spaceId: 'space-sales', tenantId, createdAt: AT },
        ...MADE,
        ownerId: 'user-ben',
        spaceId: 'space-sales',
      },
    ],
    'task-runs': [
      { id: 'taskrun-1', ...run, startedAt: AT, endedAt: AT, triggeredBy: 'schedule', workerType: 'reload' },
    ],
    webhooks: [
      {
        id: 'webhook-reloads',
        name: 'Reloads',
        url: 'https://hooks.example.test/qlik',
        eventTypes: ['com.qlik.v1.reload.finished'],
        level: 'user',
        enabled: true,
        description: '',
        tenantId,
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
        tenantId,
        creationTime: AT,
        startTime: AT,
        endTime: AT,
        log: 'Reload finished.',
      },
    ],
  };
}

function governance(tenantId: string): MockRecords {
  const event = (id: string, eventType: string, userId: string, source: string): MockRecord => ({
    id,
    eventId: id,
    eventType,
    eventTime: AT,
    eventTypeVersion: '1.0.0',
    userId,
    tenantId,
    source,
    contentType: 'application/json',
    data: { id: SALES, name: 'Sales' },
    extensions: { actor: { sub: userId, subType: 'user' } },
  });
  return {
    audits: [
      event('audit-1', 'com.qlik.v1.app.opened', 'user-cem', 'com.qlik/engine'),
      event('audit-2', 'com.qlik.v1.reload.finished', 'user-ben', 'com.qlik/reloads'),
      event('audit-3', 'com.qlik.user.created', 'user-ada', 'com.qlik/users'),
    ],
    roles: [
      {
        id: 'role-TenantAdmin',
        name: 'TenantAdmin',
        type: 'default',
        level: 'admin',
        description: 'All of it',
        assignedScopes: ['admin_classic'],
        tenantId,
        canEdit: false,
        canDelete: false,
        createdAt: AT,
        lastUpdatedAt: AT,
      },
      {
        id: 'role-Developer',
        name: 'Developer',
        type: 'default',
        level: 'user',
        description: '',
        assignedScopes: [],
        tenantId,
        canEdit: false,
        canDelete: false,
        createdAt: AT,
        lastUpdatedAt: AT,
      },
    ],
    groups: ['Sales', 'Finance'].map((name) => ({
      id: `group-${name}`,
      name,
      status: 'active',
      providerType: 'idp',
      tenantId,
      assignedRoles: [],
      createdAt: AT,
      lastUpdatedAt: AT,
    })),
    'api-keys': [
      {
        id: 'key-ben',
        description: "Ben's laptop",
        sub: 'user-ben',
        subType: 'user',
        status: 'active',
        tenantId,
        created: AT,
        expiry: '2027-01-05T08:00:00.000Z',
        lastUpdated: AT,
        createdByUser: 'user-ben',
      },
    ],
    lineage: lineage(),
  };
}

/** File → table of the file → app: the graph, as edges between nodes. */
function lineage(): MockRecord[] {
  const file = 'qri:qdf:space://mock/orders.qvd';
  const app = `qri:app:sense://${SALES}`;
  return [
    { id: file, label: 'orders.qvd', type: 'DATASET', subtype: 'QVD', down: [app] },
    { id: app, label: 'Sales', type: 'DA_APP', subtype: 'sense', down: ['qri:alert://revenue'] },
    { id: 'qri:alert://revenue', label: 'Revenue falls', type: 'ALERT', subtype: 'data-alert', down: [] },
  ];
}
