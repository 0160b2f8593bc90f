/** Something to be done in this turn of the event loop. */
export interface Due {
  /** Must not throw: what is due behind it would be lost. */
  run(): void;
}

/** As much of the event loop as what it belongs to: empty between its turns. */
const due: Due[] = [];

/**
 * Does it before this turn is over, but after everything has been read that sockets bring in it; in the order of asking.
 * Calls that come together so take each step together, and find its code in the processor's cache (ADR 17).
 */
export function atTurnsEnd(task: Due): void {
  if (due.push(task) === 1) setImmediate(runAll);
}

function runAll(): void {
  for (const task of due.splice(0)) task.run();
}
