import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../contracts.js';
import { errorCode, GatewayError } from '../core/errors.js';
import type { Channel, ChannelHandlers } from './channel.js';
import { LineSplitter } from './stdioLines.js';
import { endGroup, IS_WINDOWS, killTree, signalGroup } from './stdioTree.js';

/** How a child is started, and what may come of it. */
export interface ChildOptions {
  /** The destination's name. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly maxLineBytes: number;
  /** Between closing its stdin, SIGTERM and SIGKILL. */
  readonly stopMs: number;
  /** How much memory it may have, with all that it starts; absent: as much as it likes. */
  readonly maxMemoryMiB?: number | undefined;
  /** Whether its end is about one caller alone; `spoke`: it had said something by then. */
  isOfCaller(spoke: boolean): boolean;
  readonly clock: Clock;
}

/** What is told of a child besides its messages. */
export interface ChildWatch {
  stderr(pid: number): (chunk: Buffer) => void;
  /** A line on stdout that is no message; told once. */
  noise(pid: number): void;
  /** It was larger than it may be, and is being killed. */
  tooLarge(pid: number, mib: number): void;
  /** It is gone: nobody had asked it to (`itself`), or it was `stopped`, or `killed` for what it did. */
  ended(child: Child, how: string, why: ChildEnd): void;
}

export type ChildEnd = 'itself' | 'stopped' | 'killed';

type Process = ChildProcessByStdio<Writable, Readable, Readable>;

/** So much is written ahead of a child that reads nothing. Bytes. */
const MOST_UNREAD = 32 * 1024 * 1024;
/** What a child wrote before it ended arrives by then, even where its own children hold the pipe open. Milliseconds. */
const LAST_WORDS_MS = 100;
const LF = 10;
const CR = 13;
const END = Buffer.from('\n');

/** One process that speaks MCP on its stdin and stdout (stdio transport), and everything that it starts. */
export class Child implements Channel {
  readonly pid: number;
  /** Of the monotonic clock. */
  readonly startedAt: number;
  readonly #options: ChildOptions;
  readonly #handlers: ChannelHandlers;
  readonly #watch: ChildWatch;
  readonly #process: Process;
  readonly #exited: Promise<unknown>;
  #stopped: Promise<void> | undefined;
  #isOver = false;
  #isNoisy = false;
  #isCorked = false;
  #hasSpoken = false;

  private constructor(process: Process, options: ChildOptions, handlers: ChannelHandlers, watch: ChildWatch) {
    this.pid = process.pid as number;
    this.startedAt = options.clock.monotonic();
    this.#options = options;
    this.#handlers = handlers;
    this.#watch = watch;
    this.#process = process;
    this.#exited = once(process, 'exit').then(([code, signal]) => this.#ended(describe(code, signal)));
    this.#read();
  }

