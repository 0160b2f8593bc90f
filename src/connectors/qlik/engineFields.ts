import { ToolError } from '../../core/toolErrors.js';
import { type Cell, cellOf } from './engineCells.js';
import { fieldNamed, fieldsOf, quoted, withObject } from './engineObjects.js';
import { nextOf, offsetOf, type PageAsked, rowsOf } from './enginePages.js';
import type { QixApp, QixCell, QixList, QixObject } from './engineTypes.js';

const PATH = '/qListObjectDef';
const USUAL_VALUES = 100;

/** The engine's letters for what selections make of a value; `O` is a value that is free to be selected. */
const STATES: Readonly<Record<string, string>> = {
  S: 'selected',
  A: 'alternative',
  X: 'excluded',
  XS: 'selected, but excluded by other selections',
  L: 'locked',
  XL: 'locked, but excluded by other selections',
};

/** A value of a field: how many rows have it, and what selections make of it where that is anything. */
export interface FieldValue {
  readonly value: Cell;
  readonly rows?: number;
  readonly state?: string;
}

export interface FieldValues {
  readonly field: string;
  readonly values: readonly FieldValue[];
  readonly total: number;
  readonly nextCursor?: string;
}

/** Lends the list of a field's values to `use`, with the field's own name. */
export async function withField<Value>(
  app: QixApp,
  name: string,
  use: (list: QixObject, field: string) => Promise<Value>,
): Promise<Value> {
  const field = fieldNamed(name, await fieldsOf(app, true));
  return withObject(app, listProperties(field), (list) => use(list, field));
}

export function listProperties(field: string): object {
  const qDef = {
    qFieldDefs: [quoted(field)],
    qFieldLabels: [field],
    qSortCriterias: [{ qSortByState: 1, qSortByAscii: 1 }],
  };
  return { qInfo: { qType: 'ListObject' }, qListObjectDef: { qDef, qFrequencyMode: 'V', qInitialDataFetch: [] } };
}

/** A page of a field's values; with `search` of those only that hold it. */
export function valuesOf(app: QixApp, name: string, asked: PageAsked, search?: string): Promise<FieldValues> {
  return withField(app, name, async (list, field) => {
    if (search !== undefined && !(await searchFor(list, search))) return { field, values: [], total: 0 };
    const { qListObject: layout } = await list.ask('getLayout');
    return { field, ...(await readValues(list, layout, asked)) };
  });
}

/** A page of a list's values. */
export async function readValues(
  list: QixObject,
  layout: QixList | undefined,
  asked: PageAsked,
): Promise<Omit<FieldValues, 'field'>> {
  const total = layout?.qSize?.qcy ?? 0;
  const from = offsetOf(asked.cursor);
  const rows = Math.min(rowsOf(asked.limit, 1, USUAL_VALUES), Math.max(0, total - from));
  const values = (await readCells(list, from, rows)).map(fieldValue);
  return { values, total, ...nextOf(from + values.length, values.length, total) };
}

/** The cells of a list as the engine has them. */
export async function readCells(list: QixObject, from: number, rows: number): Promise<readonly QixCell[]> {
  if (rows === 0) return [];
  const pages = await list.ask('getListObjectData', PATH, [{ qLeft: 0, qTop: from, qWidth: 1, qHeight: rows }]);
  return (pages ?? []).flatMap((page) => page.qMatrix ?? []).flatMap(([cell]) => (cell ? [cell] : []));
}

/** Always a search for text: without `*`, some characters at its beginning would make it an expression. False: no hits. */
function searchFor(list: QixObject, search: string): Promise<boolean> {
  const text = search.trim();
  if (text === '') throw new ToolError('search is empty: give a part of the values that you look for.');
  const from = /^[*?]/.test(text) ? text : `*${text}`;
  return list.ask('searchListObjectFor', PATH, /[*?]$/.test(text) ? from : `${from}*`);
}

function fieldValue(cell: QixCell): FieldValue {
  const rows = Number(cell.qFrequency);
  const state = STATES[cell.qState ?? 'O'];
  return {
    value: cellOf(cell),
    ...(Number.isFinite(rows) ? { rows } : {}),
    ...(state === undefined ? {} : { state }),
  };
}
