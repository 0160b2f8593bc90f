import * as z from 'zod';
import type { RoutedAsk } from './ask.js';
import { page } from './pages.js';
import { notFound } from './refusal.js';
import { type Resource, resource, rowOf } from './resource.js';
import type { Route } from './router.js';
import type { Row, Tenant } from './tenant.js';

const ROLES = ['TenantAdmin', 'AuditAdmin'];

const AUDITS: Resource = {
  path: '/api/v1/audits',
  idName: 'id',
  scope: 'audits',
  roles: ROLES,
  equals: ['eventType', 'source', 'userId', 'id'],
  query: ['eventTime'],
  sort: ['eventTime', 'eventType', 'userId', 'source'],
  sees: () => true,
  list: (rows, ask) => {
    // `from/to`, either of which may be missing.
    const [from = '', to = ''] = (ask.query.get('eventTime') ?? '').split('/');
    return rows.filter((row) => String(row.eventTime) >= from && (to === '' || String(row.eventTime) <= to));
  },
  show: (row, ask) => ({ ...row, links: { self: { href: `${ask.origin}/api/v1/audits/${row.id}` } } }),
};

const Webhook = z.strictObject({
  name: z.string().min(1),
  url: z.url({ protocol: /^https$/, hostname: z.regexes.domain }),
  eventTypes: z.array(z.string()).min(1),
  description: z.string().optional(),
  filter: z.string().optional(),
  level: z.enum(['tenant', 'user']).optional(),
  enabled: z.boolean().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  encryptedHeaders: z.record(z.string(), z.string()).optional(),
  secret: z.string().min(32).max(64).optional(),
  ownerId: z.string().optional(),
  checkCertificateRevocation: z.boolean().optional(),
  enableCloudEventDelivery: z.boolean().optional(),
});

const WEBHOOKS: Resource = {
  path: '/api/v1/webhooks',
  idName: 'id',
  scope: 'webhooks',
  equals: ['name', 'enabled', 'level', 'ownerId', 'url'],
  query: ['eventType', 'updatedByUserId', 'createdByUserId', 'origin', 'page'],
  sort: ['name', 'url', 'createdAt', 'updatedAt'],
  create: Webhook,
  replace: Webhook,
  patch: ['name', 'description', 'enabled', 'eventTypes', 'url', 'filter', 'secret', 'headers'],
  removed: true,
  born: (_, __, body) => ({ enabled: body.enabled ?? true, level: body.level ?? 'user' }),
  show: ({ secret: _, ...row }) => row,
};

function deliveries(ask: RoutedAsk, tenant: Tenant): Row[] {
  const { id } = rowOf(WEBHOOKS, ask, tenant);
  return [...tenant.rows('deliveries').values()].filter((row) => row.webhookId === id);
}

function deliveryOf(ask: RoutedAsk, tenant: Tenant): Row {
  const found = deliveries(ask, tenant).find(({ id }) => id === ask.params.deliveryId);
  if (!found) throw notFound();
  return found;
}

function distinct(tenant: Tenant, name: string): string[] {
  return [...new Set([...tenant.rows('audits').values()].map((row) => String(row[name])))].sort();
}

const audits = { method: 'GET', scope: 'audits', roles: ROLES } as const;
const hooks = { scope: 'webhooks' } as const;
const list = '/api/v1/webhooks/{id}/deliveries';

/** Audits, and webhooks with their deliveries. */
export const governanceRoutes: readonly Route[] = [
  ...resource(AUDITS),
  {
    ...audits,
    path: '/api/v1/audits/types',
    run: (_, tenant) => ({ status: 200, json: { data: distinct(tenant, 'eventType') } }),
  },
  {
    ...audits,
    path: '/api/v1/audits/sources',
    run: (_, tenant) => ({ status: 200, json: { data: distinct(tenant, 'source') } }),
  },
  {
    ...audits,
    path: '/api/v1/audits/settings',
    run: () => ({ status: 200, json: { data: { ArchiveEnabled: true, EventTTL: 7_776_000 } } }),
  },
  ...resource(WEBHOOKS),
  {
    ...hooks,
    method: 'GET',
    path: '/api/v1/webhooks/event-types',
    run: () => {
      const names = ['com.qlik.v1.reload.finished', 'com.qlik.v1.app.opened', 'com.qlik.app.created'];
      const data = names.map((name) => ({ name, title: name, source: 'com.qlik', levels: ['tenant', 'user'] }));
      return { status: 200, json: { data } };
    },
  },
  {
    ...hooks,
    method: 'GET',
    path: list,
    query: ['limit', 'next', 'prev', 'page', 'sort', 'status', 'eventType'],
    run: (ask, tenant) => page(tenant, ask, deliveries(ask, tenant), { sort: ['status', 'triggeredAt'] }),
  },
  {
    ...hooks,
    method: 'GET',
    path: `${list}/{deliveryId}`,
    run: (ask, tenant) => ({ status: 200, json: deliveryOf(ask, tenant) }),
  },
  {
    ...hooks,
    method: 'POST',
    path: `${list}/{deliveryId}/actions/resend`,
    run: (ask, tenant) => ({ status: 200, json: deliveryOf(ask, tenant) }),
  },
];
