import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';
import { answer, list, number, text } from './answerShape.js';
import type { Engine } from './engine.js';
import { valuesOf } from './engineFields.js';
import { fieldsOf } from './engineObjects.js';
import { pageOf } from './enginePages.js';
import { paged, target, tool } from './engineTool.js';
import type { QixApp, QixField, QixKey, QixTable } from './engineTypes.js';

const USUAL_TABLES = 50;
const USUAL_FIELDS = 100;
/** Of one table; what is left out is counted. */
const MOST_FIELDS = 200;
const SIZE = { qcx: 1000, qcy: 1000 };

/** Tables, fields and what is in them. */
export function dataModelTools(engine: Engine): Tool[] {
  return [
    tool({
      name: 'qlik_get_data_model',
      category: 'data_model',
      description: 'Tables, their fields, and the fields that associate them',
      input: { ...target, ...paged },
      output: answer({ tables: list, associations: list, nextCursor: text }),
      run: (args, context) => engine.use(context, args, 'read', (app) => dataModel(app, args)),
    }),
    tool({
      name: 'qlik_get_fields',
      category: 'data_model',
      description: 'Fields, their tables, tags and number of distinct values; search is a part of the name',
      input: { ...target, search: z.string().optional(), ...paged },
      output: answer({ fields: list, nextCursor: text }),
      run: (args, context) => engine.use(context, args, 'read', (app) => fields(app, args)),
    }),
    tool({
      name: 'qlik_get_field_values',
      category: 'data_model',
      description: 'Distinct values of a field, selected ones first, with their selection state',
      input: { ...target, field: z.string(), ...paged },
      output: answer({ field: text, values: list, total: number, nextCursor: text }),
      run: (args, context) => engine.use(context, args, 'read', (app) => valuesOf(app, args.field, args)),
    }),
    tool({
      name: 'qlik_search_field_values',
      category: 'data_model',
      description: 'Values of a field that contain a text; * and ? are wildcards',
      input: { ...target, field: z.string(), search: z.string(), ...paged },
      output: answer({ field: text, values: list, total: number, nextCursor: text }),
      run: (args, context) => engine.use(context, args, 'read', (app) => valuesOf(app, args.field, args, args.search)),
    }),
  ];
}

type Asked = { readonly limit?: number | undefined; readonly cursor?: string | undefined };

async function dataModel({ doc }: QixApp, asked: Asked): Promise<object> {
  const { qtr = [], qk = [] } = await doc.ask('getTablesAndKeys', SIZE, { qcx: 0, qcy: 0 }, 30, true, false);
  const { items, ...rest } = pageOf(qtr, asked, USUAL_TABLES);
  const names = new Set(items.map(({ qName }) => qName));
  const shared = qk.filter(({ qTables = [] }) => qTables.length > 1 && qTables.some((name) => names.has(name)));
  return { tables: items.map(tableOf), associations: shared.map(associationOf), ...rest };
}

function tableOf({ qName = '', qNoOfRows = 0, qFields = [], qIsSynthetic }: QixTable) {
  return {
    name: qName,
    rows: qNoOfRows,
    fields: qFields.slice(0, MOST_FIELDS).map((field) => field.qName ?? ''),
    ...(qFields.length > MOST_FIELDS ? { moreFields: qFields.length - MOST_FIELDS } : {}),
    ...(qIsSynthetic ? { synthetic: true } : {}),
  };
}

function associationOf({ qKeyFields = [], qTables = [] }: QixKey) {
  return { fields: qKeyFields, tables: qTables };
}

async function fields(app: QixApp, { search = '', ...asked }: Asked & { readonly search?: string | undefined }) {
  const wanted = search.toLowerCase();
  const all = (await fieldsOf(app, false)).filter(({ qName = '' }) => qName.toLowerCase().includes(wanted));
  const { items, ...rest } = pageOf(all, asked, USUAL_FIELDS);
  return { fields: items.map(fieldOf), ...rest };
}

function fieldOf({ qName = '', qCardinal, qSrcTables = [], qTags = [] }: QixField) {
  return {
    name: qName,
    ...(qCardinal === undefined ? {} : { distinct: qCardinal }),
    tables: qSrcTables,
    ...(qTags.length > 0 ? { tags: qTags } : {}),
  };
}
