import * as z from 'zod';
import type { LogLevels, LogRule } from '../contracts/logLevels.js';
import { GatewayError } from '../core/errors.js';
import { type AdminRoute, broken, type Caller, duration, label, missing, NONE, route } from './adminSchema.js';

const MOST_NAMES = 100;
const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;

const level = z.enum(['error', 'warn', 'info', 'debug']);
const byDestination = z.record(z.string(), level);

const logLevelRow = z
  .object({
    level: level.describe('Of everything that belongs to none of the destinations below.'),
    destinations: byDestination,
    until: z.number().optional().describe('When the configured levels come back; absent where these are they.'),
    configured: z.object({ level, destinations: byDestination }),
  })
  .describe('What the log keeps. Times are epoch milliseconds.');

const wanted = z.strictObject({
  level: level.optional().describe('As configured where absent.'),
  destinations: z
    .record(label(), level)
    .refine((names) => Object.keys(names).length <= MOST_NAMES, `must have at most ${MOST_NAMES} names`)
    .optional()
    .describe('As configured where absent.'),
  ttl: duration(1000, WEEK_MS, 'must be from 1s to 7d')
    .optional()
    .describe('How long it holds: 1h where absent, at most 7d.'),
});

const logLevels: readonly AdminRoute[] = [
  route({
    method: 'get',
    path: '/log-level',
    permission: 'admin/log-level/read',
    operation: 'log-level.read',
    summary: 'What the log keeps now, and what the configuration says',
    params: NONE,
    query: NONE,
    body: NONE,
    answer: logLevelRow,
    handle: (_input, caller) => rowOf(logOf(caller)),
  }),
  route({
    method: 'put',
    path: '/log-level',
    permission: 'admin/log-level/write',
    operation: 'log-level.set',
    summary: 'Log more, or less, for a while: of everything, or of one destination',
    params: NONE,
    query: NONE,
    body: wanted,
    answer: logLevelRow,
    handle: ({ body }, caller) => {
      const log = logOf(caller);
      const { configured } = log.read();
      const destinations = body.destinations ?? configured.destinations;
      assertKnown(destinations, caller);
      const until = caller.deps.clock.now() + (body.ttl ?? HOUR_MS);
      log.set({ level: body.level ?? configured.level, destinations, until });
      return rowOf(log);
    },
  }),
  route({
    method: 'delete',
    path: '/log-level',
    permission: 'admin/log-level/write',
    operation: 'log-level.reset',
    summary: 'Back to the levels of the configuration',
    params: NONE,
    query: NONE,
    body: NONE,
    answer: logLevelRow,
    handle: (_input, caller) => {
      const log = logOf(caller);
      log.reset();
      return rowOf(log);
    },
  }),
];

const reload = route({
  method: 'post',
  path: '/reload',
  permission: 'admin/config/write',
  operation: 'config.reload',
  summary: 'Load the configuration anew: it is taken whole, or not at all, and then the answer has its faults',
  params: NONE,
  query: NONE,
  body: NONE,
  answer: z.object({
    taken: z.literal(true),
    destinations: z.array(z.string()),
    restart: z.array(z.string()).describe('Settings that have changed, and that only a new process can take.'),
    notices: z.array(z.string()),
  }),
  handle: async (_input, caller) => {
    assertOperator(caller, 'the configuration');
    const { operations } = caller.deps;
    if (!operations?.reload) throw missing('there is no file that could be loaded anew');
    const told = await operations.reload();
    if (told.taken)
      return { ...told, destinations: [...told.destinations], restart: [...told.restart], notices: [...told.notices] };
    const message = `the configuration is refused, and the running one stays: ${told.faults.length} faults`;
    throw new GatewayError('CONFIG_REFUSED', message, { faults: told.faults });
  },
});

export const processRoutes: readonly AdminRoute[] = [...logLevels, reload];

/** One log and one configuration for all tenants: both are the operator's. */
function assertOperator({ principal }: Caller, what: string): void {
  if (principal.tenant !== undefined) throw new GatewayError('NOT_PERMITTED', `${what} serves all tenants`);
}

function logOf(caller: Caller): LogLevels {
  assertOperator(caller, 'the log');
  const { operations } = caller.deps;
  if (!operations?.log) throw missing('the levels of this log cannot be changed');
  return operations.log;
}

/** A name that is mistyped would change nothing, and say nothing. */
function assertKnown(destinations: LogRule['destinations'], { deps }: Caller): void {
  const known = new Set(deps.destinations().map(({ name }) => name));
  const strangers = Object.keys(destinations).filter((name) => !known.has(name));
  if (strangers.length > 0) throw broken(`body.destinations: there is no destination ${strangers.join(', ')}`);
}

function rowOf(log: LogLevels): z.input<typeof logLevelRow> {
  const { now, configured } = log.read();
  return { ...now, destinations: { ...now.destinations }, configured: copyOf(configured) };
}

function copyOf({ level: one, destinations }: LogRule) {
  return { level: one, destinations: { ...destinations } };
}
