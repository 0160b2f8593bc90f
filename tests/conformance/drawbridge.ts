import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { programNode } from '../helpers/programNode.js';

/** The real program, running; `url` is its MCP endpoint. */
export interface Drawbridge {
  readonly url: string;
  /** Asks it to end and waits until it did. */
  stop(): Promise<void>;
}

const program = fileURLToPath(new URL('../../bin/mcp-drawbridge.js', import.meta.url));
const startMs = 15_000;

/**
 * Starts `serve` with that configuration and nothing from this environment. Resolves once it listens; rejects with what
 * it wrote when it doesn't come up.
 */
export async function startDrawbridge(config: object): Promise<Drawbridge> {
  const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-'));
  const file = path.join(folder, 'mcp-proxy-config.json');
  await writeFile(file, JSON.stringify(config));
  const child = spawn(programNode(), [program, 'serve', '-c', file, '--port', '0', '--log-format', 'json'], {
    cwd: folder,
    env: {},
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stop = async () => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  const tooLate = setTimeout(() => child.kill('SIGKILL'), startMs);
  const written: string[] = [];
  const origin = await listeningAt(child.stderr, written);
  clearTimeout(tooLate);
  if (origin !== undefined) return { url: `${origin}/mcp`, stop };
  await stop();
  throw new Error(`Drawbridge did not start; is it built? (npm run build)\n${written.join('\n')}`);
}

/**
 * Where the log says that it listens; undefined when the log ends before. It is read on to its end, because a full
 * pipe would hold the program up.
 */
function listeningAt(log: Readable, written: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: log });
    lines.once('close', () => resolve(undefined));
    lines.on('line', (line) => {
      written.push(line);
      const record = line.startsWith('{') ? JSON.parse(line) : {};
      if (record.signal === 'server.listening') resolve(record.url);
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
