import { ToolError } from '../../core/toolErrors.js';
import { readCube } from './engineCube.js';
import { readValues } from './engineFields.js';
import { titleOf, withObject } from './engineObjects.js';
import type { PageAsked } from './enginePages.js';
import { objectOf } from './engineSheets.js';
import type { QixApp, QixCubeDef, QixLayout } from './engineTypes.js';

const WHERE = 'qlik_get_sheet_details';

/** What a chart is, and what its columns are made of. */
export async function chartInfo(app: QixApp, chartId: string): Promise<object> {
  const chart = await objectOf(app, chartId, WHERE);
  const [properties, layout] = await Promise.all([chart.ask('getEffectiveProperties'), chart.ask('getLayout')]);
  const definition = properties.qHyperCubeDef;
  const children = (layout.qChildList?.qItems ?? []).map(({ qInfo }) => ({
    id: qInfo?.qId ?? '',
    type: qInfo?.qType ?? '',
  }));
  const hides = hiddenBy(definition);
  return {
    id: chartId,
    type: properties.qInfo?.qType ?? '',
    title: typeof layout.title === 'string' ? layout.title : titleOf(properties.title),
    ...(definition ? { ...columnsOf(definition, layout), rows: layout.qHyperCube?.qSize?.qcy ?? 0 } : {}),
    ...(hides.length > 0 ? { hides } : {}),
    ...(children.length > 0 ? { children } : {}),
  };
}

/** A page of what a chart shows, as rows and columns whatever it looks like. */
export async function chartData(app: QixApp, chartId: string, asked: PageAsked): Promise<object> {
  const chart = await objectOf(app, chartId, WHERE);
  const properties = await chart.ask('getEffectiveProperties');
  const definition = properties.qHyperCubeDef;
  const hides = hiddenBy(definition);
  const hidden = hides.length > 0 ? { hides } : {};
  if (definition && isStraight(definition)) return { ...(await readCube(chart, asked)), ...hidden };
  if (definition) {
    // Pivots and stacks come in shapes of their own: the same definition as a table has the same data.
    const straight = { ...definition, qMode: 'S', qInitialDataFetch: [] };
    const table = { qInfo: { qType: 'table' }, qHyperCubeDef: straight };
    return { ...(await withObject(app, table, (object) => readCube(object, asked))), ...hidden };
  }
  if (properties.qListObjectDef) {
    const { qListObject } = await chart.ask('getLayout');
    return readValues(chart, qListObject, asked);
  }
  const type = properties.qInfo?.qType ?? 'object';
  throw new ToolError(`A ${type} has no data of its own: qlik_get_chart_info lists its children, if it has any.`);
}

/** In the engine's schema `S` is what there is where nothing is said. */
function isStraight({ qMode = 'S' }: QixCubeDef): boolean {
  return qMode === 'S' || qMode === 'DATA_MODE_STRAIGHT';
}

/** What a chart leaves out: sums over its rows may miss something. */
function hiddenBy(definition: QixCubeDef | undefined): readonly string[] {
  return [
    ...(definition?.qSuppressZero ? ['zero values'] : []),
    ...(definition?.qSuppressMissing ? ['missing values'] : []),
  ];
}

function columnsOf({ qDimensions = [], qMeasures = [] }: QixCubeDef, { qHyperCube = {} }: QixLayout) {
  const { qDimensionInfo = [], qMeasureInfo = [] } = qHyperCube;
  return {
    dimensions: qDimensions.map(({ qLibraryId, qDef }, at) => ({
      name: qDimensionInfo[at]?.qFallbackTitle ?? qDef?.qFieldLabels?.[0] ?? '',
      ...made(qLibraryId, qDef?.qFieldDefs?.join(', ')),
    })),
    measures: qMeasures.map(({ qLibraryId, qDef }, at) => ({
      name: qMeasureInfo[at]?.qFallbackTitle ?? qDef?.qLabel ?? '',
      ...made(qLibraryId, qDef?.qDef),
    })),
  };
}

function made(libraryId: string | undefined, definition: string | undefined): object {
  return libraryId ? { masterItem: libraryId } : { definition: definition ?? '' };
}