  /**
   * In a process group of its own, so that all of it can be ended.
   * @throws GatewayError UPSTREAM_UNREACHABLE
   */
  static async start(options: ChildOptions, handlers: ChannelHandlers, watch: ChildWatch): Promise<Child> {
    const { name, command, args, env, cwd } = options;
    try {
      const process = spawn(command, args, {
        cwd,
        env,
        detached: !IS_WINDOWS,
        windowsHide: true,
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      await once(process, 'spawn');
      return new Child(process, options, handlers, watch);
    } catch (cause) {
      throw new GatewayError('UPSTREAM_UNREACHABLE', `the command of ${name} can't be started (${errorCode(cause)})`, {
        cause,
        neverSent: true,
        hint: 'Check that command and cwd of the destination exist and may be executed.',
      });
    }
  }

  /** One line for each message; those of one turn of the event loop leave in one go. */
  send(message: string | Buffer): undefined {
    const { stdin } = this.#process;
    if (this.#isOver || !stdin.writable) throw this.#broke('has ended');
    if (stdin.writableLength > MOST_UNREAD) {
      throw new GatewayError('OVERLOADED', `${this.#options.name} does not read what it is sent`, { retryAfter: 5 });
    }
    this.#cork();
    stdin.write(oneLine(Buffer.isBuffer(message) ? message : Buffer.from(message)));
    stdin.write(END);
    return undefined;
  }

  /** Closes its stdin, then asks it to end, then kills it, and with it whatever it has started. */
  close(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** It and `pids`, which descend from it, have `mib` MiB, which is more than they may: they are killed, since they would only grow. */
  tooLarge(mib: number, pids: readonly number[]): void {
    if (this.#isOver || this.#stopped) return;
    const { name, maxMemoryMiB, clock } = this.#options;
    this.#watch.tooLarge(this.pid, mib);
    this.#stopped = killTree(this.pid, pids, clock)
      .then(() => this.#exited)
      .then(() => this.#watch.ended(this, 'was killed for its memory', 'killed'));
    const ofCaller = this.#options.isOfCaller(this.#hasSpoken);
    const message = `the process of ${name} had ${mib} MiB, and may have ${maxMemoryMiB}`;
    this.#fail(new GatewayError('UPSTREAM_OUT_OF_MEMORY', message, { ofCaller }));
  }

  /** At once, for a process that is ending itself. */
  kill(): void {
    signalGroup(this.pid, 'SIGKILL');
  }

  async #stop(): Promise<void> {
    const { clock, stopMs } = this.#options;
    this.#isOver = true;
    this.#process.stdin.end();
    const waiting = new AbortController();
    await Promise.race([this.#exited, clock.sleep(stopMs, waiting.signal).catch(() => {})]);
    waiting.abort();
    await endGroup(this.pid, stopMs, clock);
    await this.#exited;
    this.#watch.ended(this, 'stopped', 'stopped');
  }

  #read(): void {
    const { stdin, stdout, stderr } = this.#process;
    // The end of the process tells what a broken pipe means.
    for (const stream of [stdin, stdout, stderr]) stream.on('error', () => {});
    const lines = new LineSplitter(this.#options.maxLineBytes, (line) => this.#line(line));
    stdout.on('data', (chunk: Buffer) => {
      if (!lines.write(chunk)) this.#tooLong();
    });
    stdout.once('end', () => void this.#mute());
    stderr.on('data', this.#watch.stderr(this.pid));
  }

  #line(line: string): void {
    if (this.#isOver) return;
    if (this.#handlers.message(line)) this.#hasSpoken = true;
    else this.#noise();
  }

  #noise(): void {
    if (this.#isNoisy) return;
    this.#isNoisy = true;
    this.#watch.noise(this.pid);
  }

  /** The answer in it is lost, and with it whoever waits for it. */
  #tooLong(): void {
    if (this.#isOver) return;
    const { name, maxLineBytes } = this.#options;
    this.#fail(
      new GatewayError('UPSTREAM_GARBAGE', `${name} wrote a line of more than ${maxLineBytes} bytes`, {
        hint: 'Raise maxLineBytes of the destination, if its messages are meant to be so large.',
      }),
    );
    void this.close();
  }

  async #ended(how: string): Promise<void> {
    if (this.#stopped) return;
    const { clock, stopMs } = this.#options;
    const { stdout } = this.#process;
    if (!stdout.readableEnded) {
      const waiting = new AbortController();
      const ended = once(stdout, 'end', { signal: waiting.signal }).catch(() => {});
      await Promise.race([ended, clock.sleep(LAST_WORDS_MS, waiting.signal).catch(() => {})]);
      waiting.abort();
    }
    if (this.#stopped) return;
    // What it started outlives it otherwise.
    this.#stopped = endGroup(this.pid, stopMs, clock).then(() => this.#watch.ended(this, how, 'itself'));
    this.#fail(this.#broke(how));
  }

  /** It can say nothing any more. Mostly that is because it ends, which tells more. */
  async #mute(): Promise<void> {
    await this.#options.clock.sleep(LAST_WORDS_MS);
    if (this.#isOver || this.#stopped) return;
    this.#fail(this.#broke('closed its stdout'));
    void this.close();
  }

  #fail(reason: GatewayError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handlers.closed(reason);
  }

  #broke(how: string): GatewayError {
    const ofCaller = this.#options.isOfCaller(this.#hasSpoken);
    return new GatewayError('UPSTREAM_BROKE', `the process of ${this.#options.name} ${how}`, { ofCaller });
  }

  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#process.stdin.cork();
    setImmediate(() => {
      this.#isCorked = false;
      this.#process.stdin.uncork();
    });
  }
}

function describe(code: number | null, signal: string | null): string {
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
}

/** In JSON, an end of a line is mere space: inside of text it would be escaped. */
function oneLine(message: Buffer): Buffer {
  if (!message.includes(LF) && !message.includes(CR)) return message;
  return Buffer.from(message.map((byte) => (byte === LF || byte === CR ? 32 : byte)));
}
