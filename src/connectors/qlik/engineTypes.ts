/**
 * The methods of the engine (QIX) that tools use, and what it answers to them, as far as it is read. The engine leaves
 * out what has its default value, so that nothing in an answer can be counted on.
 */

/** One value: of a list, or where a row and a column meet. `qNum` is `NaN` in words where there is no number. */
export interface QixCell {
  readonly qText?: string;
  readonly qNum?: number | 'NaN';
  readonly qIsNull?: boolean;
  readonly qElemNumber?: number;
  /** One letter or two: see `engineFields`. */
  readonly qState?: string;
  readonly qFrequency?: string | number;
}

export interface QixPage {
  readonly qMatrix?: readonly (readonly QixCell[])[];
}

interface QixError {
  readonly qErrorCode?: number;
}

/** A dimension or a measure, as it came out. */
export interface QixColumn {
  readonly qFallbackTitle?: string;
  readonly qCardinal?: number;
  readonly qError?: QixError;
}

export interface QixCube {
  readonly qSize?: { readonly qcx?: number; readonly qcy?: number };
  readonly qError?: QixError;
  readonly qDimensionInfo?: readonly QixColumn[];
  readonly qMeasureInfo?: readonly QixColumn[];
  readonly qGrandTotalRow?: readonly QixCell[];
  readonly qDataPages?: readonly QixPage[];
  /** In which order the columns come, where it is not the dimensions and then the measures. */
  readonly qColumnOrder?: readonly number[];
}

export interface QixList {
  readonly qSize?: { readonly qcx?: number; readonly qcy?: number };
  readonly qDimensionInfo?: QixColumn & { readonly qLocked?: boolean };
  readonly qDataPages?: readonly QixPage[];
}

export interface QixSelection {
  readonly qField?: string;
  readonly qReadableName?: string;
  readonly qSelectedCount?: number;
  readonly qTotal?: number;
  readonly qLocked?: boolean;
  readonly qSelected?: string;
  readonly qSelectedFieldSelectionInfo?: readonly { readonly qName?: string }[];
}

/** One entry of a list of things in an app. */
export interface QixItem {
  readonly qInfo?: { readonly qId?: string; readonly qType?: string };
  readonly qMeta?: { readonly title?: string; readonly description?: string };
  readonly qData?: Readonly<Record<string, unknown>>;
  /** Of variables. */
  readonly qName?: string;
  readonly qDefinition?: string;
  readonly qDescription?: string;
  readonly qIsScriptCreated?: boolean;
}

/** One entry of the list of fields. */
export interface QixField {
  readonly qName?: string;
  readonly qCardinal?: number;
  readonly qTags?: readonly string[];
  readonly qSrcTables?: readonly string[];
  /** Such as the year of a date, by a calendar that the script declares. */
  readonly qDerivedFieldData?: {
    readonly qDerivedFieldLists?: readonly { readonly qFieldDefs?: readonly { readonly qName?: string }[] }[];
  };
}

type Items<Item = QixItem> = { readonly qItems?: readonly Item[] };

export interface QixLayout {
  readonly qInfo?: { readonly qId?: string; readonly qType?: string };
  readonly title?: unknown;
  readonly cells?: readonly { readonly name?: string; readonly type?: string }[];
  readonly qMeta?: { readonly title?: string; readonly description?: string };
  readonly qHyperCube?: QixCube;
  readonly qListObject?: QixList;
  readonly qFieldList?: Items<QixField>;
  readonly qMeasureList?: Items;
  readonly qDimensionList?: Items;
  readonly qVariableList?: Items;
  readonly qAppObjectList?: Items;
  readonly qBookmarkList?: Items;
  readonly qSelectionObject?: { readonly qSelections?: readonly QixSelection[] };
  readonly qChildList?: Items;
}

/** The properties of an object: what it is, not what comes out. */
export type QixProperties = Readonly<Record<string, unknown>> & {
  readonly qInfo?: { readonly qId?: string; readonly qType?: string };
  readonly title?: unknown;
  readonly qHyperCubeDef?: QixCubeDef;
  readonly qListObjectDef?: { readonly qLibraryId?: string; readonly qDef?: QixDimensionDef };
};

