import * as z from 'zod';
import type { Principal } from '../contracts/principal.js';
import { GatewayError } from '../core/errors.js';
import { globs } from '../core/glob.js';
import type { AdminDeps } from './admin.js';

/** Who calls a route, and what is reached for them. */
export interface Caller {
  readonly principal: Principal;
  readonly deps: AdminDeps;
}

/** What came in, unread. */
export interface RawInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/** An answer that is no JSON: text in pieces, read as fast as the caller takes them. */
export interface TextAnswer {
  readonly mediaType: string;
  readonly pieces: AsyncIterable<string>;
}

interface Description {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** Behind `/admin/v1`, with parameters as in OpenAPI: `/keys/{id}`. */
  readonly path: string;
  /** ANY: whoever has at least one permission of this API. */
  readonly permission: string;
  /** `keys.create`; also the route's name in the audit log, behind `admin.`. */
  readonly operation: string;
  readonly summary: string;
  readonly status?: 201;
  /** Media types of an answer that is text. */
  readonly text?: readonly string[];
}

interface Spec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType> extends Description {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly answer: A;
  handle(
    input: { readonly params: z.output<P>; readonly query: z.output<Q>; readonly body: z.output<B> },
    caller: Caller,
  ): z.input<A> | TextAnswer | Promise<z.input<A> | TextAnswer>;
}

/** One row of the table: what OpenAPI says of it, and what runs. */
export interface AdminRoute extends Description {
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  readonly body: z.ZodType;
  readonly answer: z.ZodType;
  /** Checks the input, runs, and lets nothing out that the answer's schema doesn't name. */
  run(input: RawInput, caller: Caller): Promise<unknown>;
}

export const ANY = 'any';

/** For what a route doesn't take. */
export const NONE = z.strictObject({});

/** A row of the table. */
export function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType>(
  spec: Spec<P, Q, B, A>,
): AdminRoute {
  return {
    ...spec,
    async run(input, caller) {
      const params = take(spec.params, input.params, 'path');
      const query = take(spec.query, input.query, 'query');
      const body = take(spec.body, input.body, 'body');
      const answer = await spec.handle({ params, query, body }, caller);
      return isText(answer) ? answer : spec.answer.parse(answer);
    },
  };
}

export function isText(answer: unknown): answer is TextAnswer {
  return typeof answer === 'object' && answer !== null && 'pieces' in answer && 'mediaType' in answer;
}

const SEE = 'See /openapi.json for what the call takes.';

/** @throws GatewayError INVALID_REQUEST that names the field, never its value */
function take<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${[where, ...path].join('.')}: ${message}`);
  throw new GatewayError('INVALID_REQUEST', issues.join('; ').slice(0, 1000), { hint: SEE });
}

export function broken(message: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', message, { hint: SEE });
}

/** The same whether it doesn't exist or belongs to somebody else. */
export function missing(what: string, hint = 'List what there is, and check the name.'): GatewayError {
  return new GatewayError('NOT_FOUND', what, { hint });
}

/** True where a row is the principal's to see and touch: with a tenant, that tenant's own rows only. */
export function mine(principal: Principal, row: { readonly tenant?: string }): boolean {
  return principal.tenant === undefined || row.tenant === principal.tenant;
}

/** Within the destinations that the proof itself is confined to. */
export function confined({ destinations: allowed }: Principal): (name: string) => boolean {
  return allowed === undefined ? () => true : globs(allowed);
}

/** Text from outside that names something: no control characters, nothing endless. */
export function label(most = 256) {
  return z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/u, 'must not hold control characters');
}

export const id = z.strictObject({ id: label() });
export const named = z.strictObject({ name: label() });

const MOST_ROWS = 500;

/** What every list takes. */
export const paging = {
  limit: z.coerce.number().int().min(1).max(MOST_ROWS).default(100).describe('How many rows at most.'),
  cursor: label(600).optional().describe('`next` of the page before.'),
};

/** What a list asks for: a page. */
export const listed = { params: NONE, query: z.strictObject(paging), body: NONE };

/** A page of rows; `next` is there while more follow. */
export function pageOf<Row extends z.ZodType>(row: Row) {
  return z.object({ items: z.array(row), next: z.string().optional() });
}

/** The rows behind the cursor, in the order of their ids, which neither a new row nor one that went can shift. */
export function page<Row>(
  rows: readonly Row[],
  idOf: (row: Row) => string,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): { items: Row[]; next?: string } {
  const behind = rows
    .map((row) => ({ row, id: idOf(row) }))
    .filter((entry) => cursor === undefined || entry.id > cursor)
    .sort((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)));
  const taken = behind.slice(0, limit);
  const last = taken.at(-1);
  const items = taken.map(({ row }) => row);
  return last && behind.length > limit ? { items, next: last.id } : { items };
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
]);

export const DURATION_HINT = 'a whole number with a unit: s, m, h, d or w, such as 24h or 90d';

/** Ten years: past that, no date is meant. */
const LONGEST_MS = 3650 * 86_400_000;

/** `90d` in milliseconds; undefined for what is no duration, or longer than ten years. */
export function durationMs(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,10})([smhdw])$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  const ms = Number(digits) * (UNITS.get(unit) as number);
  return ms <= LONGEST_MS ? ms : undefined;
}

const DURATION = { pattern: '^\\d{1,10}[smhdw]$', examples: ['24h', '90d'] };

/** A duration as text; its output is milliseconds. */
export function duration(least: number, most: number, message: string) {
  return z
    .string()
    .max(11)
    .meta(DURATION)
    .transform((text, context) => {
      const ms = durationMs(text);
      if (ms !== undefined && ms >= least && ms <= most) return ms;
      context.addIssue({ code: 'custom', message: ms === undefined ? `must be ${DURATION_HINT}` : message });
      return z.NEVER;
    });
}
