import * as z from 'zod';
import { integer } from '../core/schema.js';
import { parseCallPattern, rate } from './rate.js';

/** Destinations' names, in which `*` stands for any run of characters. */
function destinationGlob() {
  return z
    .string()
    .regex(/^[A-Za-z0-9*][\w.*-]{0,63}$/, 'must be the name of a destination, in which * stands for anything');
}

function callPattern() {
  return z
    .string()
    .refine(
      (text) => parseCallPattern(text) !== undefined,
      'must be <destination>/<method> or <destination>/<method>:<name>, such as qlik/tools/call:qlik_*',
    );
}

function slots() {
  return integer(1, 1_000_000);
}

/** How much callers may. What isn't named isn't limited. */
export const quotasSchema = z.strictObject({
  /** By each process alone, before the caller's proof is looked at. */
  perAddress: rate().optional(),
  perCaller: rate().optional(),
  perTenant: rate().optional(),
  /** All callers together. */
  perDestination: z.record(destinationGlob(), rate()).default({}),
  /** Each caller for itself; all that a rule matches draws from one bucket. */
  perTool: z.record(callPattern(), rate()).default({}),
  /** Calls that run at the same time. */
  concurrent: z
    .strictObject({
      perCaller: slots().optional(),
      perTenant: slots().optional(),
      perDestination: z.record(destinationGlob(), slots()).default({}),
    })
    .default({ perDestination: {} }),
  /** Refuse a part of new calls while the event loop is later than this. */
  shed: z.strictObject({ lagMs: integer(10, 60_000) }).optional(),
  /** An entry of `stores`; this process's memory where absent. */
  store: z.string().min(1).optional(),
});

export type QuotasOptions = z.infer<typeof quotasSchema>;
