import * as z from 'zod';
import type { DestinationRow } from './admin.js';
import {
  type AdminRoute,
  type Caller,
  confined,
  listed,
  mine,
  missing,
  NONE,
  named,
  page,
  pageOf,
  route,
} from './adminSchema.js';

const breakerState = z.enum(['closed', 'open', 'half-open']);

const destinationRow = z.object({
  name: z.string(),
  kind: z.string(),
  strategy: z.enum(['PROXY', 'PASSTHROUGH']),
  url: z.string().optional(),
  credential: z.string().optional(),
  tenant: z.string().optional(),
  breaker: breakerState,
  breakers: z
    .array(z.object({ state: breakerState, tool: z.string().optional(), tenant: z.string().optional() }))
    .optional()
    .describe('Of its tools and tenants that have failed, where these have breakers of their own.'),
  members: z
    .array(
      z.object({
        url: z.string(),
        state: z.enum(['serving', 'slow-start', 'ejected', 'unhealthy']),
        inFlight: z.number(),
      }),
    )
    .optional()
    .describe('Of a pool.'),
});

const breakerAnswer = z.object({ destination: z.string(), state: breakerState.optional() });

const closing = {
  params: named,
  query: NONE,
  body: NONE,
  answer: breakerAnswer,
  handle: ({ params: { name } }: { params: { name: string } }, caller: Caller) => {
    found(name, caller);
    caller.deps.resetBreaker(name);
    return { destination: name, state: found(name, caller).breaker };
  },
};

export const destinationRoutes: readonly AdminRoute[] = [
  route({
    ...listed,
    method: 'get',
    path: '/destinations',
    permission: 'admin/destinations/read',
    operation: 'destinations.list',
    summary: 'List destinations and the states of their breakers',
    answer: pageOf(destinationRow),
    handle: ({ query }, caller) => page(visibleDestinations(caller), (row) => row.name, query),
  }),
  route({
    ...listed,
    method: 'get',
    path: '/breakers',
    permission: 'admin/breakers/read',
    operation: 'breakers.list',
    summary: 'List circuit breakers',
    answer: pageOf(
      z.object({
        destination: z.string(),
        state: breakerState,
        parts: destinationRow.shape.breakers,
      }),
    ),
    handle: ({ query }, caller) => {
      const { items, ...more } = page(visibleDestinations(caller), (row) => row.name, query);
      return {
        items: items.map(({ name, breaker, breakers }) => ({
          destination: name,
          state: breaker,
          ...(breakers ? { parts: breakers } : {}),
        })),
        ...more,
      };
    },
  }),
  route({
    method: 'post',
    path: '/breakers/{name}/reset',
    permission: 'admin/breakers/write',
    operation: 'breakers.reset',
    summary: 'Close a circuit breaker: the destination is tried again at once',
    ...closing,
  }),
  route({
    method: 'post',
    path: '/breakers/{name}/close',
    permission: 'admin/breakers/write',
    operation: 'breakers.close',
    summary: 'Close a circuit breaker that was opened, by its failures or by hand',
    ...closing,
  }),
  route({
    method: 'post',
    path: '/breakers/{name}/open',
    permission: 'admin/breakers/write',
    operation: 'breakers.open',
    summary: 'Open a circuit breaker: every call of the destination is refused, for a time or until it is closed',
    params: named,
    query: NONE,
    body: z.strictObject({
      forMs: z.int().min(1).max(86_400_000).optional().describe('Absent: until somebody closes it.'),
    }),
    answer: breakerAnswer,
    handle: ({ params: { name }, body: { forMs } }, caller) => {
      found(name, caller);
      caller.deps.openBreaker(name, forMs);
      return { destination: name, state: found(name, caller).breaker };
    },
  }),
];

/** @throws GatewayError NOT_FOUND for what isn't there, or isn't the caller's to see */
export function found(name: string, caller: Caller): DestinationRow {
  const row = visibleDestinations(caller).find((each) => each.name === name);
  if (!row) throw missing('there is no such destination');
  return row;
}

/** What all tenants share is the operator's: a tenant's principal neither sees nor resets it. */
function visibleDestinations({ principal, deps }: Caller): DestinationRow[] {
  const within = confined(principal);
  return deps.destinations().filter((row) => mine(principal, row) && within(row.name));
}
