import { type CubeCell, cell, cut, numberOf, type Page, pagesOf } from './cells.js';
import { type Column, type CubeDefinition, cubeDefinition } from './cubeDefinition.js';
import type { Line } from './dataModel.js';
import type { EngineSession } from './engineSession.js';
import { Evaluator } from './expressionEvaluator.js';
import { isTrue } from './expressionFunctions.js';
import { fieldsIn } from './expressionParser.js';
import { evaluate } from './expressions.js';
import type { MockValue } from './types.js';

interface Group {
  readonly values: readonly MockValue[];
  readonly lines: Line[];
}

export interface Row {
  readonly dimensions: readonly MockValue[];
  readonly measures: readonly MockValue[];
}

/** A cube as it stands under the session's selections: its rows in order, and its totals. */
export interface Cube {
  readonly definition: CubeDefinition;
  readonly rows: readonly Row[];
  readonly totals: readonly MockValue[];
  /** Of the engine: 7005 where its condition isn't met. */
  readonly error?: number;
}

/** A cube from its `qHyperCubeDef`; pages of one that nothing has changed since cost no reckoning. */
export function hyperCube(session: EngineSession, given: Readonly<Record<string, unknown>>): Cube {
  return session.reckon(`cube ${JSON.stringify(given)}`, () => setUp(session, given));
}

function setUp(session: EngineSession, given: Readonly<Record<string, unknown>>): Cube {
  const definition = cubeDefinition(session, given);
  const { condition, dimensions, measures } = definition;
  const broken = [...dimensions, ...measures].find(({ error }) => error !== undefined)?.error;
  const unmet = condition !== '' && !isTrue(evaluate(session, condition)) ? 7005 : undefined;
  const error = unmet ?? broken;
  if (error !== undefined) return { definition, rows: [], totals: [], error };
  const evaluator = new Evaluator(session.doc.model, session.selections);
  const totals = measures.map(({ node }) => (node ? evaluator.evaluate(node, evaluator.everything) : null));
  const rows =
    dimensions.length === 0 ? [{ dimensions: [], measures: totals }] : reckon(session, evaluator, definition);
  const kept = rows.filter((row) => !suppressed(definition, row));
  return {
    definition,
    totals,
    rows: measures.length + dimensions.length === 0 ? [] : sorted(session, definition, kept),
  };
}

function reckon({ doc }: EngineSession, evaluator: Evaluator, { dimensions, measures }: CubeDefinition): Row[] {
  const fields = [...dimensions, ...measures].flatMap(({ node }) => (node ? fieldsIn(node) : []));
  const valuesOf = (line: Line) => dimensions.map(({ node }) => (node ? evaluator.ofLine(node, line) : null));
  const groups = new Map<string, Group>();
  for (const line of evaluator.everything.lines) {
    // Rows of tables that the cube says nothing about make no rows in it.
    if (fields.every((name) => doc.model.source(line, name) === undefined)) continue;
    const values = valuesOf(line);
    const key = JSON.stringify(values);
    const group = groups.get(key);
    if (group) group.lines.push(line);
    else groups.set(key, { values, lines: [line] });
  }
  return [...groups].map(([key, { values, lines }]) => {
    const cellOf = { lines, has: (line: Line) => JSON.stringify(valuesOf(line)) === key };
    return {
      dimensions: values,
      measures: measures.map(({ node }) => (node ? evaluator.evaluate(node, cellOf) : null)),
    };
  });
}

/** Rows whose dimension is null, or all of whose measures are 0 or missing, may be left out. */
function suppressed({ dimensions, suppressZero, suppressMissing }: CubeDefinition, row: Row): boolean {
  if (row.dimensions.some((value, index) => value === null && dimensions[index]?.suppressNull)) return true;
  if (row.measures.length === 0) return row.dimensions.every((value) => value === null);
  if (suppressZero && row.measures.every((value) => value === 0 || value === null)) return true;
  return suppressMissing && row.measures.every((value) => value === null);
}

