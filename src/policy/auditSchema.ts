import * as z from 'zod';
import { integer } from '../core/schema.js';
import { Secret } from '../core/secret.js';

const TEBIBYTE = 2 ** 40;

/** A table's name, with its schema or without. Lower case, so that quoted and unquoted mean the same one. */
const table = z
  .string()
  .regex(
    /^([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$/,
    'must be a table such as drawbridge_audit or audit.lines',
  );

/** The URL of a database. It holds a password, so it is never shown. */
const postgresUrl = z
  .string()
  .refine(isPostgresUrl, 'must be a URL such as postgres://user:password@db.example.com/audit')
  .transform((text) => new Secret(text));

const written = z.strictObject({
  /** Lines of JSON; relative to the folder of the configuration. */
  file: z.string().min(1).exactOptional(),
  /** With `file`: bytes that one file holds before the next is begun. */
  maxBytes: integer(65_536, TEBIBYTE).exactOptional(),
  /** With `file`: how many are kept, the one that is written to included. */
  maxFiles: integer(1, 1000).exactOptional(),
  postgres: postgresUrl.exactOptional(),
  /** With `postgres`: made where it is absent. */
  table: table.exactOptional(),
  /** What is kept of a call's arguments. */
  arguments: z.enum(['names', 'none']).default('names'),
  /** Globs of destinations of which the arguments' values are kept too. */
  values: z.array(z.string().min(1)).default([]),
});

type Written = z.infer<typeof written>;

interface Common {
  readonly arguments: 'names' | 'none';
  readonly values: readonly string[];
}

/** `telemetry.audit` of the configuration: where the audit log is kept, and what of a call. */
export type AuditSettings = FileSettings | PostgresSettings;

export interface FileSettings extends Common {
  readonly kind: 'file';
  readonly file: string;
  readonly maxBytes: number;
  readonly maxFiles: number;
}

export interface PostgresSettings extends Common {
  readonly kind: 'postgres';
  readonly url: Secret;
  readonly table: string;
}

export const auditSchema = written.superRefine(assertOnePlace).transform(asSettings);

function assertOnePlace(value: Written, context: z.RefinementCtx): void {
  const fault = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
  const { file, maxBytes, maxFiles, postgres, table: name } = value;
  if (file === undefined && postgres === undefined) fault('file', 'name the place of the audit log: file or postgres');
  if (file !== undefined && postgres !== undefined) fault('postgres', 'choose one place: file or postgres');
  if (file === undefined && maxBytes !== undefined) fault('maxBytes', 'goes with file only');
  if (file === undefined && maxFiles !== undefined) fault('maxFiles', 'goes with file only');
  if (postgres === undefined && name !== undefined) fault('table', 'goes with postgres only');
}

function asSettings(value: Written): AuditSettings {
  const common = { arguments: value.arguments, values: value.values };
  if (value.postgres) {
    return { kind: 'postgres', url: value.postgres, table: value.table ?? 'drawbridge_audit', ...common };
  }
  const { file = '', maxBytes = 104_857_600, maxFiles = 10 } = value;
  return { kind: 'file', file, maxBytes, maxFiles, ...common };
}

function isPostgresUrl(text: string): boolean {
  return URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol);
}
