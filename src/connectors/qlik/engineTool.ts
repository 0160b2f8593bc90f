import * as z from 'zod';
import type { Tool, ToolContext } from '../../contracts/tools.js';

const VERSION = '1.0.0';

/** An app by its id, without selections, or by the handle that it was opened with. */
export const target = { appId: z.string().optional(), handle: z.string().optional() };

/** For what comes in pages. */
export const paged = { limit: z.number().optional(), cursor: z.string().optional() };

type Words<Shape extends z.ZodRawShape> = Omit<Tool, 'version' | 'input' | 'run' | 'effect'> & {
  readonly effect?: Tool['effect'];
  readonly input: Shape;
  run(args: z.output<z.ZodObject<Shape>>, context: ToolContext): Promise<object>;
};

/** A tool of the engine; one that reads, unless it says otherwise. */
export function tool<Shape extends z.ZodRawShape>(words: Words<Shape>): Tool {
  const { effect = 'read', input, ...rest } = words;
  return { version: VERSION, effect, input: z.strictObject(input), ...rest };
}
