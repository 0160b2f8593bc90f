import * as z from 'zod';
import type { AuditEntry, AuditLog, AuditQuery } from '../contracts/callers.js';
import { GatewayError } from '../core/errors.js';
import { type AdminRoute, type Caller, label, mine, missing, NONE, pageOf, route } from './adminSchema.js';

type Line = AuditEntry & { readonly sequence: number; readonly hash: string };

const line = z
  .object({
    sequence: z.number(),
    hash: z.string(),
    at: z.number(),
    requestId: z.string(),
    action: z.string(),
    subject: z.string().optional(),
    tenant: z.string().optional(),
    address: z.string(),
    destination: z.string().optional(),
    method: z.string().optional(),
    name: z.string().optional(),
    argumentNames: z.array(z.string()).readonly(),
    outcome: z.enum(['allowed', 'refused', 'failed']),
    status: z.number(),
    code: z.string().optional(),
  })
  .describe('One line of the audit log. `at` is epoch milliseconds.');

const when = z.coerce.number().int().min(0).max(8.64e15).optional();
const sequence = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional();

const filters = {
  from: when.describe('Epoch milliseconds.'),
  to: when.describe('Epoch milliseconds.'),
  subject: label(300).optional(),
  tenant: label(100).optional(),
  destination: label(100).optional(),
  action: label(100).optional(),
};

const PAGE = 500;
/** Of one export; the next one starts behind it with `cursor`. */
const MOST_LINES = 100_000;

const queried = z.strictObject({
  ...filters,
  limit: z.coerce.number().int().min(1).max(PAGE).default(100).describe('How many lines at most.'),
  cursor: sequence.describe('`next` of the page before: the sequence number to start behind.'),
});

const exported = z.strictObject({
  ...filters,
  format: z.enum(['jsonl', 'csv']).default('jsonl'),
  cursor: sequence.describe(`The sequence number to start behind. One export has at most ${MOST_LINES} lines.`),
});

type Filters = Omit<AuditQuery, 'limit' | 'after'>;
type Asked = { readonly [Name in keyof Filters]: Filters[Name] | undefined } & {
  readonly cursor?: number | undefined;
};

export const auditRoutes: readonly AdminRoute[] = [
  route({
    method: 'get',
    path: '/audit',
    permission: 'admin/audit/read',
    operation: 'audit.query',
    summary: 'Query the audit log',
    params: NONE,
    query: queried,
    body: NONE,
    answer: pageOf(line),
    handle: async ({ query: { limit, ...asked } }, caller) => {
      const lines = await read(caller, within(asked, caller), limit, asked.cursor);
      const next = lines.length === limit ? lines.at(-1)?.sequence : undefined;
      const items = lines.filter((entry) => visible(entry, caller));
      return { items, ...(next === undefined ? {} : { next: String(next) }) };
    },
  }),
  route({
    method: 'get',
    path: '/audit/verify',
    permission: 'admin/audit/read',
    operation: 'audit.verify',
    summary: 'Check that no line of the audit log was changed or taken out; for principals without a tenant',
    params: NONE,
    query: NONE,
    body: NONE,
    answer: z.object({ whole: z.boolean(), lines: z.number(), brokenAt: z.number().optional() }),
    handle: async (_input, caller) => {
      if (caller.principal.tenant !== undefined) {
        throw new GatewayError('NOT_PERMITTED', 'the chain runs through the lines of all tenants');
      }
      const found = await logOf(caller).verify();
      return { ...found, whole: found.brokenAt === undefined };
    },
  }),
  route({
    method: 'get',
    path: '/audit/export',
    permission: 'admin/audit/read',
    operation: 'audit.export',
    summary: 'Export the audit log as JSON lines or CSV',
    text: ['application/jsonl', 'text/csv; charset=utf-8'],
    params: NONE,
    query: exported,
    body: NONE,
    answer: z.never(),
    handle: ({ query: { format, ...asked } }, caller) => {
      const filter = within(asked, caller);
      logOf(caller);
      const csv = format === 'csv';
      const pieces = written(caller, filter, asked.cursor, csv);
      return { mediaType: csv ? 'text/csv; charset=utf-8' : 'application/jsonl', pieces };
    },
  }),
];

function logOf({ deps: { audit } }: Caller): AuditLog {
  if (!audit) throw missing('no audit log is kept', 'Set audit in the configuration.');
  return audit;
}

/** The filter that was asked for, inside the caller's own tenant. */
function within({ cursor: _cursor, ...asked }: Asked, { principal }: Caller): Filters {
  const { tenant } = principal;
  if (tenant !== undefined && asked.tenant !== undefined && asked.tenant !== tenant) {
    throw new GatewayError('NOT_PERMITTED', 'these are the lines of another tenant');
  }
  const given = Object.entries(asked).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), ...(tenant === undefined ? {} : { tenant }) };
}

function read(caller: Caller, filter: Filters, limit: number, after: number | undefined): Promise<readonly Line[]> {
  return logOf(caller).query({ ...filter, limit, ...(after === undefined ? {} : { after }) });
}

/** A second look, whatever the log made of the filter. */
function visible({ tenant }: Line, { principal }: Caller): boolean {
  return mine(principal, tenant === undefined ? {} : { tenant });
}

async function* written(caller: Caller, filter: Filters, after: number | undefined, csv: boolean) {
  // The head comes with the first lines, so that a log that can't be read is still answered with an error.
  let head = csv ? csvLine(COLUMNS) : '';
  for (let left = MOST_LINES, at = after; left > 0; left -= PAGE) {
    const lines = await read(caller, filter, PAGE, at);
    const shown = lines.filter((entry) => visible(entry, caller)).map((entry) => line.parse(entry));
    yield head + shown.map((entry) => (csv ? csvLine(cells(entry)) : `${JSON.stringify(entry)}\n`)).join('');
    head = '';
    if (lines.length < PAGE) return;
    at = lines.at(-1)?.sequence;
  }
}

const COLUMNS = Object.keys(line.shape);

function cells(entry: z.output<typeof line>): string[] {
  const all = new Map<string, unknown>(Object.entries(entry));
  return COLUMNS.map((column) => {
    const value = all.get(column);
    return Array.isArray(value) ? value.join(' ') : String(value ?? '');
  });
}

/** RFC 4180. A cell that a spreadsheet would take for a formula is kept from being one. */
function csvLine(values: readonly string[]): string {
  const quoted = values.map((value) => `"${(/^[=+\-@\t\r]/.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`);
  return `${quoted.join(',')}\r\n`;
}
