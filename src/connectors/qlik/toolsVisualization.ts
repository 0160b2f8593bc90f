import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';
import { answer, list, number, text } from './answerShape.js';
import type { Engine } from './engine.js';
import { chartData, chartInfo } from './engineCharts.js';
import { itemOf, sheetsOf } from './engineObjects.js';
import { type PageAsked, pageOf } from './enginePages.js';
import { sheetDetails } from './engineSheets.js';
import { paged, target, tool } from './engineTool.js';
import type { QixApp } from './engineTypes.js';

const USUAL_SHEETS = 100;

/** Sheets, what is on them, and the data behind. */
export function visualizationTools(engine: Engine): Tool[] {
  return [
    tool({
      name: 'qlik_list_sheets',
      category: 'visualization',
      description: 'Sheets of an app',
      input: { ...target, ...paged },
      output: answer({ sheets: list, nextCursor: text }),
      run: (args, context) => engine.use(context, args, 'read', (app) => sheets(app, args)),
    }),
    tool({
      name: 'qlik_get_sheet_details',
      category: 'visualization',
      description: 'Charts on a sheet: ids, types, titles',
      input: { ...target, sheetId: z.string(), ...paged },
      output: answer({ title: text, charts: list, nextCursor: text }),
      run: (args, context) => engine.use(context, args, 'read', (app) => sheetDetails(app, args.sheetId, args)),
    }),
    tool({
      name: 'qlik_get_chart_info',
      category: 'visualization',
      description: 'Dimensions, measures and children of a chart',
      input: { ...target, chartId: z.string() },
      output: answer({ type: text, dimensions: list, measures: list, rows: number, children: list }),
      run: (args, context) => engine.use(context, args, 'read', (app) => chartInfo(app, args.chartId)),
    }),
    tool({
      name: 'qlik_get_chart_data',
      category: 'visualization',
      description: 'Data of a chart as a table, under the selections',
      input: { ...target, chartId: z.string(), ...paged },
      output: answer({ columns: list, rows: list, values: list, totalRows: number, nextCursor: text }),
      run: (args, context) => engine.use(context, args, 'read', (app) => chartData(app, args.chartId, args)),
    }),
  ];
}

async function sheets(app: QixApp, asked: PageAsked): Promise<object> {
  const { items, ...rest } = pageOf(await sheetsOf(app), asked, USUAL_SHEETS);
  const listed = items.map((item) => {
    const cells = item.qData?.cells;
    return { ...itemOf(item), charts: Array.isArray(cells) ? cells.length : 0 };
  });
  return { sheets: listed, ...rest };
}
