import * as z from 'zod';
import type { ApiKey, NewKey } from '../contracts/callers.js';
import { GatewayError } from '../core/errors.js';
import { globs } from '../core/glob.js';
import {
  type AdminRoute,
  broken,
  type Caller,
  duration,
  id,
  label,
  listed,
  mine,
  missing,
  NONE,
  page,
  pageOf,
  route,
} from './adminSchema.js';

const DAY_MS = 86_400_000;
const MOST_NAMES = 100;

const keyRow = z
  .object({
    id: z.string(),
    name: z.string(),
    tenant: z.string().optional(),
    roles: z.array(z.string()),
    destinations: z.array(z.string()).optional().describe('Globs; absent: any.'),
    createdAt: z.number(),
    expiresAt: z.number().optional(),
    revokedAt: z.number().optional(),
    state: z.enum(['active', 'ended', 'revoked']),
  })
  .describe('An API key without its text. Times are epoch milliseconds.');

const newKey = z.object({
  key: z.string().describe("The key's text. It is shown this once and can't be had again."),
  record: keyRow,
});

const wanted = z.strictObject({
  name: label(100),
  tenant: label(100).optional().describe("By default the caller's own."),
  roles: z.array(label(100)).max(MOST_NAMES).default([]),
  destinations: z.array(label(100)).min(1).max(MOST_NAMES).optional().describe("Globs. By default the caller's own."),
  expires: duration(1000, 3650 * DAY_MS, 'must be at least 1s')
    .optional()
    .describe('By default the key has no end.'),
});

const overlap = z.strictObject({
  overlap: duration(0, 30 * DAY_MS, 'must be at most 30d')
    .optional()
    .describe('How long the old key serves on: 24h by default, 0s to end it at once.'),
});

type Rights = Pick<NewKey, 'tenant' | 'roles' | 'destinations'>;

export const keyRoutes: readonly AdminRoute[] = [
  route({
    method: 'get',
    path: '/keys',
    permission: 'admin/keys/read',
    operation: 'keys.list',
    summary: 'List API keys',
    ...listed,
    answer: pageOf(keyRow),
    handle: ({ query }, caller) => {
      const { items, ...more } = page(visible(caller), (key) => key.id, query);
      return { items: items.map((key) => shown(key, caller)), ...more };
    },
  }),
  route({
    method: 'post',
    path: '/keys',
    permission: 'admin/keys/write',
    operation: 'keys.create',
    summary: 'Create an API key, with at most the rights of the caller',
    status: 201,
    params: NONE,
    query: NONE,
    body: wanted,
    answer: newKey,
    handle: async ({ body }, caller) => {
      const { expires, ...rest } = body;
      const asked = withOwn(rest, caller);
      assertWithin(caller, asked);
      const made = await caller.deps.keys.create({
        ...asked,
        ...(expires === undefined ? {} : { expiresInMs: expires }),
      });
      return { key: made.key, record: shown(made.record, caller) };
    },
  }),
  route({
    method: 'post',
    path: '/keys/{id}/rotate',
    permission: 'admin/keys/write',
    operation: 'keys.rotate',
    summary: 'Replace an API key by a new one with the same rights; the old one serves on for a while',
    status: 201,
    params: id,
    query: NONE,
    body: overlap,
    answer: newKey,
    handle: async ({ params, body }, caller) => {
      const key = own(params.id, caller);
      // Whoever rotates a key gets its rights.
      assertWithin(caller, key);
      if (stateOf(key, caller) !== 'active') throw broken('the key has ended: create a new one');
      const made = await caller.deps.keys.rotate(key.id, body.overlap ?? DAY_MS);
      return { key: made.key, record: shown(made.record, caller) };
    },
  }),
  route({
    method: 'delete',
    path: '/keys/{id}',
    permission: 'admin/keys/write',
    operation: 'keys.revoke',
    summary: 'Revoke an API key at once',
    params: id,
    query: NONE,
    body: NONE,
    answer: z.object({ revoked: z.literal(true) }),
    handle: async ({ params }, caller) => {
      if (!(await caller.deps.keys.revoke(own(params.id, caller).id))) throw unknownKey();
      return { revoked: true as const };
    },
  }),
];

function visible(caller: Caller): ApiKey[] {
  return caller.deps.keys.list().filter((key) => mine(caller.principal, key));
}

function own(wantedId: string, caller: Caller): ApiKey {
  const key = visible(caller).find((candidate) => candidate.id === wantedId);
  if (!key) throw unknownKey();
  return key;
}

function unknownKey(): GatewayError {
  return missing('there is no such key');
}

function shown(key: ApiKey, caller: Caller): z.input<typeof keyRow> {
  const { roles, destinations, ...rest } = key;
  const more = destinations === undefined ? {} : { destinations: [...destinations] };
  return { ...rest, ...more, roles: [...roles], state: stateOf(key, caller) };
}

function stateOf(key: ApiKey, { deps }: Caller): 'active' | 'ended' | 'revoked' {
  if (key.revokedAt !== undefined) return 'revoked';
  return key.expiresAt !== undefined && key.expiresAt <= deps.clock.now() ? 'ended' : 'active';
}

/** A key that says nothing of a tenant or of destinations isn't free of them: it has its creator's. */
function withOwn(asked: Omit<z.output<typeof wanted>, 'expires'>, { principal }: Caller): NewKey {
  const tenant = asked.tenant ?? principal.tenant;
  const destinations = asked.destinations ?? principal.destinations;
  return {
    name: asked.name,
    roles: asked.roles,
    ...(tenant === undefined ? {} : { tenant }),
    ...(destinations === undefined ? {} : { destinations }),
  };
}

/**
 * Nobody hands out what they don't have themselves. `admin/*` lifts that for roles and destinations, and for tenants
 * where the principal has none: out of its own tenant nobody gets.
 * @throws GatewayError NOT_PERMITTED
 */
function assertWithin({ principal, deps }: Caller, rights: Rights): void {
  const everything = deps.permits(principal, 'admin/*');
  const free = everything && principal.tenant === undefined;
  if (rights.tenant !== principal.tenant && !free) throw tooMuch('a key of another tenant');
  if (everything) return;
  const held = new Set(principal.roles);
  if (rights.roles?.some((role) => !held.has(role))) throw tooMuch('a key with roles that you do not have');
  if (!reaches(principal.destinations, rights.destinations)) {
    throw tooMuch('a key for destinations that you do not have');
  }
}

/** Whether all that the wanted globs can match, the held ones match too. A `*` in what is wanted can be matched by a `*` only. */
function reaches(held: readonly string[] | undefined, asked: readonly string[] | undefined): boolean {
  if (held === undefined) return true;
  return asked?.every(globs(held)) === true;
}

function tooMuch(what: string): GatewayError {
  return new GatewayError('NOT_PERMITTED', `this would give out ${what}`, {
    hint: 'Ask for at most your own rights, or have an operator with admin/* do it.',
  });
}
