import { ToolError } from '../../core/toolErrors.js';
import { EngineRefusal, NOT_FOUND } from './engineErrors.js';
import { titleOf } from './engineObjects.js';
import { type PageAsked, pageOf } from './enginePages.js';
import type { QixApp, QixObject } from './engineTypes.js';

const USUAL_CHARTS = 30;
const MOST_CHARTS = 100;
/** Objects that are asked at the same time. */
const AT_ONCE = 8;

/** An object of the app. Throws a ToolError that says where its id is to be had. */
export async function objectOf(app: QixApp, id: string, where: string): Promise<QixObject> {
  try {
    return await app.doc.open('getObject', id);
  } catch (error) {
    if (error instanceof EngineRefusal && error.code === NOT_FOUND) {
      throw new ToolError(`There is no such object in this app: take its id from ${where}.`);
    }
    throw error;
  }
}

/** What is on a sheet: the charts' ids, types and titles, and none of their data. */
export async function sheetDetails(app: QixApp, sheetId: string, asked: PageAsked): Promise<object> {
  const sheet = await objectOf(app, sheetId, 'qlik_list_sheets');
  const { cells = [], qMeta } = await sheet.ask('getLayout');
  const limit = asked.limit === undefined ? undefined : Math.min(asked.limit, MOST_CHARTS);
  const { items, ...rest } = pageOf(cells, { ...asked, limit }, USUAL_CHARTS);
  const charts: object[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    charts.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map((cell) => chartOf(app, cell)))));
  }
  return {
    title: qMeta?.title ?? '',
    ...(qMeta?.description ? { description: qMeta.description } : {}),
    charts,
    ...rest,
  };
}

/** By its properties: a layout would have the engine calculate it. */
async function chartOf(app: QixApp, { name = '', type = '' }: { readonly name?: string; readonly type?: string }) {
  try {
    const object = await app.doc.open('getObject', name);
    const { title, qInfo } = await object.ask('getEffectiveProperties');
    return { id: name, type: qInfo?.qType ?? type, title: titleOf(title) };
  } catch (error) {
    // A sheet may name what was deleted since.
    if (error instanceof EngineRefusal) return { id: name, type, title: '', missing: true };
    throw error;
  }
}
