import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { nowUs } from '../clock.mjs';
import { LineReader } from './lines.mjs';
import { call, INITIALIZED, initialize } from './messages.mjs';

const END_MS = 3_000;

/** A client on the stdin and stdout of a bridge. */
export class StdioClient {
  #child;
  #started = nowUs();
  #nextId = 0;
  #waiting = new Map();
  #fail;
  #said = '';

  /** `fail(error)` is called when an answer is an error, or when the bridge ends by itself. */
  constructor(argv, { cwd, env }, fail) {
    this.#fail = fail;
    this.#child = spawn(argv[0], argv.slice(1), { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
    const reader = new LineReader((line) => this.#hear(line));
    this.#child.stdout.on('data', (bytes) => reader.push(bytes));
    this.#child.stderr.on('data', (bytes) => {
      this.#said = (this.#said + bytes).slice(-2000);
    });
    this.#child.stdin.on('error', () => {});
    this.#child.once('error', (error) => this.#fail(error));
    this.#child.once('exit', () => this.#fail(new Error(`the bridge ended: ${this.#said}`)));
  }

  /** Resolves with the process, and milliseconds from its start to its first answer and to its first answered call. */
  async begin() {
    await this.#ask(initialize);
    const firstAnswerMs = (nowUs() - this.#started) / 1000;
    this.#child.stdin.write(`${INITIALIZED}\n`);
    await this.#ask(call);
    return { pid: this.#child.pid, firstAnswerMs, firstCallMs: (nowUs() - this.#started) / 1000 };
  }

  /** So many calls in flight, each its own lane of a closed loop. */
  lanes(count) {
    return Array.from({ length: count }, () => new Lane(this));
  }

  /** `onAnswer()` is called with the answer to the message that `write(id)` is. */
  send(write, onAnswer) {
    this.#nextId += 1;
    this.#waiting.set(this.#nextId, onAnswer);
    this.#child.stdin.write(`${write(this.#nextId)}\n`);
  }

  /** Closes stdin, and makes the bridge end where that isn't enough. */
  async end() {
    this.#fail = () => {};
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.stdin.end();
    const late = setTimeout(() => this.#child.kill('SIGKILL'), END_MS);
    await exited;
    clearTimeout(late);
  }

  #ask(write) {
    return new Promise((resolve) => this.send(write, resolve));
  }

  /** The client asks nothing else, so the last id of a line is the message's own. */
  #hear(line) {
    const id = Number(/"id":(\d+)/.exec(line)?.[1]);
    const onAnswer = this.#waiting.get(id);
    if (onAnswer === undefined) return;
    if (!line.includes('"result":')) this.#fail(new Error(`the answer was ${line.slice(0, 500)}`));
    this.#waiting.delete(id);
    onAnswer();
  }
}

class Lane {
  sentAt = 0;
  #client;

  constructor(client) {
    this.#client = client;
  }

  send(onAnswer, now = nowUs()) {
    this.sentAt = now;
    this.#client.send(call, () => onAnswer(this));
  }
}
