import { AT, SALES } from './seedStamps.js';
import type { MockRecord, MockRecords } from './types.js';

const event = (id: string, eventType: string, userId: string, source: string): MockRecord => ({
  id,
  eventId: id,
  eventType,
  eventTime: AT,
  eventTypeVersion: '1.0.0',
  userId,

  source,
  contentType: 'application/json',
  data: { id: SALES, name: 'Sales' },
  extensions: { actor: { sub: userId, subType: 'user' } },
});

/** Who did what, who may do what, and where data comes from. */
export const SEED_GOVERNANCE: MockRecords = {
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

      created: AT,
      expiry: '2027-01-05T08:00:00.000Z',
      lastUpdated: AT,
      createdByUser: 'user-ben',
    },
  ],
  lineage: lineage(),
};

/** File → app → alert. */
function lineage(): MockRecord[] {
  const file = 'qri:qdf:space://mock/orders.qvd';
  const app = `qri:app:sense://${SALES}`;
  return [
    { id: file, label: 'orders.qvd', type: 'DATASET', subtype: 'QVD', down: [app] },
    { id: app, label: 'Sales', type: 'DA_APP', subtype: 'sense', down: ['qri:alert://revenue'] },
    { id: 'qri:alert://revenue', label: 'Revenue falls', type: 'ALERT', subtype: 'data-alert', down: [] },
  ];
}
