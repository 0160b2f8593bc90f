import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Clock } from '../contracts.js';
import { errorCode } from '../core/errors.js';

/** How often it is looked whether a process is gone. Milliseconds. */
const LOOK_MS = 20;
/** What even SIGKILL doesn't end within this time waits for its disk. Milliseconds. */
const DEAD_WITHIN_MS = 2_000;

export const IS_WINDOWS = process.platform === 'win32';

/** Sends a signal to a process and all of its descendants that stayed in its group. False where none is left. */
export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(IS_WINDOWS ? pid : -pid, signal);
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** At once, those that left the group included. Resolves once nothing of the group is left. */
export async function killTree(pid: number, pids: readonly number[], clock: Clock): Promise<void> {
  if (IS_WINDOWS) return endTreeOfWindows(pid);
  signalGroup(pid, 'SIGKILL');
  for (const each of pids) {
    try {
      process.kill(each, 'SIGKILL');
    } catch {
      // It has ended with its group.
    }
  }
  await isGoneWithin(pid, DEAD_WITHIN_MS, clock);
}

/** Ends a process group: asks first, and kills what is left after `graceMs`. Resolves once nothing of it is left. */
export async function endGroup(pid: number, graceMs: number, clock: Clock): Promise<void> {
  if (IS_WINDOWS) return endTreeOfWindows(pid);
  if (!signalGroup(pid, 'SIGTERM')) return;
  if (await isGoneWithin(pid, graceMs, clock)) return;
  signalGroup(pid, 'SIGKILL');
  await isGoneWithin(pid, DEAD_WITHIN_MS, clock);
}

async function isGoneWithin(pid: number, ms: number, clock: Clock): Promise<boolean> {
  for (let waited = 0; signalGroup(pid, 0); waited += LOOK_MS) {
    if (waited >= ms) return false;
    await clock.sleep(LOOK_MS);
  }
  return true;
}

/** Windows knows no groups: `taskkill` follows the parents. */
async function endTreeOfWindows(pid: number): Promise<void> {
  const killer = spawn('taskkill', ['/pid', String(pid), '/T', '/F'], { stdio: 'ignore', windowsHide: true });
  await once(killer, 'close').catch(() => {});
}
