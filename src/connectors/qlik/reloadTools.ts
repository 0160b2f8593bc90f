import * as z from 'zod';
import type { Tool, ToolContext } from '../../contracts/tools.js';
import type { Clock } from '../../contracts.js';
import { GatewayError } from '../../core/errors.js';
import { ToolError } from '../../core/toolErrors.js';
import { answer, flag, number, text } from './answerShape.js';
import { pathOf } from './endpoints.js';
import { RESOURCES } from './resources.js';
import type { QlikRest } from './rest.js';
import type { QlikCalls } from './restCalls.js';
import { fully } from './restShapes.js';
import { appId, restTool } from './restTool.js';

type Json = Record<string, unknown>;

const RELOADS = RESOURCES.reloads.base;
const RELOAD = `${RELOADS}/{reloadId}`;
const OVER = new Set(['SUCCEEDED', 'FAILED', 'CANCELED', 'EXCEEDED_LIMIT']);
/** Milliseconds between two looks at a reload: the first, and the longest. */
const FIRST_LOOK = 1_000;
const LONGEST_LOOK = 5_000;
/** Callers commonly give a call a minute; a longer reload is looked at by its id. Seconds. */
const USUAL_WAIT = 45;
const LONGEST_WAIT = 3_600;
/** For the cancellation that nobody waits for any more; milliseconds. */
const CANCEL_MS = 10_000;
const MOST_LOG = 8_000;

const OPERATIONS = { category: 'operations' } as const;
const reloadId = z.string();
const seen = answer({ reloadId: text, status: text, done: flag });

interface Deps {
  readonly rest: QlikRest;
  readonly clock: Clock;
  /** Told of an app that has new data. */
  reloaded(appId: string): void;
}

/** Reloads of apps: starting, following, reading and ending them. */
export function reloadTools(deps: Deps): readonly Tool[] {
  return [startTool(deps), statusTool(deps), logTool(deps), cancelTool(deps)];
}

function startTool(deps: Deps): Tool {
  return restTool({
    ...OPERATIONS,
    name: 'qlik_start_app_reload',
    effect: 'write',
    description: 'Reload an app and follow it, with progress. Cancelling the call cancels the reload.',
    input: z.strictObject({
      appId,
      partial: z.boolean().optional(),
      waitSeconds: z.int().min(0).max(LONGEST_WAIT).default(USUAL_WAIT).describe('0: only start'),
    }),
    output: seen,
    async run({ appId: app, partial = false, waitSeconds }, context) {
      const calls = deps.rest.for(context);
      const started = await calls.send('POST', RELOADS, { body: { appId: app, partial } });
      return follow(started, waitSeconds * 1000, calls, context, deps);
    },
  });
}

/**
 * Looks at a reload until it is over, or the time is; one whose caller gives up is cancelled. It runs by now, so that
 * nothing that fails here may be the failure of the call: a call that fails may be repeated, and would start another one.
 */
async function follow(started: Json, waitMs: number, calls: QlikCalls, context: ToolContext, deps: Deps) {
  const from = deps.clock.monotonic();
  const variables = { reloadId: String(started.id) };
  let reload = started;
  try {
    for (let look = FIRST_LOOK; !isOver(reload); look = Math.min(look * 1.5, LONGEST_LOOK)) {
      const past = deps.clock.monotonic() - from;
      context.progress(Math.round(past / 1000), undefined, String(reload.status));
      if (past >= waitMs) break;
      await deps.clock.sleep(Math.min(look, waitMs - past), context.signal);
      reload = await calls.get(RELOAD, { variables });
    }
  } catch (error) {
    if (!context.signal.aborted) return { ...(await shown(reload, calls, deps)), note: lostSight(error) };
    if (isGivenUp(context.signal.reason)) await cancelUnheard(variables, context, deps);
    throw error;
  }
  return shown(reload, calls, deps);
}

function lostSight(error: unknown): string {
  const why = error instanceof ToolError ? ` ${error.message}` : '';
  return `The reload goes on, but it can't be seen just now: qlik_get_reload_status.${why}`;
}

/** A deadline of ours, or the end of this process, is nothing that the caller decided. */
function isGivenUp(reason: unknown): boolean {
  return !(reason instanceof GatewayError) || reason.code === 'CALLER_LEFT';
}

/** Nobody hears of it if it fails: the reload may be over by now. */
async function cancelUnheard(variables: { reloadId: string }, context: ToolContext, { rest }: Deps): Promise<void> {
  const calls = rest.for({ ...context, signal: AbortSignal.timeout(CANCEL_MS) });
  await calls.send('POST', pathOf('reloads', 'cancel'), { variables }).catch(() => undefined);
}

/** A reload as a model sees it. One that has succeeded makes what is kept of its app old. */
async function shown(reload: Json, calls: QlikCalls, deps: Deps): Promise<Json> {
  if (reload.status === 'SUCCEEDED' && typeof reload.appId === 'string') {
    await calls.forget('apps', reload.appId);
    await calls.forget('lineage-graphs');
    deps.reloaded(reload.appId);
  }
  const { log, userId, ...rest } = fully('reloads', reload);
  return { ...rest, done: isOver(reload) };
}

function isOver({ status }: Json): boolean {
  return OVER.has(String(status));
}

function statusTool(deps: Deps): Tool {
  return restTool({
    ...OPERATIONS,
    name: 'qlik_get_reload_status',
    effect: 'read',
    description: 'How a reload is doing.',
    input: z.strictObject({ reloadId }),
    output: seen,
    async run(variables, context) {
      const calls = deps.rest.for(context);
      return shown(await calls.get(RELOAD, { variables }), calls, deps);
    },
  });
}

function logTool({ rest }: Deps): Tool {
  return restTool({
    ...OPERATIONS,
    name: 'qlik_get_reload_log',
    effect: 'read',
    description: 'Script log of a finished reload: its end, or from offset on.',
    input: z.strictObject({ appId, reloadId, offset: z.int().min(0).optional() }),
    output: answer({ log: text, offset: number, nextOffset: number }),
    async run({ offset, ...variables }, context) {
      const log = await rest.for(context).text(pathOf('apps', 'reloadLog'), { variables });
      const from = offset ?? Math.max(0, log.length - MOST_LOG);
      const text = log.slice(from, from + MOST_LOG);
      const next = from + text.length;
      return { log: text, offset: from, total: log.length, ...(next < log.length ? { nextOffset: next } : {}) };
    },
  });
}

function cancelTool({ rest }: Deps): Tool {
  return restTool({
    ...OPERATIONS,
    name: 'qlik_cancel_app_reload',
    effect: 'write',
    idempotent: true,
    description: 'Cancel a queued or running reload.',
    input: z.strictObject({ reloadId }),
    output: answer({ reloadId: text, status: text }),
    async run(variables, context) {
      const { status } = await rest.for(context).send('POST', pathOf('reloads', 'cancel'), { variables });
      return { ...variables, status: status ?? 'CANCELING' };
    },
  });
}
