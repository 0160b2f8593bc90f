import { DataModel } from './dataModel.js';
import type { MockApp, MockObject } from './types.js';

export type Properties = Record<string, unknown>;

export type ItemKind = 'object' | 'measure' | 'dimension' | 'variable';

/** Something with an id in an app, or in a session of it. */
export interface Item {
  readonly id: string;
  readonly kind: ItemKind;
  /** Its `qInfo.qType`. */
  readonly type: string;
  properties: Properties;
  readonly children: Item[];
  readonly parent?: Item;
}

/** A socket that has to hear of changes. */
export interface SocketView {
  /** What it shows may look different now; told with its next answer. */
  changed(): void;
  /** Tells it now. */
  tell(): void;
  /** Something is gone, and the handles of it with it. */
  drop(target: object): void;
}

export interface SessionView {
  /** What was reckoned so far may be wrong now. */
  stale(): void;
  everySocket(tell: (socket: SocketView) => void): void;
}

/** What an app holds for everybody who has it open. */
export class AppDoc {
  readonly app: MockApp;
  readonly model: DataModel;
  readonly items = new Map<string, Item>();
  readonly sessions = new Set<SessionView>();
  script: string;
  /** Of `GetAppLayout`; changed by a save. */
  savedScript: string;

  constructor(app: MockApp) {
    this.app = app;
    this.model = new DataModel(app.tables ?? {});
    this.script = app.script ?? '';
    this.savedScript = this.script;
    this.#addMasterItems();
    for (const sheet of app.sheets ?? []) this.#addSheet(sheet);
  }

  of(kind: ItemKind, type?: string): Item[] {
    return [...this.items.values()].filter((item) => item.kind === kind && (type === undefined || item.type === type));
  }

  add(kind: ItemKind, properties: Properties, parent?: Item): Item {
    const item = itemOf(kind, properties, parent);
    this.items.set(item.id, item);
    parent?.children.push(item);
    return item;
  }

  /** With all that is below it. */
  remove(item: Item): void {
    for (const child of [...item.children]) this.remove(child);
    this.items.delete(item.id);
    const siblings = item.parent?.children;
    siblings?.splice(siblings.indexOf(item), 1);
  }

  #addMasterItems(): void {
    for (const { id, title, expression, description = '' } of this.app.measures ?? [])
      this.add('measure', {
        qInfo: { qId: id, qType: 'measure' },
        qMeasure: { qLabel: title, qDef: expression, qGrouping: 'N', qExpressions: [], qActiveExpression: 0 },
        qMetaDef: { title, description, tags: [] },
      });
    for (const { id, title, fields, description = '' } of this.app.dimensions ?? [])
      this.add('dimension', {
        qInfo: { qId: id, qType: 'dimension' },
        qDim: { qGrouping: fields.length > 1 ? 'H' : 'N', qFieldDefs: fields, qFieldLabels: fields, title },
        qMetaDef: { title, description, tags: [] },
      });
    for (const { id, name, definition, comment = '' } of this.app.variables ?? [])
      this.add('variable', {
        qInfo: { qId: id, qType: 'variable' },
        qName: name,
        qDefinition: definition,
        qComment: comment,
        qMetaDef: {},
      });
  }

  #addSheet({ id, title, description = '', objects }: NonNullable<MockApp['sheets']>[number]): void {
    const cells = objects.map(({ id: name, type }, row) => ({ name, type, col: 0, row, colspan: 24, rowspan: 1 }));
    const sheet = this.add('object', {
      qInfo: { qId: id, qType: 'sheet' },
      qMetaDef: { title, description },
      rank: this.of('object', 'sheet').length,
      columns: 24,
      rows: 12,
      cells,
      qChildListDef: { qData: { title: '/title' } },
    });
    for (const object of objects) this.add('object', propertiesOf(object), sheet);
  }
}

export function itemOf(kind: ItemKind, properties: Properties, parent?: Item): Item {
  const { qId = '', qType = '' } = (properties.qInfo ?? {}) as { readonly qId?: string; readonly qType?: string };
  return { id: qId, kind, type: qType, properties, children: [], ...(parent ? { parent } : {}) };
}

function propertiesOf({ id, type, title, dimensions = [], measures = [], properties = {} }: MockObject): Properties {
  const cube = {
    qDimensions: dimensions.map((dimension) =>
      typeof dimension === 'string'
        ? { qDef: { qFieldDefs: [dimension], qFieldLabels: [''] } }
        : { qLibraryId: dimension.library, qDef: {} },
    ),
    qMeasures: measures.map((measure) => {
      if (typeof measure === 'string') return { qDef: { qDef: measure } };
      if ('library' in measure) return { qLibraryId: measure.library, qDef: {} };
      return { qDef: { qDef: measure.expression, qLabel: measure.label } };
    }),
    qInitialDataFetch: [{ qTop: 0, qLeft: 0, qWidth: 17, qHeight: 500 }],
    qInterColumnSortOrder: [...dimensions, ...measures].map((_, index) => index),
    qMode: 'S',
    qSuppressZero: false,
    qSuppressMissing: true,
  };
  const charts = dimensions.length + measures.length > 0 ? { qHyperCubeDef: cube } : {};
  return {
    qInfo: { qId: id, qType: type },
    qMetaDef: {},
    visualization: type,
    title: title ?? '',
    ...charts,
    ...properties,
  };
}
