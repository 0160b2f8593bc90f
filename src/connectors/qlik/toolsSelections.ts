import * as z from 'zod';
import type { Tool, ToolContext } from '../../contracts/tools.js';
import { ToolError } from '../../core/toolErrors.js';
import { answer, list, text } from './answerShape.js';
import type { AppTarget, Engine } from './engine.js';
import { bookmarksOf, itemOf } from './engineObjects.js';
import { pageOf } from './enginePages.js';
import { select, selectionsOf } from './engineSelections.js';
import { paged, target, tool } from './engineTool.js';
import type { QixApp } from './engineTypes.js';

const ANALYTICS = { category: 'analytics' } as const;
/** No read: an answer that was kept would say what was selected once. */
const SETTLING = { effect: 'write', idempotent: true } as const;
const USUAL_BOOKMARKS = 100;

/** What is selected in the session of a handle: the app itself is never changed. */
export function selectionTools(engine: Engine): Tool[] {
  return [
    currentSelections(engine),
    selectValues(engine),
    clearSelections(engine),
    listBookmarks(engine),
    applyBookmark(engine),
  ];
}

function currentSelections(engine: Engine): Tool {
  return tool({
    ...ANALYTICS,
    name: 'qlik_get_current_selections',
    description: 'What is selected, by field',
    input: { handle: z.string() },
    output: answer({ selections: list }),
    run: (args, context) => engine.use(context, args, 'read', selected),
  });
}

function selectValues(engine: Engine): Tool {
  return tool({
    ...ANALYTICS,
    ...SETTLING,
    name: 'qlik_select_values',
    description:
      'Select exact values, instead of those selected in the same fields. With appId: opens it and answers a handle',
    input: {
      ...target,
      selections: z.array(z.strictObject({ field: z.string(), values: z.array(z.union([z.string(), z.number()])) })),
    },
    output: answer({ handle: text, selections: list }),
    run: ({ selections, ...args }, context) =>
      inHandle(engine, args, context, async (app) => ({ selections: await select(app, selections) })),
  });
}

function clearSelections(engine: Engine): Tool {
  return tool({
    ...ANALYTICS,
    ...SETTLING,
    name: 'qlik_clear_selections',
    description: 'Clear all selections',
    input: { handle: z.string() },
    output: answer({ selections: list }),
    run: (args, context) =>
      engine.use(context, args, 'clear', async (app) => {
        await app.doc.ask('clearAll', true);
        return selected(app);
      }),
  });
}

function listBookmarks(engine: Engine): Tool {
  return tool({
    ...ANALYTICS,
    name: 'qlik_list_bookmarks',
    description: 'Bookmarks',
    input: { ...target, ...paged },
    output: answer({ bookmarks: list, nextCursor: text }),
    run: (args, context) => engine.use(context, args, 'read', (app) => bookmarks(app, args)),
  });
}

function applyBookmark(engine: Engine): Tool {
  return tool({
    ...ANALYTICS,
    ...SETTLING,
    name: 'qlik_apply_bookmark',
    description: 'Make the selections of a bookmark. With appId: opens it and answers a handle',
    input: { ...target, bookmarkId: z.string() },
    output: answer({ handle: text, selections: list }),
    run: ({ bookmarkId, ...args }, context) =>
      inHandle(engine, args, context, async (app) => {
        app.selecting();
        if (await app.doc.ask('applyBookmark', bookmarkId)) return selected(app);
        throw new ToolError('The engine did not apply the bookmark: check bookmarkId with qlik_list_bookmarks.');
      }),
  });
}

async function selected(app: QixApp): Promise<{ readonly selections: readonly object[] }> {
  return { selections: await selectionsOf(app) };
}

/** Selections need a handle: without one, the app is opened for them. */
async function inHandle(
  engine: Engine,
  { appId, handle }: AppTarget,
  context: ToolContext,
  job: (app: QixApp) => Promise<object>,
): Promise<object> {
  if (handle !== undefined) return engine.use(context, { appId, handle }, 'select', job);
  if (appId === undefined) throw new ToolError('Give the handle of qlik_open_app, or appId.');
  const made = await engine.open(context, appId, false);
  try {
    return { handle: made, ...(await engine.use(context, { handle: made }, 'select', job)) };
  } catch (error) {
    // Nobody would know of it.
    await engine.leave(context, made).catch(() => undefined);
    throw error;
  }
}

async function bookmarks(
  app: QixApp,
  asked: { readonly limit?: number | undefined; readonly cursor?: string | undefined },
) {
  const { items, ...rest } = pageOf(await bookmarksOf(app), asked, USUAL_BOOKMARKS);
  return { bookmarks: items.map(itemOf), ...rest };
}
