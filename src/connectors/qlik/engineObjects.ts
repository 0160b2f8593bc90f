import { ToolError } from '../../core/toolErrors.js';
import type { QixApp, QixField, QixItem, QixLayout, QixObject } from './engineTypes.js';

/** Makes an object for the session alone, lends it to `use`, and has it destroyed whatever happens. */
export async function withObject<Value>(
  { doc, signal }: QixApp,
  properties: object,
  use: (object: QixObject) => Promise<Value>,
): Promise<Value> {
  signal.throwIfAborted();
  // Not to be broken off: what the engine has made meanwhile could not be destroyed.
  const lasting = doc.during();
  const object = await lasting.open('createSessionObject', properties);
  try {
    return await use(object.during(signal));
  } finally {
    // Nobody waits for it: the engine keeps the order.
    lasting.ask('destroySessionObject', object.id).catch(() => undefined);
  }
}

/** The layout of an object that is made for that only. */
export function layoutOf(app: QixApp, type: string, definition: object): Promise<QixLayout> {
  return withObject(app, { qInfo: { qType: type }, ...definition }, (object) => object.ask('getLayout'));
}

/** Every field, those that are derived from others included; with `all` hidden ones and the engine's own, too. */
export async function fieldsOf(app: QixApp, all: boolean): Promise<readonly QixField[]> {
  const shows = {
    qShowSystem: all,
    qShowHidden: all,
    qShowDerivedFields: true,
    qShowSemantic: all,
    qShowSrcTables: true,
  };
  const layout = await layoutOf(app, 'FieldList', { qFieldListDef: shows });
  return (layout.qFieldList?.qItems ?? []).flatMap((field) => [field, ...derivedFrom(field)]);
}

function derivedFrom({ qDerivedFieldData, qSrcTables = [] }: QixField): readonly QixField[] {
  const derived = (qDerivedFieldData?.qDerivedFieldLists ?? []).flatMap(({ qFieldDefs = [] }) => qFieldDefs);
  return derived.map(({ qName = '' }) => ({ qName, qSrcTables, qTags: ['$derived'] }));
}

export async function measuresOf(app: QixApp): Promise<readonly QixItem[]> {
  const qData = { title: '/qMetaDef/title', expression: '/qMeasure/qDef', label: '/qMeasure/qLabel' };
  const layout = await layoutOf(app, 'MeasureList', { qMeasureListDef: { qType: 'measure', qData } });
  return layout.qMeasureList?.qItems ?? [];
}

export async function dimensionsOf(app: QixApp): Promise<readonly QixItem[]> {
  const qData = { title: '/qMetaDef/title', fields: '/qDim/qFieldDefs', grouping: '/qDim/qGrouping' };
  const layout = await layoutOf(app, 'DimensionList', { qDimensionListDef: { qType: 'dimension', qData } });
  return layout.qDimensionList?.qItems ?? [];
}

export async function variablesOf(app: QixApp): Promise<readonly QixItem[]> {
  const shows = { qType: 'variable', qShowReserved: false, qShowConfig: false };
  const layout = await layoutOf(app, 'VariableList', { qVariableListDef: shows });
  return layout.qVariableList?.qItems ?? [];
}

export async function bookmarksOf(app: QixApp): Promise<readonly QixItem[]> {
  const qData = { title: '/qMetaDef/title', description: '/qMetaDef/description' };
  const layout = await layoutOf(app, 'BookmarkList', { qBookmarkListDef: { qType: 'bookmark', qData } });
  return layout.qBookmarkList?.qItems ?? [];
}

export async function sheetsOf(app: QixApp): Promise<readonly QixItem[]> {
  const qData = { title: '/qMetaDef/title', description: '/qMetaDef/description', cells: '/cells' };
  const layout = await layoutOf(app, 'SheetList', { qAppObjectListDef: { qType: 'sheet', qData } });
  return layout.qAppObjectList?.qItems ?? [];
}

/** A name as expressions and definitions take it: never for an expression, whatever it looks like. */
export function quoted(field: string): string {
  return `[${field.replaceAll(']', ']]')}]`;
}

/** The field that is meant, by its name, in brackets or without. Throws a ToolError that names what is like it. */
export function fieldNamed(name: string, fields: readonly QixField[]): string {
  const names = fields.map((field) => field.qName ?? '');
  const bare = /^\[(.*)\]$/s.exec(name)?.[1]?.replaceAll(']]', ']');
  const found = [name, bare].find((wanted) => wanted !== undefined && names.includes(wanted));
  if (found !== undefined) return found;
  throw new ToolError(`There is no field "${short(name)}" in this app${similar(name, names)}.`);
}

/** `: did you mean …?`, where something is like it. */
export function similar(name: string, names: readonly string[]): string {
  const wanted = name.toLowerCase();
  const like = names.filter((other) => {
    const lower = other.toLowerCase();
    return lower !== '' && (lower.includes(wanted) || wanted.includes(lower));
  });
  return like.length === 0
    ? ''
    : `; there is ${like
        .slice(0, 5)
        .map((other) => `"${short(other)}"`)
        .join(', ')}`;
}

/** For messages. */
export function short(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** What every listed thing has. */
export function itemOf({ qInfo, qMeta, qData }: QixItem): { id: string; title: string; description?: string } {
  return {
    id: qInfo?.qId ?? '',
    title: qMeta?.title ?? titleOf(qData?.title),
    ...(qMeta?.description ? { description: qMeta.description } : {}),
  };
}

/** A title is a text, or an expression that makes one. */
export function titleOf(title: unknown): string {
  if (typeof title === 'string') return title;
  const { qStringExpression: made } = (title ?? {}) as { qStringExpression?: unknown };
  if (typeof made === 'string') return made;
  const { qExpr } = (made ?? {}) as { qExpr?: unknown };
  return typeof qExpr === 'string' ? qExpr : '';
}
