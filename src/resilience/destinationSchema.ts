import * as z from 'zod';
import { flag, integer } from '../core/schema.js';
import type { BreakerOptions } from './breakers.js';
import type { OwnRules } from './ownRules.js';
import type { RetryOptions } from './retry.js';

const duration = integer(0, 86_400_000);
const statuses = z.array(integer(400, 599)).max(200);
/** `tools/call` or `tools/call get_*`: a method, or a method and a name, in which `*` stands for anything. */
const calls = z.array(z.string().min(1).max(512)).max(200);

/** Which circuits there are besides that of the destination. */
export const perParts = z.array(z.enum(['tool', 'tenant'])).max(2);

const resilience = z.strictObject({
  connectMs: duration.exactOptional(),
  firstByteMs: duration.exactOptional(),
  idleMs: duration.exactOptional(),
  retry: z
    .strictObject({
      attempts: integer(1, 100).exactOptional(),
      baseMs: duration.exactOptional(),
      maxMs: duration.exactOptional(),
      unsafe: flag().exactOptional(),
      statuses: statuses.exactOptional(),
      safe: calls.default([]),
      never: calls.default([]),
    })
    .prefault({}),
  circuitBreaker: z
    .strictObject({
      failures: integer(1, 1_000_000).exactOptional(),
      resetMs: duration.exactOptional(),
      per: perParts.exactOptional(),
      statuses: statuses.exactOptional(),
      timeouts: flag().default(true),
    })
    .prefault({}),
  /** Rules of a kind, which says which other options it takes. */
  rules: z.looseObject({ kind: z.string().min(1) }).exactOptional(),
});

/** What every destination takes besides the options of its kind. */
export const destinationFields = z.strictObject({
  /** Where it differs from the section of that name. */
  resilience: resilience.prefault({}),
  /** Destinations that are called in its place while it can't be had, in this order. */
  fallback: z.array(z.string()).max(10).default([]),
});

export type DestinationFields = z.infer<typeof destinationFields>;

/** How calls of a destination are judged. */
export interface CallRules {
  readonly retry: RetryOptions;
  readonly breaker: BreakerOptions;
  /** Answers that say: not now. Anything else an upstream says is its answer. */
  readonly temporary: ReadonlySet<number>;
  /** Answers that count as failures. */
  readonly sick: ReadonlySet<number>;
  /** Whether an answer that doesn't come in time counts. */
  readonly timeouts: boolean;
  /** What an operator says of a call's repetition; undefined where the table decides. */
  readonly repeats?: (method: string, name: string | undefined) => boolean | undefined;
  /** What is asked before all of this. */
  readonly own?: OwnRules;
}
