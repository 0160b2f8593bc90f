import { ToolError } from '../../core/toolErrors.js';
import { type Cell, cellOf } from './engineCells.js';
import { plain } from './engineErrors.js';
import { dimensionsOf, fieldNamed, fieldsOf, measuresOf, quoted, short, similar, withObject } from './engineObjects.js';
import { nextOf, offsetOf, type PageAsked, rowsOf } from './enginePages.js';
import type { QixApp, QixColumn, QixCube, QixField, QixItem, QixObject } from './engineTypes.js';

/** Rows where nobody asked for more or less. */
const USUAL_ROWS = 50;
const MOST_COLUMNS = 50;
/** The engine's `calculation condition not met`. */
const CONDITION = 7005;

export interface CubeColumn {
  readonly name: string;
  readonly type: 'dimension' | 'measure';
}

/** A part of a table, and how much there is in all. */
export interface CubePage {
  readonly columns: readonly CubeColumn[];
  readonly rows: readonly (readonly Cell[])[];
  /** One for each column; null below dimensions. Absent where there are no dimensions. */
  readonly totals?: readonly Cell[];
  readonly totalRows: number;
  readonly nextCursor?: string;
}

/** What a table is made of, in words: names of fields and of master items, and expressions. */
export interface CubeAsked extends PageAsked {
  readonly dimensions?: readonly string[] | undefined;
  readonly measures?: readonly string[] | undefined;
  /** One of the above; with a `-` before it from large to small. */
  readonly sortBy?: string | undefined;
}

/** A page of a table that is calculated for this call. Throws a ToolError for what the app doesn't know. */
export async function calculate(app: QixApp, asked: CubeAsked): Promise<CubePage> {
  const { dimensions = [], measures = [] } = asked;
  const width = dimensions.length + measures.length;
  if (width === 0) throw new ToolError('Give dimensions, measures or both.');
  if (width > MOST_COLUMNS) throw new ToolError(`At most ${MOST_COLUMNS} dimensions and measures.`);
  rowsOf(asked.limit, width, USUAL_ROWS);
  const names = [...dimensions, ...measures];
  const definition = await definitionOf(app, dimensions, measures, orderOf(asked.sortBy, names));
  const properties = { qInfo: { qType: 'table' }, qHyperCubeDef: definition };
  return withObject(app, properties, (object) => readCube(object, asked, names));
}

/** The value of one expression under the current selections. Throws a ToolError where it is none, or has unknown fields. */
export async function evaluate(app: QixApp, expression: string): Promise<Cell> {
  await checkExpression(app, expression.replace(/^=/, ''));
  const definition = {
    qMeasures: [{ qDef: { qDef: asExpression(expression) } }],
    qDimensions: [],
    qInitialDataFetch: [],
  };
  const properties = { qInfo: { qType: 'table' }, qHyperCubeDef: definition };
  const { rows } = await withObject(app, properties, (object) => readCube(object, { limit: 1 }, [expression]));
  return rows[0]?.[0] ?? null;
}

/** A page of an object's table. `names`: of its columns, where they were given. */
export async function readCube(object: QixObject, asked: PageAsked, names?: readonly string[]): Promise<CubePage> {
  const { qHyperCube: cube = {} } = await object.ask('getLayout');
  const columns = columnsOf(cube, names);
  refuseErrors(cube, columns);
  const totalRows = cube.qSize?.qcy ?? 0;
  const qTop = offsetOf(asked.cursor);
  const qHeight = Math.min(rowsOf(asked.limit, columns.length, USUAL_ROWS), Math.max(0, totalRows - qTop));
  const order = orderedColumns(cube, columns);
  const shape = { columns: order.map((at) => columns[at] as CubeColumn), totalRows, ...totalsOf(cube, columns, order) };
  if (qHeight === 0) return { ...shape, rows: [] };
  const area = { qLeft: 0, qTop, qWidth: columns.length, qHeight };
  const pages = await object.ask('getHyperCubeData', '/qHyperCubeDef', [area]);
  const rows = (pages ?? []).flatMap((page) => page.qMatrix ?? []).map((row) => row.map(cellOf));
  if (rows.length === 0)
    throw new ToolError('The engine answered no rows where there should be some: repeat the call.');
  return { ...shape, rows, ...nextOf(qTop + rows.length, rows.length, totalRows) };
}

