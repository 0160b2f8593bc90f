import type { Item } from './appDoc.js';
import { recordOf } from './cubeDefinition.js';
import type { EngineSession } from './engineSession.js';
import { evaluate, textOf } from './expressions.js';
import { cubeLayout } from './hyperCube.js';
import { listLayout } from './listObject.js';
import { LISTS } from './lists.js';

type Json = Readonly<Record<string, unknown>>;

const MAX_DEPTH = 40;

/** What an object looks like now: its properties, with each definition replaced by what it defines. */
export function layoutOf(session: EngineSession, item: Item, soft?: Json): Json {
  const properties = effective(session, item, soft);
  const { qMetaDef, qInfo, ...rest } = properties;
  const persistent = session.doc.items.has(item.id);
  const meta = { ...recordOf(qMetaDef), ...(persistent ? stamps(session) : {}) };
  return {
    qInfo,
    qMeta: { privileges: ['read', 'update', 'delete', 'exportdata'], ...meta },
    qSelectionInfo: {},
    ...recordOf(filled(session, item, rest, 0)),
  };
}

function stamps({ doc }: EngineSession): object {
  const at = '2026-01-05T08:00:00.000Z';
  return { createdDate: at, modifiedDate: at, published: true, approved: true, owner: doc.app.ownerId };
}

/** The properties over those of the object that they extend. */
export function effective(session: EngineSession, item: Item, soft?: Json): Json {
  const { qExtendsId } = item.properties;
  const base = typeof qExtendsId === 'string' && qExtendsId !== '' ? session.item(qExtendsId)?.properties : undefined;
  return { ...base, ...item.properties, ...soft };
}

function filled(session: EngineSession, item: Item, value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((entry) => filled(session, item, entry, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  const { qStringExpression, qValueExpression } = value as Json;
  if (qStringExpression !== undefined) return textOf(evaluate(session, expressionOf(qStringExpression)));
  if (qValueExpression !== undefined) return evaluate(session, expressionOf(qValueExpression)) ?? 'NaN';
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => defined(session, item, name, entry, depth)));
}

function expressionOf(value: unknown): string {
  return typeof value === 'string' ? value : String(recordOf(value).qExpr ?? '');
}

function defined(session: EngineSession, item: Item, name: string, entry: unknown, depth: number): [string, unknown] {
  const given = recordOf(entry);
  if (name === 'qHyperCubeDef') return ['qHyperCube', cubeLayout(session, given)];
  if (name === 'qListObjectDef') return ['qListObject', listLayout(session, given, session.searches.get(item))];
  const list = Object.hasOwn(LISTS, name) ? LISTS[name] : undefined;
  if (list) return [name.replace(/Def$/, ''), list(session, given, item)];
  return [name, filled(session, item, entry, depth + 1)];
}
