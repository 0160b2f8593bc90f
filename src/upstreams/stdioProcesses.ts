import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';

/** One process as the system shows it. */
export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  /** Its process group; 0 where the system has none. */
  readonly group: number;
  /** Resident memory, pages that it shares with others included. */
  readonly bytes: number;
}

/** How processes are read, and how long to wait between two readings: it costs more where a program must be asked. */
export interface ProcessTable {
  readonly everyMs: number;
  /** Rejects where the system doesn't tell. */
  read(): Promise<readonly ProcessRow[]>;
}

const KIB = 1024;
/** Files that are read at a time. */
const AT_ONCE = 16;
const ASKED_WITHIN_MS = 10_000;
const MOST_SAID = 16 * 1024 * KIB;
/** By CIM, since `wmic` is no part of Windows any more. Unverified: no machine has run it. */
const OF_WINDOWS =
  'Get-CimInstance Win32_Process | ForEach-Object { "$($_.ProcessId) $($_.ParentProcessId) 0 $([math]::Floor($_.WorkingSetSize / 1024))" }';

/** The processes of this machine, or of this container. */
export function processTable(platform: NodeJS.Platform = process.platform): ProcessTable {
  if (platform === 'linux') return { everyMs: 1_000, read: readProc };
  if (platform === 'win32') {
    const args = ['-NoProfile', '-NonInteractive', '-Command', OF_WINDOWS];
    return { everyMs: 15_000, read: () => ask('powershell.exe', args) };
  }
  return { everyMs: 5_000, read: () => ask('ps', ['-A', '-o', 'pid=,ppid=,pgid=,rss=']) };
}

async function readProc(): Promise<ProcessRow[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const rows: ProcessRow[] = [];
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const some = await Promise.all(names.slice(at, at + AT_ONCE).map(readStatus));
    for (const row of some) if (row) rows.push(row);
  }
  return rows;
}

/** Undefined for one that has ended meanwhile, or that isn't ours to see. */
async function readStatus(pid: string): Promise<ProcessRow | undefined> {
  const text = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => undefined);
  if (text === undefined) return undefined;
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  return { pid: Number(pid), parent: field('PPid'), group: field('NSpgid'), bytes: field('VmRSS') * KIB };
}

/** A program that writes a line for each: pid, parent, group, KiB. */
function ask(program: string, args: readonly string[]): Promise<ProcessRow[]> {
  const limits = { timeout: ASKED_WITHIN_MS, maxBuffer: MOST_SAID, windowsHide: true };
  return new Promise((resolve, reject) => {
    execFile(program, args, limits, (error, said) => {
      if (error) reject(error);
      else resolve(said.split('\n').flatMap(readLine));
    });
  });
}

function readLine(line: string): ProcessRow[] {
  const [, pid, parent, group, kib] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$/.exec(line) ?? [];
  return kib === undefined
    ? []
    : [{ pid: Number(pid), parent: Number(parent), group: Number(group), bytes: Number(kib) * KIB }];
}

/** A process, everything that descends from it, and everything in its group: what a parent that ended has left behind. */
export function treeOf(root: number, rows: readonly ProcessRow[]): readonly ProcessRow[] {
  const found = new Map(rows.filter(({ pid, group }) => pid === root || group === root).map((row) => [row.pid, row]));
  let before = -1;
  while (before < found.size) {
    before = found.size;
    for (const row of rows) if (found.has(row.parent)) found.set(row.pid, row);
  }
  return [...found.values()];
}
