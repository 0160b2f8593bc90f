import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';
import { ToolError } from '../../core/toolErrors.js';
import { answer, flag, text } from './answerShape.js';
import type { Resource } from './resource.js';
import { RESOURCES } from './resources.js';
import type { QlikRest } from './rest.js';
import { fully } from './restShapes.js';
import { restTool } from './restTool.js';

/** What may be made, changed and deleted by these tools: what people share, nothing that gives anybody rights. */
const MADE = ['spaces', 'collections', 'glossaries'] as const;
const DELETED = [...MADE, 'apps', 'data-files'] as const;
const MOST_OPERATIONS = 50;

/** Changes to the catalog; none of them is there without `access: "write"`. */
export function changeTools(rest: QlikRest): readonly Tool[] {
  return [createTool(rest), updateTool(rest), deleteTool(rest)];
}

function createTool(rest: QlikRest): Tool {
  return restTool({
    name: 'qlik_create',
    category: 'catalog',
    effect: 'write',
    description: 'Create a resource from its fields, such as name, type and description.',
    input: z.strictObject({ resource: z.enum(MADE), fields: z.record(z.string(), z.unknown()) }),
    output: answer({ id: text, name: text }),
    async run({ resource, fields }, context) {
      return fully(resource, await rest.for(context).send('POST', RESOURCES[resource].base, { body: fields }));
    },
  });
}

function updateTool(rest: QlikRest): Tool {
  return restTool({
    name: 'qlik_update',
    category: 'catalog',
    effect: 'write',
    description: 'Change fields of a resource by JSON Patch.',
    input: z.strictObject({
      resource: z.enum(MADE),
      id: z.string(),
      patch: z
        .array(
          z.strictObject({
            op: z.enum(['add', 'remove', 'replace']),
            path: z.string().describe('/name'),
            value: z.unknown().optional(),
          }),
        )
        .min(1)
        .max(MOST_OPERATIONS),
    }),
    output: answer({ id: text, changed: flag }),
    async run({ resource, id, patch }, context) {
      const { path, variables } = memberOf(resource, id);
      const calls = rest.for(context);
      await calls.send('PATCH', path, { variables, body: patch });
      // It is changed by now: a look that fails must not be taken for a change that did, and be repeated.
      const now = await calls.get(path, { variables }).catch(() => ({}));
      return { id, changed: true, ...fully(resource, now) };
    },
  });
}

function deleteTool(rest: QlikRest): Tool {
  return restTool({
    name: 'qlik_delete',
    category: 'catalog',
    effect: 'destroy',
    description: 'Delete a resource. confirmName repeats its name.',
    input: z.strictObject({ resource: z.enum(DELETED), id: z.string(), confirmName: z.string() }),
    output: answer({ id: text, deleted: flag }),
    async run({ resource, id, confirmName }, context) {
      const { path, variables } = memberOf(resource, id);
      const calls = rest.for(context);
      const { name } = fully(resource, await calls.get(path, { variables }));
      // The name isn't given away: whoever deletes something should have looked at it.
      if (typeof name !== 'string' || name !== confirmName)
        throw new ToolError('Nothing was deleted: confirmName is not the name of what has that id.');
      await calls.send('DELETE', path, { variables });
      return { resource, id, name, deleted: true };
    },
  });
}

function memberOf(resource: (typeof DELETED)[number], id: string) {
  const { base, id: variable } = RESOURCES[resource] as Resource;
  return { path: `${base}/{${variable}}`, variables: { [variable]: id } };
}
