import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { programNode } from './programNode.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = path.join(ROOT, 'bin', 'mcp-drawbridge.js');
const READY_WITHIN_MS = 20_000;
const GONE_WITHIN_MS = 20_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  /** Further arguments, behind `serve -c … --port 0 --log-format json`. */
  readonly args?: readonly string[];
  /** The whole environment besides PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The real program in a process of its own. */
export interface Drawbridge {
  /** Origin, without a path. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** The folder of the configuration file; it is HOME and working directory too. */
  readonly folder: string;
  readonly configFile: string;
  stderr(): string;
  stdout(): string;
  /** The log lines so far that are JSON. */
  records(): Record<string, unknown>[];
  /** Resolves with the first record, past or to come, that `matches`. */
  record(matches: (record: Record<string, unknown>) => boolean, timeoutMs?: number): Promise<Record<string, unknown>>;
  /** Sends the signal (SIGTERM unless told otherwise) and waits for the end; killed if that never comes. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
}

/**
 * Starts `serve` with a configuration in a folder of its own (null: without one) and a clean environment, and waits
 * until it listens. Rejects with what it wrote when it ends before that.
 */
export async function startDrawbridge(config: object | null, options: StartOptions = {}): Promise<Drawbridge> {
  const run = await runDrawbridge(config, ['--port', '0', ...(options.args ?? [])], options.env);
  try {
    const listening = await run.record((record) => record.signal === 'server.listening', READY_WITHIN_MS);
    const url = new URL(String(listening.url));
    return Object.assign(run, { url: url.origin, port: Number(url.port) });
  } catch (cause) {
    await run.stop('SIGKILL');
    throw new Error(`Drawbridge doesn't listen. It said:\n${run.stderr()}${run.stdout()}`, { cause });
  }
}

/** A process that may end by itself. */
export type Run = Omit<Drawbridge, 'url' | 'port'> & { readonly exited: Promise<Exit> };

/** Starts `serve` without waiting for anything: for configurations that must be refused. */
export async function runDrawbridge(
  config: object | null,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-'));
  const configFile = path.join(folder, 'mcp-proxy-config.json');
  if (config) await writeFile(configFile, JSON.stringify(config, null, 2));
  const given = config ? ['-c', configFile] : [];
  const child = spawn(programNode(), [PROGRAM, 'serve', ...given, '--log-format', 'json', ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOME: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return observe(child, folder, configFile);
}

function observe(child: ChildProcess, folder: string, configFile: string): Run {
  const out = collect(child, 'stdout');
  const err = collect(child, 'stderr');
  const kill = () => void child.kill('SIGKILL');
  // Whatever becomes of the test run, no process of ours outlives it.
  process.once('exit', kill);
  const exited = once(child, 'close').then(async ([code, signal]): Promise<Exit> => {
    process.removeListener('exit', kill);
    await rm(folder, { recursive: true, force: true });
    return { code, signal };
  });
  const records = () => err().split('\n').flatMap(parseRecord);
  return {
    pid: child.pid as number,
    folder,
    configFile,
    stdout: out,
    stderr: err,
    records,
    record: (matches, timeoutMs = 5000) => find(child, records, matches, timeoutMs),
    exited,
    stop: (signal = 'SIGTERM') => stop(child, exited, signal),
  };
}

function collect(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  const chunks: Buffer[] = [];
  child[stream]?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}

function parseRecord(line: string): Record<string, unknown>[] {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? [value as Record<string, unknown>] : [];
  } catch {
    return [];
  }
}

async function find(
  child: ChildProcess,
  records: () => Record<string, unknown>[],
  matches: (record: Record<string, unknown>) => boolean,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  const signal = AbortSignal.timeout(timeoutMs);
  for (;;) {
    const found = records().find(matches);
    if (found) return found;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the process ended (${child.exitCode})`);
    const done = new AbortController();
    const either = { signal: AbortSignal.any([signal, done.signal]) };
    try {
      await Promise.race([once(child.stderr as NodeJS.ReadableStream, 'data', either), once(child, 'close', either)]);
    } finally {
      done.abort();
    }
  }
}

async function stop(child: ChildProcess, exited: Promise<Exit>, signal: NodeJS.Signals): Promise<Exit> {
  child.kill(signal);
  const killer = setTimeout(() => child.kill('SIGKILL'), GONE_WITHIN_MS);
  return exited.finally(() => clearTimeout(killer));
}
