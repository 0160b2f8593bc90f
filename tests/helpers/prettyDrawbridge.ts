import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Exit } from './drawbridge.js';
import { programNode } from './programNode.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const READY_WITHIN_MS = 20_000;

/** The real program as a person sees it: with lines for people, and the banner. */
export interface Pretty {
  readonly url: string;
  stderr(): string;
  stdout(): string;
  /** Resolves once `text` stands on stderr. */
  says(text: string): Promise<void>;
  /** Sends SIGTERM and waits for the end. */
  stop(): Promise<Exit>;
}

/** Starts `serve --log-format pretty` in the repository's own folder, and waits until it listens. */
export async function startPretty(args: readonly string[]): Promise<Pretty> {
  const program = path.join(ROOT, 'bin', 'mcp-drawbridge.js');
  const child = spawn(programNode(), [program, 'serve', '--log-format', 'pretty', ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'close').then(([code, signal]): Exit => {
    process.removeListener('exit', kill);
    return { code, signal };
  });
  const [stderr, stdout] = [collect(child, 'stderr'), collect(child, 'stdout')];
  const says = (text: string) => until(child, () => stderr().includes(text), stderr);
  await says('For Cline').catch((error: unknown) => {
    kill();
    throw error;
  });
  const url = /Drawbridge listens on (\S+)/.exec(stderr())?.[1] ?? '';
  const stop = () => {
    child.kill();
    return exited;
  };
  return { url, stderr, stdout, says, stop };
}

function collect(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  const chunks: Buffer[] = [];
  child[stream]?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}

async function until(child: ChildProcess, holds: () => boolean, said: () => string): Promise<void> {
  const signal = AbortSignal.timeout(READY_WITHIN_MS);
  while (!holds()) {
    if (child.exitCode !== null) throw new Error(`the process ended (${child.exitCode}):\n${said()}`);
    const done = new AbortController();
    const either = { signal: AbortSignal.any([signal, done.signal]) };
    const next = [once(child.stderr as NodeJS.ReadableStream, 'data', either), once(child, 'close', either)];
    await Promise.race(next).finally(() => done.abort());
  }
}
