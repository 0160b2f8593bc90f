import * as z from 'zod';
import { flag, httpUrl, integer } from '../core/schema.js';

const DAY_MS = 86_400_000;
const duration = (most = DAY_MS) => integer(1, most);

const share = (least: number) => z.number().min(least).max(1);

const ejection = z.strictObject({
  enabled: flag().default(true),
  /** So many in a row. */
  failures: integer(1, 1_000).prefault(3),
  /** Or this part of the calls within ten seconds, ten of them or more. */
  errorShare: share(0.01).default(0.5),
  baseMs: duration().prefault(15_000),
  maxMs: duration().prefault(300_000),
  /** Never more than this part of the pool is out at a time. */
  maxShare: share(0).default(0.5),
});

const healthCheck = z.strictObject({
  method: z.enum(['ping', 'server/discover', 'get']),
  /** Of a `get`. */
  path: z.string().startsWith('/').default('/health'),
  intervalMs: integer(100, DAY_MS).prefault(10_000),
  timeoutMs: integer(10, 60_000).prefault(2_000),
  /** So many in a row take it out, and bring it back. */
  failures: integer(1, 100).prefault(2),
  successes: integer(1, 100).prefault(2),
});

/** The `pool` options: how a call finds one of several URLs. */
export const poolSchema = z.strictObject({
  choice: z.enum(['least-loaded', 'score']).default('least-loaded'),
  ejection: ejection.prefault({}),
  /** A member that is back gets its share bit by bit; 0: at once. */
  slowStartMs: integer(0, DAY_MS).prefault(30_000),
  /** Absent: real traffic alone tells. */
  healthCheck: healthCheck.exactOptional(),
});

export type PoolOptions = z.infer<typeof poolSchema>;
export type EjectionOptions = PoolOptions['ejection'];
export type HealthCheckOptions = NonNullable<PoolOptions['healthCheck']>;

const weighted = z.strictObject({ url: httpUrl(), weight: integer(1, 1_000).prefault(1) });

/** Several URLs, each by itself or with what it can bear compared to the others. */
export const urlList = z
  .array(z.union([httpUrl().transform((url) => ({ url, weight: 1 })), weighted]))
  .min(1)
  .max(64)
  .refine((list) => new Set(list.map(({ url }) => url.href)).size === list.length, 'names a URL twice');

export type WeightedUrl = z.infer<typeof urlList>[number];
