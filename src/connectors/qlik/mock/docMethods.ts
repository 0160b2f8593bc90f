import { randomUUID } from 'node:crypto';
import { type AppDoc, type Item, type ItemKind, itemOf, type Properties } from './appDoc.js';
import { numberOf } from './cells.js';
import { recordOf } from './cubeDefinition.js';
import { accessDenied, EngineError, invalidParameters } from './engineError.js';
import type { Args, Calling, EngineMethods } from './engineMethod.js';
import { check, evaluate, expand, textOf } from './expressions.js';

const TYPES: Readonly<Record<ItemKind, string>> = {
  object: 'GenericObject',
  measure: 'GenericMeasure',
  dimension: 'GenericDimension',
  variable: 'GenericVariable',
};

/** As the engine answers for what isn't there: no error, but nothing to hold. */
const NOTHING = { qReturn: { qType: null, qHandle: null } };

/** Properties with an id, which the engine makes up where there is none. */
function named(properties: Record<string, unknown>): Properties {
  const { qId, qType, ...info } = recordOf(properties.qInfo);
  if (typeof qType !== 'string' || qType === '') throw invalidParameters('qInfo');
  return { ...structuredClone(properties), qInfo: { ...info, qId: qId || randomUUID(), qType } };
}

export function opened({ open }: Pick<Calling<AppDoc>, 'open'>, item: Item): object {
  return open(TYPES[item.kind], item, item.id, item.type);
}

function got(calling: Calling<AppDoc>, item: Item | undefined, kind: ItemKind): object {
  return item?.kind === kind ? { qReturn: opened(calling, item) } : NOTHING;
}

/** Into the session, or for everybody. */
function created(args: Args, calling: Calling<AppDoc>, kind: ItemKind, session: boolean): object {
  if (!session && !calling.editable) throw accessDenied();
  const properties = named(args.object('qProp'));
  const { qId } = recordOf(properties.qInfo);
  if (calling.session.item(String(qId))) throw new EngineError(3, 'Already exists', String(qId));
  const item = session ? itemOf(kind, properties) : calling.target.add(kind, properties);
  if (session) calling.session.objects.set(item.id, item);
  calling.changed(!session);
  return { qReturn: opened(calling, item), qInfo: { qId: item.id, qType: item.type } };
}

function destroyed(args: Args, { session, target, gone, editable, changed }: Calling<AppDoc>, kind?: ItemKind): object {
  const id = args.text('qId');
  const item = kind === undefined ? session.objects.get(id) : target.items.get(id);
  if (!item || (kind !== undefined && item.kind !== kind)) return { qSuccess: false };
  if (kind !== undefined && !editable) throw accessDenied();
  if (kind === undefined) session.objects.delete(id);
  else target.remove(item);
  gone(item);
  changed(kind !== undefined);
  return { qSuccess: true };
}

const creating = { qProp: 'object' } as const;
const byId = { qId: 'string' } as const;

