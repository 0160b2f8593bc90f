import { spawnSync } from 'node:child_process';
import fs from 'node:fs';

/**
 * Who runs on which core: load and upstream share one, the contender has the other to itself. Without `taskset`, or with
 * a single core, nothing is pinned.
 */
export function shareCores() {
  const [load, contender] = allowedCores();
  const pinned = contender !== undefined && !spawnSync('taskset', ['--version']).error;
  const pin = (core) => (argv) => (pinned ? ['taskset', '-c', String(core), ...argv] : argv);
  return { pinned, load: pin(load), contender: pin(contender) };
}

/** The kernel's list, such as `0-3,8`, as numbers. */
function allowedCores() {
  const list = /^Cpus_allowed_list:\s*(.+)$/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1];
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
