import * as z from 'zod';
import { flag, integer } from '../core/schema.js';

const DAY_MS = 86_400_000;

/** The methods whose answers the protocol lets anybody keep (2026-07-28, Caching). */
export const CACHEABLE = [
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'server/discover',
] as const;

/** `resilience.resultCache` of the configuration. */
export const resultCacheSchema = z.strictObject({
  enabled: flag().default(false),
  maxBytes: integer(0, 2 ** 34).prefault(64 * 1024 * 1024),
  maxEntries: integer(0, 1_000_000).prefault(10_000),
  /** For answers of older revisions, which say nothing of it: milliseconds by method; absent, such an answer isn't kept. */
  legacyTtlMs: z.partialRecord(z.enum(CACHEABLE), integer(0, DAY_MS)).default({}),
});

export type ResultCacheOptions = z.infer<typeof resultCacheSchema>;
