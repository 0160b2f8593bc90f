import * as z from 'zod';
import type { Tool } from '../contracts/tools.js';
import { isObject } from '../core/json.js';

type Json = { readonly [key: string]: unknown };

/** A tool as `tools/list` shows it (2026-07-28, Tools). Every word of it is read by a model, again and again: it holds no idle one. */
export interface ListedTool extends Json {
  readonly name: string;
  readonly inputSchema: Json;
}

export function listedTool(tool: Tool): ListedTool {
  const { name, title, deprecated, description, version } = tool;
  const notice = deprecated === undefined ? '' : `Deprecated: call ${deprecated} instead. `;
  return {
    name,
    ...(title === undefined ? {} : { title }),
    description: notice + description,
    inputSchema: jsonSchema(tool.input, 'input'),
    ...(tool.output ? { outputSchema: jsonSchema(tool.output, 'output') } : {}),
    annotations: annotations(tool),
    _meta: { version, ...(deprecated === undefined ? {} : { deprecated }) },
  };
}

/** True where a call may be made again without asking: it changes nothing more. */
export function isRepeatable({ effect, idempotent }: Tool): boolean {
  return effect === 'read' || idempotent === true;
}

/** Of what only reads, the other two mean nothing (2026-07-28, ToolAnnotations). One vendor is no open world. */
function annotations(tool: Tool): Json {
  if (tool.effect === 'read') return { readOnlyHint: true, openWorldHint: false };
  return {
    readOnlyHint: false,
    destructiveHint: tool.effect === 'destroy',
    idempotentHint: isRepeatable(tool),
    openWorldHint: false,
  };
}

function jsonSchema(schema: z.ZodObject, io: 'input' | 'output'): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, override: ({ jsonSchema: part }) => thin(part, io) });
  return json;
}

/**
 * Without what says nothing: the bounds that every whole number has, and, of an answer, that anything may be in it. Nor that
 * it holds nothing else, which would only keep an older client from a newer tool.
 */
function thin(part: Record<string, unknown>, io: 'input' | 'output'): void {
  if (part.minimum === Number.MIN_SAFE_INTEGER) delete part.minimum;
  if (part.maximum === Number.MAX_SAFE_INTEGER) delete part.maximum;
  if (io === 'input') return;
  for (const name of ['additionalProperties', 'items']) if (saysNothing(part[name])) delete part[name];
}

function saysNothing(schema: unknown): boolean {
  return schema === false || (isObject(schema) && Object.keys(schema).length === 0);
}
