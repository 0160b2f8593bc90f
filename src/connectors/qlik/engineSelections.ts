import { ToolError } from '../../core/toolErrors.js';
import { listProperties, readCells } from './engineFields.js';
import { fieldNamed, fieldsOf, layoutOf, short, withObject } from './engineObjects.js';
import { MOST_CELLS } from './enginePages.js';
import type { QixApp, QixCell, QixObject, QixSelection } from './engineTypes.js';

const PATH = '/qListObjectDef';
const MOST_FIELDS = 20;
/** In one call. */
const MOST_VALUES = 500;
/** In a field with more values than are read at once, each costs a search. */
const MOST_SEARCHES = 50;
/** Hits of a search among which the value is looked for. */
const HITS = 200;

/** Values to be selected in a field. */
export interface Wanted {
  readonly field: string;
  readonly values: readonly (string | number)[];
}

/** What is selected in a field. */
export interface Selected {
  readonly field: string;
  readonly count: number;
  readonly total: number;
  /** Absent where the engine doesn't list them; `text` says it its way then. */
  readonly values?: readonly string[];
  readonly text?: string;
  readonly locked?: true;
}

/** What is selected in the app, as the engine has it. */
export async function selectionsOf(app: QixApp): Promise<readonly Selected[]> {
  const layout = await layoutOf(app, 'CurrentSelections', { qSelectionObjectDef: {} });
  return (layout.qSelectionObject?.qSelections ?? []).map(selectedOf);
}

/**
 * Selects values and nothing but them in their fields, and resolves with all that is selected afterwards, read back from the
 * engine. Throws a ToolError that says what wasn't found, before anything is selected, or what came out instead.
 */
export async function select(app: QixApp, wanted: readonly Wanted[]): Promise<readonly Selected[]> {
  const whole = await checkWanted(app, wanted);
  const found = [];
  for (const { field, values } of whole) {
    found.push(await withObject(app, listProperties(field), (list) => find(list, field, values)));
  }
  const missing = found.flatMap(({ field, missing: values }) => values.map((value) => `${value} in ${field}`));
  if (missing.length > 0) throw new ToolError(notFound(missing));
  app.selecting();
  for (const { field, elements } of found) await selectElements(app, field, elements);
  return checked(await selectionsOf(app), found);
}

interface Found {
  readonly field: string;
  readonly elements: readonly number[];
  /** For messages. */
  readonly missing: readonly string[];
  readonly asked: readonly string[];
}

/** With the fields' own names. Throws before anything else is asked. */
async function checkWanted(app: QixApp, wanted: readonly Wanted[]): Promise<readonly Wanted[]> {
  const values = wanted.reduce((count, one) => count + one.values.length, 0);
  if (wanted.length === 0 || wanted.length > MOST_FIELDS)
    throw new ToolError(`Select in 1 to ${MOST_FIELDS} fields at a time.`);
  if (values > MOST_VALUES) throw new ToolError(`Select at most ${MOST_VALUES} values at a time.`);
  const empty = wanted.find((one) => one.values.length === 0);
  if (empty) throw new ToolError(`No values for ${short(empty.field)}: to clear a field, call qlik_clear_selections.`);
  const fields = await fieldsOf(app, true);
  const named = wanted.map((one) => ({ ...one, field: fieldNamed(one.field, fields) }));
  if (new Set(named.map(({ field }) => field)).size === named.length) return named;
  throw new ToolError('Name each field once, with all its values.');
}

async function find(list: QixObject, field: string, values: Wanted['values']): Promise<Found> {
  const { qListObject } = await list.ask('getLayout');
  const total = qListObject?.qSize?.qcy ?? 0;
  const cells = total <= MOST_CELLS ? await readCells(list, 0, total) : undefined;
  if (!cells && values.length > MOST_SEARCHES) {
    throw new ToolError(`${field} has ${total} values: select at most ${MOST_SEARCHES} of them at a time.`);
  }
  const elements = new Set<number>();
  const missing: string[] = [];
  for (const value of values) {
    const hits = matching(cells ?? (await search(list, String(value))), value);
    if (hits.length === 0) missing.push(`"${short(String(value))}"`);
    for (const hit of hits) elements.add(hit);
  }
  return { field, elements: [...elements], missing, asked: values.map(String) };
}

