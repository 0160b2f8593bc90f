import * as z from 'zod';
import { GatewayError } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import type { AdminDeps, QuotaRow, SessionRow, TokenRow } from './admin.js';
import { destinationRoutes } from './adminRoutesDestinations.js';
import { toolRoutes } from './adminRoutesTools.js';
import {
  type AdminRoute,
  type Caller,
  confined,
  id,
  label,
  listed,
  mine,
  missing,
  NONE,
  named,
  page,
  pageOf,
  route,
} from './adminSchema.js';

const sessionRow = z
  .object({
    id: z.string().describe("A digest, not the session's own id."),
    destination: z.string(),
    subject: z.string(),
    tenant: z.string().optional(),
    since: z.number(),
    lastUsed: z.number(),
  })
  .describe('A session of an upstream. Times are epoch milliseconds.');

const tokenRow = z
  .object({
    name: z.string().describe('Of the credential.'),
    subject: z.string().optional(),
    tenant: z.string().optional(),
    obtainedAt: z.number(),
    expiresAt: z.number().optional().describe("Absent for one that doesn't end."),
  })
  .describe('A token that is held, never its value. Times are epoch milliseconds.');

const quotaRow = z.object({
  id: z.string(),
  limit: z.string(),
  allowed: z.string().describe('As configured, such as `600/m`.'),
  about: z.string().optional().describe('The rule, destination or address that it is about.'),
  subject: z.string().optional(),
  tenant: z.string().optional(),
  drawn: z.number().optional(),
  remaining: z.number().optional(),
});

const sessions: readonly AdminRoute[] = [
  route({
    ...listed,
    method: 'get',
    path: '/sessions',
    permission: 'admin/sessions/read',
    operation: 'sessions.list',
    summary: 'List sessions',
    answer: pageOf(sessionRow),
    handle: ({ query }, caller) => page(visibleSessions(caller), (row) => row.id, query),
  }),
  route({
    method: 'delete',
    path: '/sessions/{id}',
    permission: 'admin/sessions/write',
    operation: 'sessions.end',
    summary: 'End a session: it is lost to its owner too',
    params: id,
    query: NONE,
    body: NONE,
    answer: z.object({ ended: z.literal(true) }),
    handle: ({ params }, caller) => {
      const known = visibleSessions(caller).some((row) => row.id === params.id);
      if (!known || !caller.deps.endSession(params.id)) throw missing('there is no such session');
      return { ended: true as const };
    },
  }),
];

const tokens: readonly AdminRoute[] = [
  route({
    ...listed,
    method: 'get',
    path: '/tokens',
    permission: 'admin/tokens/read',
    operation: 'tokens.list',
    summary: 'List the tokens that are held: names and ends, never values',
    answer: pageOf(tokenRow),
    handle: ({ query }, caller) => {
      const { items, ...more } = page(visibleTokens(caller), (row) => scopeKey(ownerOf(row), row.name), query);
      return { items: items.map(endless), ...more };
    },
  }),
  route({
    method: 'delete',
    path: '/tokens/{name}',
    permission: 'admin/tokens/write',
    operation: 'tokens.drop',
    summary: 'Drop the tokens held under a name: the next call gets a fresh one',
    params: named,
    query: NONE,
    body: NONE,
    answer: z.object({ dropped: z.number() }),
    handle: async ({ params: { name } }, caller) => {
      if (!visibleTokens(caller).some((row) => row.name === name)) throw missing('no token is held under that name');
      return { dropped: await caller.deps.dropToken(name, caller.principal.tenant) };
    },
  }),
];

const quotas: readonly AdminRoute[] = [
  route({
    ...listed,
    method: 'get',
    path: '/quotas',
    permission: 'admin/quotas/read',
    operation: 'quotas.list',
    summary: 'List quotas: what is configured, and what each caller has drawn',
    answer: pageOf(quotaRow),
    handle: async ({ query }, caller) => page(await visibleQuotas(caller), (row) => row.id, query),
  }),
  route({
    method: 'post',
    path: '/quotas/reset',
    permission: 'admin/quotas/write',
    operation: 'quotas.reset',
    summary: 'Give back what was drawn of a quota',
    params: NONE,
    query: NONE,
    body: z.strictObject({ id: label(600).describe('As the list gives it.') }),
    answer: z.object({ reset: z.literal(true) }),
    handle: async ({ body }, caller) => {
      const known = (await visibleQuotas(caller)).some((row) => row.id === body.id);
      if (!known || !caller.deps.resetQuota) throw missing('there is no such quota');
      await caller.deps.resetQuota(body.id);
      return { reset: true as const };
    },
  }),
];

const cache: readonly AdminRoute[] = [
  route({
    method: 'get',
    path: '/cache',
    permission: 'admin/cache/read',
    operation: 'cache.stats',
    summary: 'How the result cache fares',
    params: NONE,
    query: NONE,
    body: NONE,
    answer: z.object({ entries: z.number(), bytes: z.number(), hits: z.number(), misses: z.number() }),
    handle: (_input, caller) => cacheOf(caller).stats(),
  }),
  route({
    method: 'delete',
    path: '/cache',
    permission: 'admin/cache/write',
    operation: 'cache.clear',
    summary: 'Clear the result cache',
    params: NONE,
    query: NONE,
    body: NONE,
    answer: z.object({ cleared: z.number() }),
    handle: (_input, caller) => ({ cleared: cacheOf(caller).clear() }),
  }),
];

export const runtimeRoutes: readonly AdminRoute[] = [
  ...sessions,
  ...destinationRoutes,
  ...toolRoutes,
  ...tokens,
  ...quotas,
  ...cache,
];

function visibleSessions({ principal, deps }: Caller): SessionRow[] {
  const within = confined(principal);
  return deps.sessions().filter((row) => mine(principal, row) && within(row.destination));
}

function visibleTokens({ principal, deps }: Caller): TokenRow[] {
  return deps.tokens().filter((row) => mine(principal, row));
}

async function visibleQuotas({ principal, deps }: Caller): Promise<QuotaRow[]> {
  if (!deps.quotas) throw missing('no quotas are kept', 'Set quotas in the configuration.');
  const rows = await deps.quotas(principal.tenant);
  return rows.filter((row) => mine(principal, row));
}

/** One cache for all tenants: how often others hit it is none of a tenant's business. */
function cacheOf({ deps: { cache }, principal }: Caller): NonNullable<AdminDeps['cache']> {
  if (principal.tenant !== undefined) throw new GatewayError('NOT_PERMITTED', 'the result cache serves all tenants');
  if (!cache) throw missing('there is no result cache', 'Switch it on in the configuration.');
  return cache;
}

function ownerOf({ subject, tenant }: TokenRow) {
  return subject === undefined ? null : { subject, ...(tenant === undefined ? {} : { tenant }) };
}

/** JSON has no infinity: a token without an end has no such field. */
function endless(row: TokenRow): z.input<typeof tokenRow> {
  const { expiresAt, ...rest } = row;
  return Number.isFinite(expiresAt) ? { ...rest, expiresAt } : rest;
}
