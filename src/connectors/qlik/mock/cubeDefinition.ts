import type { EngineSession } from './engineSession.js';
import type { Node } from './expressionParser.js';
import { parse } from './expressions.js';
import { ExpressionError } from './expressionTokens.js';

type Json = Readonly<Record<string, unknown>>;

export interface SortBy {
  readonly ascii: number;
  readonly numeric: number;
  readonly load: number;
  readonly state: number;
}

/** A column of a cube: what is reckoned, and how the rows go by it. */
export interface Column {
  readonly label: string;
  readonly expression: string;
  /** Absent: it can't be read, or a master item that isn't there. */
  readonly node?: Node;
  readonly error?: number;
  readonly libraryId: string;
  readonly suppressNull: boolean;
  readonly showAll: boolean;
  readonly sort: SortBy | undefined;
}

export interface CubeDefinition {
  readonly dimensions: readonly Column[];
  readonly measures: readonly Column[];
  readonly order: readonly number[];
  readonly suppressZero: boolean;
  readonly suppressMissing: boolean;
  readonly mode: string;
  /** Of `qCalcCond` or `qCalcCondition`; an empty text is no condition. */
  readonly condition: string;
  readonly state: string;
}

/** Reads a `qHyperCubeDef`, and what its master items say. */
export function cubeDefinition(session: EngineSession, given: Json): CubeDefinition {
  const dimensions = listOf(given.qDimensions).map((one) => dimension(session, one));
  const measures = listOf(given.qMeasures).map((one) => measure(session, one));
  const order = listOf(given.qInterColumnSortOrder).map(Number);
  const known = order.filter((column) => column >= 0 && column < dimensions.length + measures.length);
  const all = [...dimensions, ...measures].map((_, index) => index);
  return {
    dimensions,
    measures,
    order: [...known, ...all.filter((index) => !known.includes(index))],
    suppressZero: given.qSuppressZero === true,
    suppressMissing: given.qSuppressMissing === true,
    mode: typeof given.qMode === 'string' ? given.qMode : 'S',
    condition: conditionOf(given),
    state: typeof given.qStateName === 'string' ? given.qStateName : '',
  };
}

function conditionOf({ qCalcCond, qCalcCondition }: Json): string {
  const { qCond } = recordOf(qCalcCondition);
  return String(recordOf(qCalcCond).qv ?? recordOf(qCond).qv ?? '');
}

export function dimension(session: EngineSession, given: unknown): Column {
  const { qDef, qLibraryId, qNullSuppression, qShowAll } = recordOf(given);
  const libraryId = typeof qLibraryId === 'string' ? qLibraryId : '';
  const master = libraryId === '' ? undefined : session.item(libraryId)?.properties;
  const inline = recordOf(qDef);
  const definition = recordOf(master ? master.qDim : inline);
  const expression = String(listOf(definition.qFieldDefs)[0] ?? '');
  const labels = [listOf(inline.qFieldLabels)[0], listOf(definition.qFieldLabels)[0]];
  return {
    ...reckoned(session, expression, libraryId !== '' && !master),
    label: String(recordOf(master?.qMetaDef).title ?? labels.find((label) => label) ?? expression.replace(/^=/, '')),
    libraryId,
    suppressNull: qNullSuppression === true,
    showAll: qShowAll === true,
    sort: sortOf(listOf(inline.qSortCriterias)[0]),
  };
}

function measure(session: EngineSession, given: unknown): Column {
  const { qDef, qLibraryId, qSortBy } = recordOf(given);
  const libraryId = typeof qLibraryId === 'string' ? qLibraryId : '';
  const master = libraryId === '' ? undefined : session.item(libraryId)?.properties;
  const inline = recordOf(qDef);
  const definition = recordOf(master ? master.qMeasure : inline);
  const expression = String(definition.qDef ?? '');
  const label = definition.qLabel || recordOf(master?.qMetaDef).title || expression.replace(/^=/, '');
  return {
    ...reckoned(session, expression, libraryId !== '' && !master),
    label: String(label),
    libraryId,
    suppressNull: false,
    showAll: false,
    sort: sortOf(qSortBy),
  };
}

/** 7001: not in the library; 7000: an invalid definition. */
function reckoned(
  session: EngineSession,
  expression: string,
  lost: boolean,
): Pick<Column, 'expression' | 'node' | 'error'> {
  if (lost) return { expression, error: 7001 };
  try {
    return { expression, node: fieldOrExpression(session, expression) };
  } catch (error) {
    if (error instanceof ExpressionError) return { expression, error: 7000 };
    throw error;
  }
}

/** A dimension may name its field bare, whatever characters the name has. */
function fieldOrExpression(session: EngineSession, expression: string): Node {
  const bare = expression.replace(/^\[(.*)\]$/, '$1');
  return session.doc.model.fields.has(bare) ? { kind: 'field', name: bare } : parse(session, expression);
}

function sortOf(given: unknown): SortBy | undefined {
  if (given === undefined) return undefined;
  const { qSortByAscii = 0, qSortByNumeric = 0, qSortByLoadOrder = 0, qSortByState = 0 } = recordOf(given);
  const [ascii = 0, numeric = 0, load = 0, state = 0] = [
    qSortByAscii,
    qSortByNumeric,
    qSortByLoadOrder,
    qSortByState,
  ].map(Number);
  return { ascii, numeric, load, state };
}

export function recordOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
