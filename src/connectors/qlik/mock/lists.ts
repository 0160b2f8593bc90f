import type { Item } from './appDoc.js';
import { recordOf } from './cubeDefinition.js';
import type { EngineSession } from './engineSession.js';
import { stateCounts } from './hyperCube.js';

type Json = Readonly<Record<string, unknown>>;
type List = (session: EngineSession, given: Json, item: Item) => object;

/** What each definition of a list becomes in a layout. */
export const LISTS: Readonly<Record<string, List>> = {
  qFieldListDef: (session, given) => ({ qItems: fields(session, given) }),
  qMeasureListDef: (session, given) => ({ qItems: items(session, session.doc.of('measure'), given) }),
  qDimensionListDef: (session, given) => ({
    qItems: items(session, session.doc.of('dimension'), given),
  }),
  qVariableListDef: (session, given) => ({ qItems: variables(session, given) }),
  qAppObjectListDef: (session, given) => ({ qItems: appObjects(session, given) }),
  qChildListDef: (session, given, item) => ({ qItems: items(session, item.children, given) }),
  qSelectionObjectDef: (session) => currentSelections(session),
  qBookmarkListDef: () => ({ qItems: [] }),
  qMediaListDef: () => ({ qItems: [] }),
};

function fields({ doc }: EngineSession, { qShowSystem }: Json): object[] {
  const system = ['$Field', '$Table', '$Rows', '$Fields', '$FieldNo', '$Info'].map((qName) => ({
    ...{ qName, qCardinal: 1, qTags: ['$system'], qIsSystem: true, qIsHidden: true, qSrcTables: [] },
  }));
  const own = [...doc.model.fields.values()].map(({ name, values, tags, tables }) => ({
    qName: name,
    qCardinal: values.length,
    qTags: tags,
    qSrcTables: tables,
  }));
  return qShowSystem === true ? [...own, ...system] : own;
}

function items(session: EngineSession, found: readonly Item[], { qData }: Json): object[] {
  return found.map((item) => ({
    qInfo: { qId: item.id, qType: item.type },
    qMeta: {
      ...recordOf(item.properties.qMetaDef),
      privileges: ['read'],
      published: true,
      owner: session.doc.app.ownerId,
    },
    qData: dataOf(item, recordOf(qData)),
  }));
}

/** `{ title: '/title' }` fetches what is at the path in each item. */
function dataOf({ properties }: Item, wanted: Json): object {
  const at = (path: string) =>
    path
      .split('/')
      .slice(1)
      .reduce<unknown>((value, name) => recordOf(value)[name], { ...properties, qMeta: properties.qMetaDef });
  return Object.fromEntries(Object.entries(wanted).map(([name, path]) => [name, at(String(path)) ?? null]));
}

function variables(session: EngineSession, { qData, qShowReserved }: Json): object[] {
  const reserved = { qName: 'DateFormat', qDefinition: 'YYYY-MM-DD', qIsReserved: true, qIsScriptCreated: true };
  const own = session.doc.of('variable').map((item) => {
    const { qName, qDefinition, qComment } = item.properties;
    return {
      ...{ qName, qDefinition, qMeta: {}, qInfo: { qId: item.id, qType: 'variable' } },
      qData: { ...dataOf(item, recordOf(qData)), qComment },
      ...(qComment ? { qDescription: qComment } : {}),
    };
  });
  return qShowReserved === true
    ? [...own, { ...reserved, qInfo: { qId: 'reserved-1', qType: 'variable' }, qMeta: {}, qData: {} }]
    : own;
}

function appObjects(session: EngineSession, { qType, qData }: Json): object[] {
  const wanted = String(qType ?? '')
    .split(',')
    .filter(Boolean);
  const found = session.doc.of('object').filter(({ type }) => wanted.length === 0 || wanted.includes(type));
  return items(session, found, { qData });
}

/** What is selected, field by field; long lists are only counted. */
function currentSelections(session: EngineSession): object {
  const { doc, selections } = session;
  const qSelections = [...selections.selected].map(([name, elements]) => {
    const field = doc.model.fields.get(name);
    const texts = [...elements].map((element) => String(field?.values[element] ?? ''));
    const states = selections.states(name);
    return {
      qTotal: field?.values.length ?? 0,
      qIsNum: field?.numeric ?? false,
      qField: name,
      qLocked: selections.isLocked(name),
      qOneAndOnlyOne: false,
      qTextSearch: '',
      qSelectedCount: elements.size,
      qSelected: texts.length > 6 ? `${texts.length} of ${field?.values.length}` : texts.join(', '),
      qRangeInfo: [],
      qSortIndex: [...doc.model.fields.keys()].indexOf(name),
      qReadableName: name,
      qIsHidden: false,
      qStateCounts: stateCounts(states),
      qSelectedFieldSelectionInfo: texts.map((qName) => ({ qName, qSelectionMode: 'NORMAL' })),
      qNotSelectedFieldSelectionInfo: [],
      qSelectionThreshold: 6,
    };
  });
  return { qBackCount: 0, qForwardCount: 0, qSelections };
}
