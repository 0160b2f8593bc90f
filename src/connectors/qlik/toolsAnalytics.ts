import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';
import { answer, cell, list, number, text } from './answerShape.js';
import type { Engine } from './engine.js';
import { calculate, evaluate } from './engineCube.js';
import { dimensionsOf, itemOf, measuresOf, titleOf } from './engineObjects.js';
import { pageOf } from './enginePages.js';
import { paged, target, tool } from './engineTool.js';
import type { QixItem } from './engineTypes.js';

const ANALYTICS = { category: 'analytics' } as const;
const USUAL_ITEMS = 100;

/** Master items, and calculations with them or without. */
export function analyticsTools(engine: Engine): Tool[] {
  return [listMeasures(engine), listDimensions(engine), evaluateExpression(engine), createDataObject(engine)];
}

function listMeasures(engine: Engine): Tool {
  return tool({
    ...ANALYTICS,
    name: 'qlik_list_measures',
    description: 'Master measures with their expressions',
    input: { ...target, ...paged },
    output: answer({ measures: list, nextCursor: text }),
    run: (args, context) =>
      engine.use(context, args, 'read', async (app) => {
        const { items, ...rest } = pageOf(await measuresOf(app), args, USUAL_ITEMS);
        return { measures: items.map(measureOf), ...rest };
      }),
  });
}

function listDimensions(engine: Engine): Tool {
  return tool({
    ...ANALYTICS,
    name: 'qlik_list_dimensions',
    description: 'Master dimensions with their fields',
    input: { ...target, ...paged },
    output: answer({ dimensions: list, nextCursor: text }),
    run: (args, context) =>
      engine.use(context, args, 'read', async (app) => {
        const { items, ...rest } = pageOf(await dimensionsOf(app), args, USUAL_ITEMS);
        return { dimensions: items.map(dimensionOf), ...rest };
      }),
  });
}

function evaluateExpression(engine: Engine): Tool {
  return tool({
    ...ANALYTICS,
    name: 'qlik_evaluate_expression',
    description: 'Value of one expression under the selections, such as Sum([Sales Amount])',
    input: { ...target, expression: z.string() },
    output: answer({ value: cell }),
    run: ({ expression, ...args }, context) =>
      engine.use(context, args, 'read', async (app) => ({ value: await evaluate(app, expression) })),
  });
}

function createDataObject(engine: Engine): Tool {
  return tool({
    ...ANALYTICS,
    name: 'qlik_create_data_object',
    description: 'Calculate a table with totals under the selections. 50 rows a page, unless limit says otherwise',
    input: {
      ...target,
      dimensions: z.array(z.string()).describe('Fields, master dimensions, =expressions').optional(),
      measures: z.array(z.string()).describe('Expressions such as Sum(Sales), master measures').optional(),
      sortBy: z.string().describe('One of these; -one for descending').optional(),
      ...paged,
    },
    output: answer({ columns: list, rows: list, totals: list, totalRows: number, nextCursor: text }),
    run: (args, context) => engine.use(context, args, 'read', (app) => calculate(app, args)),
  });
}

function measureOf(item: QixItem) {
  return { ...itemOf(item), expression: titleOf(item.qData?.expression) };
}

function dimensionOf(item: QixItem) {
  const fields = item.qData?.fields;
  return { ...itemOf(item), fields: Array.isArray(fields) ? fields.map(String) : [] };
}