/** The engine's own check of an expression, and of the names in it: an unknown one would count as null. */
export async function checkExpression(app: QixApp, expression: string): Promise<void> {
  const { qErrorMsg, qBadFieldNames = [] } = await app.doc.ask('checkExpression', expression);
  const bad = qBadFieldNames.map(({ qFrom = 0, qCount = 0 }) => expression.slice(qFrom, qFrom + qCount));
  if (!qErrorMsg && bad.length === 0) return;
  const fields = await fieldsOf(app, true);
  const isField = fields.some(({ qName }) => qName === expression);
  if (isField)
    throw new ToolError(`"${short(expression)}" is a field: in an expression write ${short(quoted(expression))}.`);
  if (qErrorMsg) throw new ToolError(`"${short(expression)}" is no valid expression: ${plain(qErrorMsg)}.`);
  const names = fields.map(({ qName = '' }) => qName);
  const unknown = bad.slice(0, 5).map((name) => `"${short(name)}"${similar(name.replace(/^\[|\]$/g, ''), names)}`);
  throw new ToolError(`There is no field ${unknown.join(', no field ')}.`);
}

type Order = { readonly at: number; readonly direction: 1 | -1 } | undefined;

function orderOf(sortBy: string | undefined, names: readonly string[]): Order {
  if (sortBy === undefined) return undefined;
  const plain = names.indexOf(sortBy);
  if (plain !== -1) return { at: plain, direction: 1 };
  const at = sortBy.startsWith('-') ? names.indexOf(sortBy.slice(1)) : -1;
  if (at === -1)
    throw new ToolError('sortBy is one of the dimensions or measures, as given there, or one with a "-" before it.');
  return { at, direction: -1 };
}

async function definitionOf(
  app: QixApp,
  dimensions: readonly string[],
  measures: readonly string[],
  order: Order,
): Promise<object> {
  const [fields, masterDimensions, masterMeasures] = await Promise.all([
    fieldsOf(app, true),
    dimensions.length > 0 ? dimensionsOf(app) : [],
    measures.length > 0 ? measuresOf(app) : [],
  ]);
  const qDimensions = await Promise.all(
    dimensions.map(async (name, at) => {
      const found = await dimensionOf(app, name, fields, masterDimensions);
      return {
        ...found,
        qNullSuppression: false,
        ...(order?.at === at ? sortedDimension(order.direction, found) : {}),
      };
    }),
  );
  const qMeasures = await Promise.all(
    measures.map(async (name, at) => ({
      ...(await measureOf(app, name, fields, masterMeasures)),
      ...(order?.at === dimensions.length + at ? { qSortBy: { qSortByNumeric: order.direction } } : {}),
    })),
  );
  const columns = [...dimensions, ...measures].map((_, at) => at);
  return {
    qDimensions,
    qMeasures,
    qMode: 'S',
    qInitialDataFetch: [],
    // What is left out silently is missed by whoever adds up.
    qSuppressZero: false,
    qSuppressMissing: false,
    ...(order ? { qInterColumnSortOrder: [order.at, ...columns.filter((at) => at !== order.at)] } : {}),
  };
}

type Definition = { readonly qLibraryId: string } | { readonly qDef: Readonly<Record<string, unknown>> };

function sortedDimension(direction: 1 | -1, definition: Definition): object {
  const qSortCriterias = [{ qSortByNumeric: direction, qSortByAscii: direction }];
  return { qDef: { ...('qDef' in definition ? definition.qDef : {}), qSortCriterias } };
}