async function search(list: QixObject, value: string): Promise<readonly QixCell[]> {
  // A wildcard keeps it from being read as an expression; `?` stands for what would be one itself.
  await list.ask('searchListObjectFor', PATH, `${value.replace(/[^\p{L}\p{N} _.-]|^[^\p{L}\p{N}]/gu, '?')}*`);
  const { qListObject } = await list.ask('getLayout');
  const cells = await readCells(list, 0, Math.min(HITS, qListObject?.qSize?.qcy ?? 0));
  await list.ask('abortListObjectSearch', PATH);
  return cells;
}

/** As it is written; else, in another case. A number is found by what it is, too. */
function matching(cells: readonly QixCell[], value: string | number): readonly number[] {
  const text = String(value);
  const lower = text.toLowerCase();
  const exactly = cells.filter(({ qText, qNum }) => qText === text || (typeof value === 'number' && qNum === value));
  const alike = exactly.length > 0 ? exactly : cells.filter(({ qText = '' }) => qText.toLowerCase() === lower);
  return alike.flatMap(({ qElemNumber }) => (qElemNumber === undefined || qElemNumber < 0 ? [] : [qElemNumber]));
}

async function selectElements(app: QixApp, field: string, elements: readonly number[]): Promise<void> {
  const done = await withObject(app, listProperties(field), (list) =>
    list.ask('selectListObjectValues', PATH, elements, false),
  );
  if (done) return;
  const now = words(await selectionsOf(app));
  throw new ToolError(
    `The engine selected nothing in ${field}: it may be locked, or allow one value only. Selected now: ${now}.`,
  );
}

/** What the engine calls a success says nothing: a select can silently select nothing, or undo another. */
function checked(selections: readonly Selected[], found: readonly Found[]): readonly Selected[] {
  const wrong = found.filter(({ field, elements }) => countOf(selections, field) !== elements.length);
  if (wrong.length === 0) return selections;
  const told = wrong.map(({ field, elements, asked }) => {
    const values = asked.slice(0, 5).map((value) => `"${short(value)}"`);
    return `${countOf(selections, field)} of ${elements.length} values in ${field} (${values.join(', ')})`;
  });
  throw new ToolError(
    `The engine says that it selected, and did not: ${told.join('; ')}. Selections may exclude each other. Selected now: ${words(selections)}.`,
  );
}

function countOf(selections: readonly Selected[], field: string): number {
  return selections.find((selection) => selection.field === field)?.count ?? 0;
}

function words(selections: readonly Selected[]): string {
  if (selections.length === 0) return 'nothing';
  return selections
    .slice(0, 10)
    .map(({ field, count }) => `${count} in ${field}`)
    .join(', ');
}

function notFound(missing: readonly string[]): string {
  const more = missing.length > 10 ? ` and ${missing.length - 10} more` : '';
  return `Not found: ${missing.slice(0, 10).join(', ')}${more}. Nothing was selected: look values up with qlik_search_field_values.`;
}

function selectedOf(selection: QixSelection): Selected {
  const { qField = '', qReadableName, qSelectedCount = 0, qTotal = 0, qSelected = '', qLocked } = selection;
  const names = (selection.qSelectedFieldSelectionInfo ?? []).map(({ qName = '' }) => qName);
  return {
    field: qReadableName ?? qField.replace(/^=?\[(.*)\]$/s, '$1').replaceAll(']]', ']'),
    count: qSelectedCount,
    total: qTotal,
    ...(names.length === qSelectedCount ? { values: names } : { text: qSelected }),
    ...(qLocked ? { locked: true as const } : {}),
  };
}
