import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';
import { answer, flag, list, number, text } from './answerShape.js';
import type { Engine } from './engine.js';
import { variablesOf } from './engineObjects.js';
import { type PageAsked, pageOf } from './enginePages.js';
import { readScript, replaceScript, scriptErrors } from './engineScript.js';
import { paged, target, tool } from './engineTool.js';
import type { QixApp } from './engineTypes.js';

const USUAL_VARIABLES = 100;

/** The load script and the variables of an app. */
export function scriptTools(engine: Engine, access: 'read' | 'write'): Tool[] {
  const reading = [
    tool({
      name: 'qlik_get_script',
      category: 'governance',
      description: 'Load script of an app',
      input: { ...target, cursor: z.string().optional() },
      output: answer({ script: text, length: number, nextCursor: text }),
      run: (args, context) => engine.use(context, args, 'read', (app) => readScript(app, args.cursor)),
    }),
    tool({
      name: 'qlik_check_script',
      category: 'governance',
      description: 'Check the syntax of the load script as it is',
      input: target,
      output: answer({ errors: list }),
      run: (args, context) =>
        engine.use(context, args, 'read', async (app) => ({
          errors: await scriptErrors(app, await app.doc.ask('getScript')),
        })),
    }),
    tool({
      name: 'qlik_list_variables',
      category: 'governance',
      description: 'Variables and their definitions',
      input: { ...target, ...paged },
      output: answer({ variables: list, nextCursor: text }),
      run: (args, context) => engine.use(context, args, 'read', (app) => variables(app, args)),
    }),
  ];
  return access === 'write' ? [...reading, updateScript(engine)] : reading;
}

function updateScript(engine: Engine): Tool {
  return tool({
    name: 'qlik_update_script',
    category: 'governance',
    effect: 'write',
    description: 'Replace the whole load script and save the app; refused where its syntax is wrong',
    input: { ...target, script: z.string() },
    output: answer({ saved: flag }),
    run: ({ script, ...args }, context) => engine.use(context, args, 'write', (app) => replaceScript(app, script)),
  });
}

async function variables(app: QixApp, asked: PageAsked): Promise<object> {
  const { items, ...rest } = pageOf(await variablesOf(app), asked, USUAL_VARIABLES);
  const listed = items.map(({ qName = '', qDefinition = '', qDescription, qIsScriptCreated }) => ({
    name: qName,
    definition: qDefinition,
    ...(qDescription ? { description: qDescription } : {}),
    ...(qIsScriptCreated ? { fromScript: true } : {}),
  }));
  return { variables: listed, ...rest };
}