/** A field comes first: one whose name looks like an expression is still a field. */
async function dimensionOf(
  app: QixApp,
  name: string,
  fields: readonly QixField[],
  masters: readonly QixItem[],
): Promise<Definition> {
  const ofField = (field: string) => ({ qDef: { qFieldDefs: [quoted(field)], qFieldLabels: [field] } });
  if (fields.some(({ qName }) => qName === name)) return ofField(name);
  const id = masterId(name, masters);
  if (id !== undefined) return { qLibraryId: id };
  if (!name.startsWith('=')) return ofField(fieldNamed(name, fields));
  await checkExpression(app, name.slice(1));
  return { qDef: { qFieldDefs: [asExpression(name)], qFieldLabels: [name] } };
}

async function measureOf(
  app: QixApp,
  name: string,
  fields: readonly QixField[],
  masters: readonly QixItem[],
): Promise<Definition> {
  const id = masterId(name, masters);
  if (id !== undefined) return { qLibraryId: id };
  const isBareField = !name.includes('(') && fields.some(({ qName }) => qName === name || quoted(qName ?? '') === name);
  if (isBareField) {
    const field = name.startsWith('[') ? name : quoted(name);
    throw new ToolError(
      `"${short(name)}" is a field: a measure aggregates, such as Sum(${field}), or make it a dimension.`,
    );
  }
  await checkExpression(app, name.replace(/^=/, ''));
  return { qDef: { qDef: asExpression(name), qLabel: name } };
}

/** The engine takes a definition for a field wherever there is one of that name, `Sum(Sales)` included. No field is named so. */
function asExpression(expression: string): string {
  return `= ${expression.replace(/^\s*=/, '').trim()} `;
}

/** By id, or by title. */
function masterId(name: string, masters: readonly QixItem[]): string | undefined {
  const found =
    masters.find(({ qInfo }) => qInfo?.qId === name) ??
    masters.find(({ qMeta, qData }) => qMeta?.title === name || qData?.title === name);
  return found?.qInfo?.qId;
}

function columnsOf({ qDimensionInfo = [], qMeasureInfo = [] }: QixCube, names?: readonly string[]): CubeColumn[] {
  const named = (type: CubeColumn['type'], from: number) => (info: QixColumn, at: number) => ({
    name: names?.[from + at] ?? info.qFallbackTitle ?? '',
    type,
  });
  return [...qDimensionInfo.map(named('dimension', 0)), ...qMeasureInfo.map(named('measure', qDimensionInfo.length))];
}

function refuseErrors(
  { qError, qDimensionInfo = [], qMeasureInfo = [] }: QixCube,
  columns: readonly CubeColumn[],
): void {
  if (qError?.qErrorCode) {
    const why =
      qError.qErrorCode === CONDITION ? 'its calculation condition is not met: select something first' : 'ask for less';
    throw new ToolError(`The engine can't calculate this: ${why} (code ${qError.qErrorCode}).`);
  }
  const broken = [...qDimensionInfo, ...qMeasureInfo].findIndex((info) => info.qError?.qErrorCode);
  if (broken === -1) return;
  throw new ToolError(`The engine can't calculate "${short(columns[broken]?.name ?? '')}": check its definition.`);
}

function orderedColumns({ qColumnOrder = [] }: QixCube, columns: readonly CubeColumn[]): readonly number[] {
  const isWhole = qColumnOrder.length === columns.length && qColumnOrder.every((at) => columns[at] !== undefined);
  return isWhole ? qColumnOrder : columns.map((_, at) => at);
}

function totalsOf(
  { qGrandTotalRow = [], qDimensionInfo = [] }: QixCube,
  columns: readonly CubeColumn[],
  order: readonly number[],
): { readonly totals?: readonly Cell[] } {
  const dimensions = qDimensionInfo.length;
  if (dimensions === 0 || dimensions === columns.length || qGrandTotalRow.length === 0) return {};
  return {
    totals: order.map((at) => (at < dimensions ? null : cellOf(qGrandTotalRow[at - dimensions] ?? { qIsNull: true }))),
  };
}
