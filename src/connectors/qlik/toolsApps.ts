import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';
import type { Engine } from './engine.js';
import { tool } from './engineTool.js';

/** Opening and closing. Neither changes the app; and yet an answer that was kept would be a handle that is closed. */
export function appTools(engine: Engine): Tool[] {
  return [
    tool({
      name: 'qlik_open_app',
      category: 'analytics',
      effect: 'write',
      description: 'Open an app for selections: answers a handle for the other tools',
      input: { appId: z.string(), keepSavedSelection: z.boolean().optional() },
      run: async ({ appId, keepSavedSelection = false }, context) => ({
        handle: await engine.open(context, appId, keepSavedSelection),
      }),
    }),
    tool({
      name: 'qlik_close_app',
      category: 'analytics',
      effect: 'write',
      idempotent: true,
      description: 'Close a handle',
      input: { handle: z.string() },
      run: async ({ handle }, context) => {
        await engine.leave(context, handle);
        return { closed: true };
      },
    }),
  ];
}
