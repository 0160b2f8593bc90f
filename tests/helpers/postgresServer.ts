import { execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** A Postgres of the test's own, on 127.0.0.1. */
export interface PostgresServer {
  readonly url: string;
  /** Kills it as a power cut would; `start` brings it back with what it had. */
  crash(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Where Debian, and others, put `initdb` and `postgres`; undefined where there are none. */
const BIN = findBin();

/** Why there is no Postgres to test with; empty where there is. */
export const NO_POSTGRES = BIN === undefined ? ' (skipped: no postgres on this machine)' : '';

function findBin(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = fs.existsSync(debian) ? fs.readdirSync(debian).sort().reverse() : [];
  const places = [...versions.map((version) => `${debian}/${version}/bin`), ...(process.env.PATH ?? '').split(':')];
  const found = places.find((place) => ['initdb', 'postgres'].every((name) => fs.existsSync(path.join(place, name))));
  // Postgres refuses root: its own user must be there.
  return found !== undefined && (process.getuid?.() !== 0 || hasUser('postgres')) ? found : undefined;
}

function hasUser(name: string): boolean {
  return fs.existsSync('/etc/passwd') && fs.readFileSync('/etc/passwd', 'utf8').includes(`\n${name}:`);
}

/** As root, a command runs as `postgres`; its own process group, so that it goes with all its children. */
function asUser(command: string, args: string[]): [string, string[]] {
  return process.getuid?.() === 0 ? ['runuser', ['-u', 'postgres', '--', command, ...args]] : [command, args];
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startPostgres(): Promise<PostgresServer> {
  const bin = BIN as string;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'drawbridge-postgres-'));
  fs.chmodSync(folder, 0o777);
  const data = path.join(folder, 'data');
  const quiet: SpawnOptions = { stdio: 'ignore', cwd: folder };
  const init = ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'];
  execFileSync(...asUser(path.join(bin, 'initdb'), init), { stdio: 'ignore', cwd: folder });
  const port = await freePort();
  const pidFile = path.join(data, 'postmaster.pid');
  const pid = () => Number(fs.readFileSync(pidFile, 'utf8').split('\n', 1)[0]);
  let ended: Promise<unknown> = Promise.resolve();

  async function start(): Promise<void> {
    const args = ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', folder, '-F'];
    const child = spawn(...asUser(path.join(bin, 'postgres'), args), quiet);
    ended = new Promise((resolve) => child.once('exit', resolve));
    const ready = ['-h', '127.0.0.1', '-p', String(port), '-q'];
    for (let tries = 0; tries < 200; tries++) {
      if (isReady(path.join(bin, 'pg_isready'), ready)) return;
      await wait(50);
    }
    throw new Error('postgres did not start');
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    process.kill(pid(), signal);
    await ended;
  }

  await start();
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    // SIGQUIT is its immediate shutdown: no checkpoint, recovery at the next start, and no child left behind.
    crash: () => end('SIGQUIT'),
    start,
    stop: async () => {
      if (fs.existsSync(pidFile)) await end('SIGINT');
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

function isReady(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
