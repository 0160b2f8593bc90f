import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';
import type { Engine } from './engine.js';
import { calculate, evaluate } from './engineCube.js';
import { dimensionsOf, itemOf, measuresOf, titleOf } from './engineObjects.js';
import { pageOf } from './enginePages.js';
import { paged, target, tool } from './engineTool.js';
import type { QixItem } from './engineTypes.js';

const USUAL_ITEMS = 100;

/** Master items, and calculations with them or without. */
export function analyticsTools(engine: Engine): Tool[] {
  return [
    tool({
      name: 'qlik_list_measures',
      category: 'analytics',
      description: 'Master measures',
      input: { ...target, ...paged },
      run: (args, context) =>
        engine.use(context, args, 'read', async (app) => {
          const { items, ...rest } = pageOf(await measuresOf(app), args, USUAL_ITEMS);
          return { measures: items.map(measureOf), ...rest };
        }),
    }),
    tool({
      name: 'qlik_list_dimensions',
      category: 'analytics',
      description: 'Master dimensions',
      input: { ...target, ...paged },
      run: (args, context) =>
        engine.use(context, args, 'read', async (app) => {
          const { items, ...rest } = pageOf(await dimensionsOf(app), args, USUAL_ITEMS);
          return { dimensions: items.map(dimensionOf), ...rest };
        }),
    }),
    tool({
      name: 'qlik_evaluate_expression',
      category: 'analytics',
      description: 'Value of one expression, such as Sum([Sales Amount])',
      input: { ...target, expression: z.string() },
      run: ({ expression, ...args }, context) =>
        engine.use(context, args, 'read', async (app) => ({ value: await evaluate(app, expression) })),
    }),
    tool({
      name: 'qlik_create_data_object',
      category: 'analytics',
      description:
        'Calculate a table. Dimensions: fields, master items, =expressions. Measures: expressions, master items. sortBy: one of them, - before it descends',
      input: {
        ...target,
        dimensions: z.array(z.string()).optional(),
        measures: z.array(z.string()).optional(),
        sortBy: z.string().optional(),
        ...paged,
      },
      run: (args, context) => engine.use(context, args, 'read', (app) => calculate(app, args)),
    }),
  ];
}

function measureOf(item: QixItem) {
  return { ...itemOf(item), expression: titleOf(item.qData?.expression) };
}

function dimensionOf(item: QixItem) {
  const fields = item.qData?.fields;
  return { ...itemOf(item), fields: Array.isArray(fields) ? fields.map(String) : [] };
}
