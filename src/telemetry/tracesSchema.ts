import * as z from 'zod';
import { headerName, headerValue, httpUrl, integer } from '../core/schema.js';

const share = 'must be a number from 0 to 1';

/** A number from 0 to 1, or the same as text, since `${…}` always comes as text. */
const ratio = z.union([
  z.number(share).min(0, share).max(1, share),
  z
    .string()
    .regex(/^(0(\.\d+)?|1(\.0+)?)$/, share)
    .transform(Number),
]);

/** `telemetry.traces`: where spans go, and how many. */
export const tracesSchema = z.strictObject({
  /** Of a collector that speaks OTLP over HTTP; without a path, `/v1/traces` is meant. */
  endpoint: httpUrl(),
  /** What the collector wants to be shown, such as a key. */
  headers: z.record(headerName(), headerValue()).default({}),
  /** Of the exchanges that no caller has decided about. */
  sampleRatio: ratio.prefault(1),
  serviceName: z.string().min(1).max(255).default('mcp-drawbridge'),
  exportEveryMs: integer(100, 600_000).prefault(5_000),
});

export type TracesSettings = z.output<typeof tracesSchema>;
