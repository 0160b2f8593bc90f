import * as z from 'zod';
import { scopeKey } from '../core/scopeKey.js';
import type { CallRow } from '../gateway/callFeed.js';
import { type AdminRoute, type Caller, confined, listed, mine, NONE, page, pageOf, route } from './adminSchema.js';
import { CallStream } from './callStream.js';

/** Who did what is the audit log's to tell. */
const SEES_SUBJECTS = 'admin/audit/read';

const childRow = z
  .object({
    destination: z.string(),
    pid: z.number(),
    since: z.number(),
    subject: z.string().optional().describe('Whose it is; absent for one that serves everybody.'),
    tenant: z.string().optional(),
  })
  .describe('A process that a destination has started. `since` is epoch milliseconds.');

export const liveRoutes: readonly AdminRoute[] = [
  route({
    method: 'get',
    path: '/children',
    permission: 'admin/children/read',
    operation: 'children.list',
    summary: 'List the processes that destinations have started',
    ...listed,
    answer: pageOf(childRow),
    handle: ({ query }, { principal, deps }) => {
      const within = confined(principal);
      const rows = deps.children().filter((row) => mine(principal, row) && within(row.destination));
      return page(rows, (row) => String(row.pid).padStart(12, '0'), query);
    },
  }),
  route({
    method: 'get',
    path: '/calls',
    permission: 'admin/calls/read',
    operation: 'calls.watch',
    summary: `Watch calls as they end, as server-sent events; who calls is for those who may ${SEES_SUBJECTS}`,
    text: ['text/event-stream'],
    params: NONE,
    query: NONE,
    body: NONE,
    answer: z.never(),
    handle: (_input, caller) => ({ mediaType: 'text/event-stream', pieces: watched(caller) }),
  }),
];

function watched({ principal, deps }: Caller): CallStream {
  const within = confined(principal);
  const everywhere = principal.destinations === undefined;
  const subjects = deps.permits(principal, SEES_SUBJECTS);
  return new CallStream({
    owner: scopeKey(principal),
    feed: deps.calls,
    clock: deps.clock,
    sees: (row) => mine(principal, row) && (row.destination === undefined ? everywhere : within(row.destination)),
    shown: subjects ? (row) => row : nameless,
  });
}

function nameless({ subject: _subject, ...row }: CallRow): object {
  return row;
}
