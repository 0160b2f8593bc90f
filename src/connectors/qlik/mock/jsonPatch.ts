import * as z from 'zod';
import { jsonOf, type RoutedAsk } from './ask.js';
import { badRequest } from './refusal.js';
import type { Row } from './tenant.js';

const Patch = z
  .array(z.strictObject({ op: z.enum(['replace', 'add', 'remove']), path: z.string(), value: z.unknown().optional() }))
  .min(1)
  .max(100);

/** Applies a JSON Patch (RFC 6902) to a record; only these paths of it, each one name deep, may be changed. */
export function patchRow(ask: RoutedAsk, row: Row, paths: readonly string[]): void {
  const operations = jsonOf(ask, Patch);
  for (const { path } of operations)
    if (!paths.includes(path.slice(1)) || !path.startsWith('/')) throw badRequest(`${path} can't be patched.`);
  for (const { op, path, value } of operations) {
    if (op === 'remove') delete row[path.slice(1)];
    else if (value === undefined) throw badRequest(`${path} has no value.`);
    else if (row[path.slice(1)] !== undefined && typeof row[path.slice(1)] !== typeof value)
      throw badRequest(`${path} must be of type ${typeof row[path.slice(1)]}.`);
    else row[path.slice(1)] = value;
  }
}