function sorted(session: EngineSession, { order, dimensions, measures }: CubeDefinition, rows: readonly Row[]): Row[] {
  const columns = [...dimensions, ...measures];
  const compare = order.map((index) => {
    const column = columns[index];
    const at = (row: Row) => [...row.dimensions, ...row.measures][index] ?? null;
    return (one: Row, other: Row) => (column ? byColumn(session, column, at(one), at(other)) : 0);
  });
  return [...rows].sort((one, other) => {
    for (const difference of compare) {
      const found = difference(one, other);
      if (found !== 0) return found;
    }
    return 0;
  });
}

function byColumn(session: EngineSession, { node, sort }: Column, one: MockValue, other: MockValue): number {
  if (!sort) return 0;
  if (sort.numeric !== 0) return sort.numeric * compare(numeric(one), numeric(other));
  if (sort.ascii !== 0) return sort.ascii * compare(String(one ?? ''), String(other ?? ''));
  const field = node?.kind === 'field' ? session.doc.model.fields.get(node.name) : undefined;
  return sort.load !== 0 && field ? sort.load * compare(field.elementOf(one), field.elementOf(other)) : 0;
}

function numeric(value: MockValue): number {
  return typeof value === 'number' ? value : Number.NEGATIVE_INFINITY;
}

function compare<Value extends number | string>(one: Value, other: Value): number {
  return one < other ? -1 : Number(one > other);
}

/** Rows as cells. Text that a calculated dimension makes has numbers by its order in the cube. */
export function matrixOf(session: EngineSession, given: Readonly<Record<string, unknown>>): CubeCell[][] {
  return session.reckon(`cells ${JSON.stringify(given)}`, () => cellsOf(session, hyperCube(session, given)));
}

function cellsOf(session: EngineSession, { definition, rows }: Cube): CubeCell[][] {
  const columns = definition.dimensions.map(({ node }) => {
    const field = node?.kind === 'field' ? session.doc.model.fields.get(node.name) : undefined;
    const states = field ? session.selections.states(field.name) : [];
    const own = new Map<MockValue, number>();
    return (value: MockValue): CubeCell => {
      if (!own.has(value)) own.set(value, own.size);
      const element = value === null ? -2 : field ? field.elementOf(value) : (own.get(value) ?? 0);
      return cell(value, element, value === null ? 'L' : (states[element] ?? 'O'));
    };
  });
  return rows.map((row) => [
    ...row.dimensions.map((value, index) => columns[index]?.(value) ?? cell(value, 0, 'O')),
    ...row.measures.map((value) => cell(value, 0, 'L')),
  ]);
}

/** The `qHyperCube` of a layout. */
export function cubeLayout(session: EngineSession, given: Readonly<Record<string, unknown>>): object {
  const cube = hyperCube(session, given);
  const { definition, rows, totals, error } = cube;
  const columns = definition.dimensions.length + definition.measures.length;
  const pages = cube.definition.mode === 'S' ? pagesOf(given.qInitialDataFetch) : [];
  return {
    ...(definition.state === '' ? {} : { qStateName: definition.state }),
    qSize: { qcx: error === undefined ? columns : 0, qcy: rows.length },
    ...(error === undefined ? {} : { qError: { qErrorCode: error } }),
    qDimensionInfo: definition.dimensions.map((column, index) => dimensionInfo(session, column, cube, index)),
    qMeasureInfo: definition.measures.map((column, index) => measureInfo(column, cube, index)),
    qEffectiveInterColumnSortOrder: definition.order,
    qGrandTotalRow: totals.map((value) => ({ ...cell(value, -1, 'X'), qIsTotalCell: true })),
    qDataPages: pages.length === 0 ? [] : fetched(matrixOf(session, given), pages),
    qPivotDataPages: [],
    qStackedDataPages: [],
    qMode: definition.mode,
    qNoOfLeftDims: definition.mode === 'S' ? -1 : definition.dimensions.length,
    qTreeNodesOnDim: [],
    qColumnOrder: [],
  };
}

