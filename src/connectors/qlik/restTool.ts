import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';

type Spec<Input extends z.ZodObject> = Omit<Tool<z.infer<Input>>, 'input' | 'version'> & { readonly input: Input };

/** A tool whose `run` is handed what its `input` makes of the arguments. */
export function restTool<Input extends z.ZodObject>(spec: Spec<Input>): Tool {
  return { version: '1.0.0', ...spec };
}

/** Arguments that several tools share, spelled as Qlik's own MCP server spells them. */
export const appId = z.string().describe('App GUID');
export const cursor = z.string().optional();
export const limit = z.int().min(1).max(500).optional();
