import { setTimeout as sleep } from 'node:timers/promises';

/** Whether there is such a process. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The test's own deadline is the limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(10);
}