function fetched(rows: readonly (readonly CubeCell[])[], pages: readonly Page[]): object[] {
  return pages.filter(({ qWidth, qHeight }) => qWidth > 0 && qHeight > 0).map((page) => cut(rows, page));
}

function dimensionInfo(session: EngineSession, column: Column, cube: Cube, index: number): object {
  const name = column.node?.kind === 'field' ? column.node.name : undefined;
  const field = name === undefined ? undefined : session.doc.model.fields.get(name);
  const values = new Set(cube.rows.map(({ dimensions }) => dimensions[index] ?? null));
  const locked = name !== undefined && session.selections.isLocked(name);
  return {
    qFallbackTitle: column.label,
    qApprMaxGlyphCount: Math.max(0, ...[...values].map((value) => String(value ?? '-').length)),
    qCardinal: field?.values.length ?? values.size,
    ...(column.error === undefined ? {} : { qError: { qErrorCode: column.error } }),
    ...(locked ? { qLocked: true } : {}),
    ...(column.libraryId === '' ? {} : { qLibraryId: column.libraryId }),
    qSortIndicator: (column.sort?.ascii ?? column.sort?.numeric ?? 0) < 0 ? 'D' : 'A',
    qGroupFallbackTitles: [column.label],
    qGroupPos: 0,
    qStateCounts: stateCounts(name === undefined ? [] : session.selections.states(name)),
    qTags: field?.tags ?? [],
    ...range([...values]),
    qDimensionType: field?.numeric ? 'N' : 'D',
    qGrouping: 'N',
    qGroupFieldDefs: [column.expression],
    qNumFormat: { qType: 'U', qnDec: 0, qUseThou: 0 },
    qIsAutoFormat: true,
    qAttrExprInfo: [],
    qAttrDimInfo: [],
    qCardinalities: { qCardinal: field?.values.length ?? values.size, qHypercubeCardinal: values.size },
  };
}

function measureInfo(column: Column, { rows }: Cube, index: number): object {
  const values = rows.map(({ measures }) => measures[index] ?? null);
  return {
    qFallbackTitle: column.label,
    qApprMaxGlyphCount: values.reduce<number>((most, value) => Math.max(most, String(value ?? '-').length), 0),
    qCardinal: 0,
    ...(column.error === undefined ? {} : { qError: { qErrorCode: column.error } }),
    ...(column.libraryId === '' ? {} : { qLibraryId: column.libraryId }),
    qSortIndicator: (column.sort?.numeric ?? 0) < 0 ? 'D' : 'A',
    qNumFormat: { qType: 'U', qnDec: 0, qUseThou: 0 },
    ...range(values),
    qIsAutoFormat: true,
    qAttrExprInfo: [],
    qAttrDimInfo: [],
    qTrendLines: [],
  };
}

function range(values: readonly MockValue[]): { readonly qMin: number | 'NaN'; readonly qMax: number | 'NaN' } {
  const numbers = values.filter((value): value is number => typeof value === 'number');
  if (numbers.length === 0) return { qMin: numberOf(null), qMax: numberOf(null) };
  return { qMin: numbers.reduce((a, b) => Math.min(a, b)), qMax: numbers.reduce((a, b) => Math.max(a, b)) };
}

export function stateCounts(states: readonly string[]): object {
  const count = (...wanted: string[]) => states.filter((state) => wanted.includes(state)).length;
  return {
    qLocked: count('L'),
    qSelected: count('S'),
    qOption: count('O'),
    qDeselected: 0,
    qAlternative: count('A'),
    qExcluded: count('X'),
    qSelectedExcluded: count('XS'),
    qLockedExcluded: 0,
  };
}
