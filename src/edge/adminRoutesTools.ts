import * as z from 'zod';
import type { ToolChoice, ToolState } from '../contracts/toolSwitches.js';
import { found } from './adminRoutesDestinations.js';
import {
  type AdminRoute,
  type Caller,
  label,
  listed,
  missing,
  NONE,
  named,
  page,
  pageOf,
  route,
} from './adminSchema.js';

const toolRow = z
  .object({
    name: z.string(),
    version: z.string(),
    category: z.string(),
    effect: z.enum(['read', 'write', 'destroy']),
    enabled: z.boolean(),
    deprecated: z.string().optional().describe('What to call instead.'),
  })
  .describe('A tool of a destination of kind `toolset`.');

const switching = {
  params: named,
  query: NONE,
  body: z
    .strictObject({
      tool: label().optional().describe('Its name.'),
      category: label().optional().describe('All tools of that category.'),
    })
    .refine(({ tool, category }) => (tool === undefined) !== (category === undefined), {
      message: 'must name a tool or a category',
    }),
  answer: z.object({ items: z.array(toolRow).describe('The tools that were chosen, as they are now.') }),
};

type Chosen = z.output<(typeof switching)['body']>;

function turn(destination: string, { tool, category }: Chosen, enabled: boolean, caller: Caller) {
  toolsOf(destination, caller);
  const choice: ToolChoice = tool === undefined ? { category: category as string } : { tool };
  const turned = caller.deps.turnTools({ destination, choice, enabled });
  if (!turned) throw missing('the destination has no such tools');
  return { items: [...turned] };
}

export const toolRoutes: readonly AdminRoute[] = [
  route({
    method: 'get',
    path: '/destinations/{name}/tools',
    permission: 'admin/tools/read',
    operation: 'tools.list',
    summary: 'List the tools of a toolset, and whether each is switched on',
    ...listed,
    params: named,
    answer: pageOf(toolRow),
    handle: ({ params: { name }, query }, caller) => page(toolsOf(name, caller), (row) => row.name, query),
  }),
  route({
    method: 'post',
    path: '/destinations/{name}/tools/disable',
    permission: 'admin/tools/write',
    operation: 'tools.disable',
    summary: 'Switch off a tool, or a category: it is in no list, and unknown to whoever calls it',
    ...switching,
    handle: ({ params: { name }, body }, caller) => turn(name, body, false, caller),
  }),
  route({
    method: 'post',
    path: '/destinations/{name}/tools/enable',
    permission: 'admin/tools/write',
    operation: 'tools.enable',
    summary: 'Switch a tool, or a category, on again',
    ...switching,
    handle: ({ params: { name }, body }, caller) => turn(name, body, true, caller),
  }),
];

/** @throws GatewayError NOT_FOUND for a destination that isn't the caller's to see, or has no tools of its own */
function toolsOf(destination: string, caller: Caller): readonly ToolState[] {
  found(destination, caller);
  const tools = caller.deps.tools(destination);
  if (!tools) throw missing('the tools of that destination do not live here', 'Name a destination of kind "toolset".');
  return tools;
}
