import { type CubeCell, cell, cut, pagesOf } from './cells.js';
import { dimension, recordOf } from './cubeDefinition.js';
import type { Field } from './dataModel.js';
import { EngineError } from './engineError.js';
import type { EngineSession } from './engineSession.js';
import { matches } from './expressionFunctions.js';
import { stateCounts } from './hyperCube.js';
import type { ValueState } from './selections.js';

type Json = Readonly<Record<string, unknown>>;

/** Selected values come first, then possible ones. */
const STATE_ORDER: readonly ValueState[] = ['S', 'L', 'XS', 'O', 'A', 'X'];

/** The field of a `qListObjectDef`; a calculated one can't be selected in. */
export function fieldOf(session: EngineSession, given: Json): Field | undefined {
  const { node } = dimension(session, given);
  return node?.kind === 'field' ? session.doc.model.fields.get(node.name) : undefined;
}

/** The values of the field with their states, in order, those that a search found alone. */
export function listMatrix(session: EngineSession, given: Json, search?: string): CubeCell[][] {
  const field = fieldOf(session, given);
  if (!field) return [];
  const states = session.selections.states(field.name);
  const { sort } = dimension(session, given);
  const rows = field.values.map((value, element) => cell(value, element, states[element] ?? 'O'));
  const found = search === undefined ? rows : rows.filter(({ qText }) => finds(qText, search));
  return found
    .sort(
      (one, other) =>
        (sort?.state ?? 0) * (rank(one) - rank(other)) ||
        (sort?.numeric ?? 0) * (Number(one.qNum) - Number(other.qNum) || 0) ||
        (sort?.ascii ?? 0) * (one.qText < other.qText ? -1 : Number(one.qText > other.qText)) ||
        one.qElemNumber - other.qElemNumber,
    )
    .map((row) => [row]);
}

/** Without a wildcard a search finds what holds the words. */
export function finds(text: string, search: string): boolean {
  return matches(text, /[*?]/.test(search) ? search : `*${search}*`);
}

function rank({ qState }: CubeCell): number {
  return STATE_ORDER.indexOf(qState as ValueState);
}

/** The `qListObject` of a layout. */
export function listLayout(session: EngineSession, given: Json, search?: string): object {
  const column = dimension(session, given);
  const field = fieldOf(session, given);
  const rows = listMatrix(session, given, search);
  const states = field ? session.selections.states(field.name) : [];
  return {
    qSize: { qcx: field ? 1 : 0, qcy: rows.length },
    ...(field ? {} : { qError: { qErrorCode: column.error ?? 7000 } }),
    qDimensionInfo: {
      qFallbackTitle: column.label,
      qCardinal: field?.values.length ?? 0,
      qStateCounts: stateCounts(states),
      qTags: field?.tags ?? [],
      qGroupFieldDefs: [column.expression],
      qGroupFallbackTitles: [column.label],
      ...(field && session.selections.isLocked(field.name) ? { qLocked: true } : {}),
      qDimensionType: field?.numeric ? 'N' : 'D',
    },
    qExpressions: [],
    qDataPages: pagesOf(given.qInitialDataFetch).map((page) => cut(rows, page)),
  };
}

/** The definition at a path such as `/qListObjectDef`; `/qHyperCubeDef` in other places of the properties. */
export function definitionAt(properties: Json, path: string): Json {
  let found: unknown = properties;
  for (const name of path.split('/').slice(1)) found = recordOf(found)[name];
  if (typeof found !== 'object' || found === null) throw new EngineError(4, 'Invalid path', path);
  return found as Json;
}