/** Of an app: its objects and its model. */
export const docMethods: EngineMethods<AppDoc> = {
  CreateSessionObject: { params: creating, run: (args, calling) => created(args, calling, 'object', true) },
  DestroySessionObject: { params: byId, run: (args, calling) => destroyed(args, calling) },
  CreateObject: { params: creating, run: (args, calling) => created(args, calling, 'object', false) },
  DestroyObject: { params: byId, run: (args, calling) => destroyed(args, calling, 'object') },
  CreateMeasure: { params: creating, run: (args, calling) => created(args, calling, 'measure', false) },
  DestroyMeasure: { params: byId, run: (args, calling) => destroyed(args, calling, 'measure') },
  CreateDimension: { params: creating, run: (args, calling) => created(args, calling, 'dimension', false) },
  DestroyDimension: { params: byId, run: (args, calling) => destroyed(args, calling, 'dimension') },
  GetObject: { params: byId, run: (args, calling) => got(calling, calling.session.item(args.text('qId')), 'object') },
  GetMeasure: {
    params: byId,
    run: (args, calling) => got(calling, calling.target.items.get(args.text('qId')), 'measure'),
  },
  GetDimension: {
    params: byId,
    run: (args, calling) => got(calling, calling.target.items.get(args.text('qId')), 'dimension'),
  },
  GetAllInfos: {
    params: {},
    run: (_, { target }) => ({ qInfos: [...target.items.values()].map(({ id, type }) => ({ qId: id, qType: type })) }),
  },
  GetAppLayout: { params: {}, run: (_, calling) => ({ qLayout: appLayout(calling) }) },
  GetAppProperties: { params: {}, run: (_, { target }) => ({ qProp: { qTitle: target.app.name } }) },
  GetTablesAndKeys: {
    params: {
      ...{ qWindowSize: 'object', qNullSize: 'object', qCellHeight: 'number', qSyntheticMode: 'boolean' },
      ...{ qIncludeSysVars: 'boolean', qIncludeProfiling: 'boolean?' },
    },
    run: (_, { target }) => ({ qtr: tables(target), qk: target.model.keys.map(key) }),
  },
  GetTableData: {
    params: { qOffset: 'number', qRows: 'number', qSyntheticMode: 'boolean', qTableName: 'string' },
    run: (args, { target }) => ({ qData: tableData(args, target) }),
  },
  EvaluateEx: {
    params: { qExpression: 'string' },
    run: (args, { session }) => {
      const { fault } = check(session, args.text('qExpression'));
      const value = evaluate(session, args.text('qExpression'));
      const qText = fault === '' ? textOf(value) : fault;
      return { qValue: { qText, qIsNumeric: typeof value === 'number', qNumber: numberOf(value) } };
    },
  },
  Evaluate: {
    params: { qExpression: 'string' },
    run: (args, { session }) => ({ qReturn: textOf(evaluate(session, args.text('qExpression'))) }),
  },
  CheckExpression: {
    params: { qExpr: 'string', qLabels: 'array?' },
    run: (args, { session }) => {
      const { fault, bad } = check(session, args.text('qExpr'));
      return { qErrorMsg: fault, qBadFieldNames: bad, qDangerousFieldNames: [] };
    },
  },
  ExpandExpression: {
    params: { qExpression: 'string' },
    run: (args, { session }) => ({ qExpandedExpression: expand(session, args.text('qExpression')) }),
  },
};

function appLayout({ target, session, editable }: Calling<AppDoc>): object {
  const { app } = target;
  return {
    qTitle: app.name,
    qFileName: app.id,
    qLastReloadTime: '2026-01-05T08:00:00.000Z',
    qHasScript: target.script !== '',
    qHasData: target.model.tables.length > 0,
    qModified: target.script !== target.savedScript,
    qMeta: { privileges: editable ? ['read', 'update', 'delete', 'reload'] : ['read'] },
    qStateNames: [],
    qUnsupportedFeatures: [],
    qLocaleInfo: { qDecimalSep: '.', qThousandSep: ',', qDateFmt: 'YYYY-MM-DD', qCollation: 'en-US' },
    qSelectionInfo: session.selections.selected.size > 0 ? { qInSelections: false } : {},
    description: app.description ?? '',
  };
}

function tables({ model }: AppDoc): object[] {
  return model.tables.map(({ name, rows, fields }) => ({
    qName: name,
    qNoOfRows: rows.length,
    qFields: fields.map((column) => {
      const field = model.fields.get(column);
      const present = rows.filter((row) => row[column] !== null && row[column] !== undefined).length;
      return {
        qName: column,
        qPresent: true,
        qHasNull: present < rows.length,
        qInformationDensity: rows.length === 0 ? 0 : present / rows.length,
        qSubsetRatio: field ? new Set(rows.map((row) => row[column])).size / Math.max(1, field.values.length) : 0,
        qnNonNulls: present,
        qnRows: rows.length,
        qnTotalDistinctValues: field?.values.length ?? 0,
        qnPresentDistinctValues: new Set(rows.map((row) => row[column])).size,
        qKeyType: (field?.tables.length ?? 0) > 1 ? 'ANY_KEY' : 'NOT_KEY',
        qTags: field?.tags ?? [],
      };
    }),
  }));
}

function key({
  fields,
  tables: shared,
}: {
  readonly fields: readonly string[];
  readonly tables: readonly string[];
}): object {
  return { qKeyFields: fields, qTables: shared };
}

function tableData(args: Args, { model }: AppDoc): object[] {
  const table = model.tables.find(({ name }) => name === args.text('qTableName'));
  if (!table) throw new EngineError(2, 'Not found', args.text('qTableName'));
  const rows = table.rows.slice(args.number('qOffset'), args.number('qOffset') + args.number('qRows'));
  return rows.map((row) => ({
    qValue: table.fields.map((column) => ({
      qText: textOf(row[column] ?? null),
      qIsNumeric: typeof row[column] === 'number',
      qNumber: numberOf(row[column] ?? null),
    })),
  }));
}
