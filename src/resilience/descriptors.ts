import { readFileSync } from 'node:fs';

/** For children's pipes, files, listeners and look-ups; a quarter where that is less. */
const RESERVED = 256;
/** A call holds its caller's connection and one to the upstream. */
const OF_EACH_CALL = 2;

/**
 * How many callers' connections a process serves without running out of file descriptors: an accept that fails for want of
 * one is told to nobody. Infinite where the system doesn't say, or sets no limit.
 */
export function connectionsAllowed(limit = descriptorLimit()): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  const reserved = Math.min(RESERVED, Math.floor(limit / 4));
  return Math.max(1, Math.floor((limit - reserved) / OF_EACH_CALL));
}

/** The soft limit of open files (proc(5)), which Node has raised to the hard one; undefined where there is no /proc. */
function descriptorLimit(): number | undefined {
  try {
    const row = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return row ? Number(row[1]) : undefined;
  } catch {
    return undefined;
  }
}
