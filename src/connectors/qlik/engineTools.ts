import type { Tool } from '../../contracts/tools.js';
import type { Engine } from './engine.js';
import { analyticsTools } from './toolsAnalytics.js';
import { appTools } from './toolsApps.js';
import { dataModelTools } from './toolsDataModel.js';
import { scriptTools } from './toolsScript.js';
import { selectionTools } from './toolsSelections.js';
import { visualizationTools } from './toolsVisualization.js';

export interface EngineToolsOptions {
  /** `write` adds the tools that change apps. Selections are no such change: they are the session's own. */
  readonly access: 'read' | 'write';
}

/** For a model: how these tools work together. */
export const ENGINE_INSTRUCTIONS =
  'Give appId alone to read an app without selections. To select, open it with qlik_open_app (or qlik_select_values) and give ' +
  'the handle instead from then on; close it when done. A result with nextCursor has more: repeat the call with it as cursor.';

/** Tools of the engine. */
export function engineTools(engine: Engine, { access }: EngineToolsOptions): Tool[] {
  return [
    ...appTools(engine),
    ...dataModelTools(engine),
    ...analyticsTools(engine),
    ...selectionTools(engine),
    ...visualizationTools(engine),
    ...scriptTools(engine, access),
  ];
}