interface QixDimensionDef {
  readonly qFieldDefs?: readonly string[];
  readonly qFieldLabels?: readonly string[];
}

export interface QixCubeDef {
  readonly qMode?: string;
  readonly qDimensions?: readonly { readonly qLibraryId?: string; readonly qDef?: QixDimensionDef }[];
  readonly qMeasures?: readonly {
    readonly qLibraryId?: string;
    readonly qDef?: { readonly qDef?: string; readonly qLabel?: string };
  }[];
  readonly qSuppressZero?: boolean;
  readonly qSuppressMissing?: boolean;
}

export interface QixTable {
  readonly qName?: string;
  readonly qNoOfRows?: number;
  readonly qIsSynthetic?: boolean;
  readonly qFields?: readonly {
    readonly qName?: string;
    readonly qKeyType?: string;
    readonly qnTotalDistinctValues?: number;
  }[];
}

/** Fields that several tables share. */
export interface QixKey {
  readonly qKeyFields?: readonly string[];
  readonly qTables?: readonly string[];
}

export interface QixScriptError {
  readonly qTabIx?: number;
  readonly qLineInTab?: number;
  readonly qColInLine?: number;
  readonly qTextPos?: number;
  readonly qErrLen?: number;
  readonly qSecondaryFailure?: boolean;
}

interface QixRange {
  readonly qFrom?: number;
  readonly qCount?: number;
}

/** A part of a list or a table. */
export interface QixArea {
  readonly qLeft: number;
  readonly qTop: number;
  readonly qWidth: number;
  readonly qHeight: number;
}

type Size = { readonly qcx: number; readonly qcy: number };

/** What a document and its objects can be asked, in enigma's spelling. */
export interface QixMethods {
  getTablesAndKeys(
    window: Size,
    nulls: Size,
    cellHeight: number,
    synthetic: boolean,
    system: boolean,
  ): { readonly qtr?: readonly QixTable[]; readonly qk?: readonly QixKey[] };
  checkExpression(expression: string): {
    readonly qErrorMsg?: string;
    readonly qBadFieldNames?: readonly QixRange[];
    readonly qDangerousFieldNames?: readonly QixRange[];
  };
  clearAll(lockedToo: boolean): unknown;
  applyBookmark(id: string): boolean;
  destroySessionObject(id: string): boolean;
  getScript(): string;
  setScript(script: string): unknown;
  checkScriptSyntax(): readonly QixScriptError[] | undefined;
  doSave(): unknown;
  getLayout(): QixLayout;
  getEffectiveProperties(): QixProperties;
  getHyperCubeData(path: string, pages: readonly QixArea[]): readonly QixPage[];
  getListObjectData(path: string, pages: readonly QixArea[]): readonly QixPage[];
  searchListObjectFor(path: string, match: string): boolean;
  abortListObjectSearch(path: string): unknown;
  selectListObjectValues(path: string, elements: readonly number[], toggle: boolean): boolean;
}

/** Methods that answer with another object. */
export interface QixOpenings {
  openDoc(appId: string): unknown;
  createSessionObject(properties: object): unknown;
  getObject(id: string): unknown;
}

/** Something in the engine that can be asked: the global one, a document, an object. */
export interface QixObject {
  readonly id: string;
  /** Rejects with an EngineRefusal for what the engine refuses, with an EngineLost when its socket closes meanwhile. */
  ask<Name extends keyof QixMethods>(
    method: Name,
    ...params: Parameters<QixMethods[Name]>
  ): Promise<ReturnType<QixMethods[Name]>>;
  /** As `ask`, for what answers with an object. */
  open<Name extends keyof QixOpenings>(method: Name, ...params: Parameters<QixOpenings[Name]>): Promise<QixObject>;
  /** The same for as long as the signal lets it; without one, for what must not be broken off, such as clearing away. */
  during(signal?: AbortSignal): QixObject;
}

/** An app that is open, for as long as one call lasts. */
export interface QixApp {
  readonly id: string;
  readonly doc: QixObject;
  readonly signal: AbortSignal;
  /** To be called before something is selected: from then on it can be lost. */
  selecting(): void;
}
