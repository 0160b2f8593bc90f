import * as z from 'zod';
import type { Tool } from '../../contracts/tools.js';
import { answer, flag, text } from './answerShape.js';
import type { Engine } from './engine.js';
import { tool } from './engineTool.js';

/** Opening and closing. Neither changes the app; and yet an answer that was kept would be a handle that is closed. */
export function appTools(engine: Engine): Tool[] {
  return [
    tool({
      name: 'qlik_open_app',
      category: 'analytics',
      effect: 'write',
      description: 'Open an app to select in it: answers a handle for the other tools. Nothing is selected at first',
      input: { appId: z.string(), keepSavedSelection: z.boolean().optional() },
      output: answer({ handle: text }),
      run: async ({ appId, keepSavedSelection = false }, context) => ({
        handle: await engine.open(context, appId, keepSavedSelection),
      }),
    }),
    tool({
      name: 'qlik_close_app',
      category: 'analytics',
      effect: 'write',
      idempotent: true,
      description: 'Close an open app; its selections end',
      input: { handle: z.string() },
      output: answer({ closed: flag }),
      run: async ({ handle }, context) => {
        await engine.leave(context, handle);
        return { closed: true };
      },
    }),
  ];
}
