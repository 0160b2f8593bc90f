import fs from 'node:fs';

/** What a process and all that it started have used so far: microseconds of processor time, and resident MiB. */
export function usage(pid) {
  const tree = processTree(pid);
  const cpuUs = tree.reduce((sum, { pid: member }) => sum + ranUs(member), 0);
  const rssKiB = tree.reduce((sum, { pid: member }) => sum + residentKiB(member), 0);
  return { cpuUs, rssMiB: rssKiB / 1024 };
}

/** The same of a process without what it started. */
export function usageAlone(pid) {
  return { cpuUs: ranUs(pid), rssMiB: residentKiB(pid) / 1024 };
}

/** Not every kernel lists children, so parents are asked for. */
function processTree(root) {
  const all = fs.readdirSync('/proc').filter(isNumber).map(readStat).filter(Boolean);
  const members = all.filter(({ pid }) => pid === root);
  for (const member of members) members.push(...all.filter(({ parent }) => parent === member.pid));
  return members;
}

function isNumber(name) {
  return /^\d+$/.test(name);
}

/** proc(5): the name in parentheses may hold spaces, what follows may not. Undefined for a process that just ended. */
function readStat(pid) {
  const text = read(`/proc/${pid}/stat`);
  if (!text) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid: Number(pid), parent: Number(fields[1]) };
}

/** What the scheduler gave to all threads that a process has: nanoseconds, where `stat` counts ticks of 10 ms. */
function ranUs(pid) {
  const threads = list(`/proc/${pid}/task`).map((thread) => read(`/proc/${pid}/task/${thread}/schedstat`));
  return threads.reduce((sum, text) => sum + Number.parseInt(text ?? '0', 10), 0) / 1000;
}

/** Nothing for a process that just ended. */
function list(folder) {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

function residentKiB(pid) {
  return Number(/^VmRSS:\s*(\d+)/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? 0);
}

function read(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
