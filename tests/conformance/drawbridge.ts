import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The real program, running; `url` is its MCP endpoint. */
export interface Drawbridge {
  readonly url: string;
  /** Asks it to end and waits until it did. */
  stop(): Promise<void>;
}

const program = fileURLToPath(new URL('../../bin/mcp-drawbridge.js', import.meta.url));
const startMs = 15_000;

/**
 * Starts `serve` with that configuration and nothing from this environment. Resolves once it answers; rejects with what
 * it wrote when it doesn't come up.
 */
export async function startDrawbridge(config: object): Promise<Drawbridge> {
  const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-'));
  const file = path.join(folder, 'mcp-proxy-config.json');
  await writeFile(file, JSON.stringify(config));
  const port = await freePort();
  const child = spawn(process.execPath, [program, 'serve', '-c', file, '--port', String(port)], {
    cwd: folder,
    env: {},
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stop = async () => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  const written = collect(child);
  if (await comesUp(child, port)) return { url: `http://127.0.0.1:${port}/mcp`, stop };
  await stop();
  throw new Error(`Drawbridge did not start (run \`npm run build\` first):\n${written.join('')}`);
}

/** Its log is read to the end of its life: a full pipe would stop it. */
function collect(child: ChildProcess): readonly string[] {
  const written: string[] = [];
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => written.push(chunk));
  return written;
}

async function comesUp(child: ChildProcess, port: number): Promise<boolean> {
  const deadline = AbortSignal.timeout(startMs);
  while (child.exitCode === null && !deadline.aborted) {
    if (await answers(`http://127.0.0.1:${port}/health/live`)) return true;
    await sleep(50);
  }
  return false;
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return port;
}
