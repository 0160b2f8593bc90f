import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const STOP_MS = 3_000;
const GIVE_UP_MS = 15_000;

/** All processes of a run, and the temporary folder of their files; none outlives `stopAll`. */
export class Processes {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'drawbridge-bench-'));
  #running = new Set();
  #env;

  /** `env`: where programs are found, and nothing else, so that a run doesn't depend on who starts it. */
  constructor(env) {
    this.#env = env;
    process.once('exit', () => this.#leaveNothing());
  }

  /** Starts `argv`; what it writes goes to `<name>.log` in the folder. `ipc` opens a channel for messages. */
  start(name, argv, { ipc = false } = {}) {
    const log = fs.openSync(this.log(name), 'a');
    const stdio = ['ignore', log, log, ...(ipc ? ['ipc'] : [])];
    const child = spawn(argv[0], argv.slice(1), { stdio, cwd: this.folder, env: this.#env });
    fs.closeSync(log);
    this.#running.add(child);
    // A program that can't be started has its say when its port doesn't answer.
    child.on('error', (error) => fs.appendFileSync(this.log(name), `${error.message}\n`));
    child.once('exit', () => this.#running.delete(child));
    return child;
  }

  log(name) {
    return path.join(this.folder, `${name}.log`);
  }

  /** Asks a process to end, and makes it. */
  async stop(child) {
    if (!this.#running.has(child) || child.pid === undefined) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(late);
  }

  async stopAll() {
    await Promise.all([...this.#running].map((child) => this.stop(child)));
    this.#leaveNothing();
  }

  /** Also of a run that broke off. */
  #leaveNothing() {
    for (const child of this.#running) child.kill('SIGKILL');
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Resolves once a connection is accepted. */
export async function reach(port) {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}

/** Sends one message to a process and resolves with its answer. */
export function ask(child, message, timeoutMs = 60_000) {
  return new Promise((resolve, reject) => {
    const settle = (act) => (value) => {
      clearTimeout(timer);
      child.off('message', answered);
      child.off('exit', left);
      act(value);
    };
    const answered = settle(resolve);
    const left = settle(() => reject(new Error('the process ended before it answered')));
    const timer = setTimeout(settle(reject), timeoutMs, new Error('the process did not answer in time'));
    child.on('message', answered);
    child.on('exit', left);
    child.send(message);
  });
}

/** Repeats `attempt` every 2 ms until it resolves; gives up after 15 seconds, or when there is no hope left. */
export async function untilItWorks(attempt, isHopeful = () => true) {
  const end = Date.now() + GIVE_UP_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end || !isHopeful()) throw error;
      await sleep(2);
    }
  }
}
