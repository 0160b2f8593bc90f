import * as z from 'zod';
import { httpUrl } from '../core/schema.js';
import { networkSchema } from '../wire/networkSchema.js';
import { selectionFields } from './toolSelection.js';

/** What a destination of kind `toolset` takes; its own `options` are judged by the toolset itself. */
export const toolsetOptions = z.strictObject({
  /** Which of the toolsets in this house. */
  toolset: z.string().min(1),
  /** Where the vendor is; some toolsets call nobody, and take none. */
  url: httpUrl().optional(),
  /** The name of a credential; its origins must list this URL's. */
  credential: z.string().optional(),
  ...selectionFields,
  /** The toolset's own. */
  options: z.record(z.string(), z.unknown()).default({}),
  /** How the vendor, and the provider of its credential, are reached. */
  network: networkSchema.optional(),
});

export type ToolsetOptions = z.infer<typeof toolsetOptions>;
