import type { Door, Handler, Stage } from '../contracts.js';

/**
 * A door, or a way of its own: `member`, of a call that a federation makes to one of its members; `sse`, of the GET that opens
 * a session of HTTP+SSE; `post`, of a POST to it, and `message`, of what that carries.
 */
type Way = Door | 'member' | 'sse' | 'post' | 'message';

/** A step of the exchange chain and the ways that lead through it. */
interface Row {
  readonly stage: string;
  readonly doors: readonly Way[];
  /** The step is only there where the configuration asks for it. */
  readonly optional?: true;
}

/**
 * The exchange chain, once per request, in this order. To audit what protects a door, read its column.
 * The attempt chain, once per try, is `proxyClient`'s.
 */
export const STAGES = [
  { stage: 'observe', doors: ['mcp', 'web', 'hook', 'admin', 'stdio', 'sse', 'message'] },
  { stage: 'guard', doors: ['mcp', 'web', 'hook', 'admin', 'sse', 'post'] },
  { stage: 'limitAddress', doors: ['mcp', 'web', 'hook', 'admin', 'sse', 'post'], optional: true },
  { stage: 'identify', doors: ['mcp', 'web', 'hook', 'admin', 'stdio', 'sse', 'post'], optional: true },
  { stage: 'join', doors: ['post'] },
  { stage: 'intercept', doors: ['mcp', 'web', 'stdio', 'sse', 'message'] },
  { stage: 'conceal', doors: ['mcp', 'web', 'stdio', 'sse', 'message'], optional: true },
  { stage: 'read', doors: ['mcp', 'stdio', 'message'] },
  { stage: 'route', doors: ['mcp', 'web', 'stdio', 'message'] },
  { stage: 'authorize', doors: ['mcp', 'web', 'hook', 'admin', 'stdio', 'message', 'member'], optional: true },
  { stage: 'limitCaller', doors: ['mcp', 'web', 'hook', 'admin', 'stdio', 'message', 'member'], optional: true },
  { stage: 'select', doors: ['mcp', 'stdio', 'message', 'member'], optional: true },
  { stage: 'recall', doors: ['mcp', 'stdio', 'message', 'member'], optional: true },
] as const satisfies readonly Row[];

export type StageName = (typeof STAGES)[number]['stage'];

/**
 * Compiles a door's chain, once.
 * @throws Error when a step is missing that isn't optional: a gap in the chain is never skipped in silence
 */
export function compile(door: Way, stages: Partial<Record<StageName, Stage>>, terminal: Handler): Handler {
  const rows: readonly Row[] = STAGES;
  return rows
    .filter((row) => row.doors.includes(door))
    .reduceRight<Handler>((next, row) => {
      const stage = stages[row.stage as StageName];
      if (stage) return (exchange) => stage(exchange, next);
      if (row.optional) return next;
      throw new Error(`the ${row.stage} stage is missing`);
    }, terminal);
}
