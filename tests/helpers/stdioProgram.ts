import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { programNode } from './programNode.js';
import { tempFolder } from './tempFolder.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = path.join(ROOT, 'bin', 'mcp-drawbridge.js');
const EVERYTHING = path.join(ROOT, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');

/** How an SDK's stdio client starts `mcp-drawbridge stdio`: in an empty home, with next to nothing of this environment. */
export function stdioCommand(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const folder = tempFolder('stdio');
  return {
    command: programNode(),
    args: [PROGRAM, 'stdio', ...args],
    env: { PATH: process.env.PATH ?? '', HOME: folder, ...env },
    cwd: folder,
    stderr: 'pipe' as const,
  };
}

/** The program by itself, spoken to by hand. */
export interface StdioProgram {
  readonly child: ChildProcess;
  /** The lines of stdout so far. */
  lines(): string[];
  stderr(): string;
  say(...messages: (object | string)[]): void;
  /** Resolves with the first line that is a message with that id; rejects after 20 s. */
  answer(id: number | string | null): Promise<Record<string, unknown>>;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export function startStdioProgram(args: readonly string[], env: Readonly<Record<string, string>> = {}): StdioProgram {
  const { command, args: given, env: all, cwd } = stdioCommand(args, env);
  const child = spawn(command, given, { cwd, env: all, stdio: 'pipe' });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk;
  });
  child.stdin.on('error', () => {});
  const exited = once(child, 'close').then(([code, signal]) => {
    process.removeListener('exit', kill);
    return { code, signal };
  });
  const lines = () => out.split('\n').slice(0, -1);
  const answer = async (id: number | string | null) => {
    const signal = AbortSignal.timeout(20_000);
    for (;;) {
      const found = lines()
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .find((message) => message.id === id && message.method === undefined);
      if (found) return found;
      await once(child.stdout, 'data', { signal });
    }
  };
  const say = (...messages: (object | string)[]) => {
    for (const message of messages)
      child.stdin.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`);
  };
  return { child, lines, stderr: () => err, say, answer, exited };
}

export const INITIALIZE = {
  jsonrpc: '2.0',
  id: 'first',
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'by hand', version: '1' } },
};
export const INITIALIZED = { jsonrpc: '2.0', method: 'notifications/initialized' };

/** Resolves once `holds` does; rejects after 20 s. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  while (!(await holds())) await sleep(5, undefined, { signal });
}

/** A port that nobody listens on; soon somebody may. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The reference server in a process of its own. */
export async function startEverything(port: number): Promise<{ readonly url: string; kill(): Promise<void> }> {
  const env = { PATH: process.env.PATH ?? '', PORT: String(port) };
  const child = spawn(programNode(), [EVERYTHING, 'streamableHttp'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = () => void child.kill('SIGKILL');
  process.once('exit', end);
  child.stdout.resume();
  let said = '';
  while (!said.includes('listening')) {
    const [chunk] = (await once(child.stderr, 'data', { signal: AbortSignal.timeout(20_000) })) as [Buffer];
    said += chunk;
  }
  child.stderr.resume();
  const kill = async () => {
    process.removeListener('exit', end);
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'close');
  };
  return { url: `http://127.0.0.1:${port}/mcp`, kill };
}
