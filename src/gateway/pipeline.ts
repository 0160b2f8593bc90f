import type { Door, Handler, Stage } from '../contracts.js';

/** A door, or the way of a call that a federation makes to one of its members. */
type Way = Door | 'member';

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
  { stage: 'observe', doors: ['mcp', 'web', 'hook', 'admin', 'stdio'] },
  { stage: 'guard', doors: ['mcp', 'web', 'hook', 'admin'] },
  { stage: 'limitAddress', doors: ['mcp', 'web', 'hook', 'admin'], optional: true },
  { stage: 'identify', doors: ['mcp', 'web', 'hook', 'admin', 'stdio'], optional: true },
  { stage: 'intercept', doors: ['mcp', 'web', 'stdio'] },
  { stage: 'conceal', doors: ['mcp', 'web', 'stdio'], optional: true },
  { stage: 'read', doors: ['mcp', 'stdio'] },
  { stage: 'route', doors: ['mcp', 'web', 'stdio'] },
  { stage: 'authorize', doors: ['mcp', 'web', 'hook', 'admin', 'stdio', 'member'], optional: true },
  { stage: 'limitCaller', doors: ['mcp', 'web', 'hook', 'admin', 'stdio', 'member'], optional: true },
  { stage: 'select', doors: ['mcp', 'stdio', 'member'], optional: true },
  { stage: 'recall', doors: ['mcp', 'stdio', 'member'], optional: true },
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
