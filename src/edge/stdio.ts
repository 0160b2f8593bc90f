import type { Readable, Writable } from 'node:stream';
import type { Clock, Handler } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { RequestIds } from './exchanges.js';
import { APART_MS, MessageCaller } from './messageCaller.js';
import { isAnswer, unreadableText } from './messageCallerSaid.js';
import { type BadLine, Lines, MOST_LINE_BYTES } from './stdioLines.js';

export interface StdioDeps {
  /** The door's compiled chain. */
  readonly handler: Handler;
  readonly clock: Clock;
  /** `/mcp/<destination>`. */
  readonly target: string;
  /** What this program calls itself towards servers. */
  readonly agent: string;
  readonly input: Readable;
  readonly output: Writable;
}

/** So much waits for a client that reads nothing; past that it is as good as gone. Bytes. */
const MOST_WAITING_BYTES = 256 * 1024 * 1024;

const WRONG: Readonly<Record<BadLine, () => GatewayError>> = {
  'too-long': () =>
    new GatewayError('INVALID_REQUEST', `the line is longer than ${MOST_LINE_BYTES} bytes`, {
      hint: 'Send less in one message.',
    }),
  'not-utf8': () =>
    new GatewayError('PARSE_ERROR', 'the line is not UTF-8', { hint: 'Send one JSON-RPC message per line, in UTF-8.' }),
};

/** MCP on stdin and stdout: one JSON-RPC message per line (2025-11-25 and 2026-07-28, stdio). For one caller, which started us. */
export class StdioDoor {
  readonly #deps: StdioDeps;
  readonly #caller: MessageCaller;
  #waiting: string[] = [];
  /** Something that is no answer waits. */
  #told = false;
  #gone = false;
  #over: () => void = () => {};

  constructor(deps: StdioDeps) {
    this.#deps = deps;
    this.#caller = new MessageCaller({
      ...deps,
      door: 'stdio',
      ids: new RequestIds(),
      headers: ['User-Agent', deps.agent],
      remoteAddress: '',
      heal: true,
      apartMs: APART_MS,
      deliver: (text) => this.#write(text),
    });
  }

  /** Resolves when the client has said all that it will ever say, or reads no more. */
  serve(): Promise<void> {
    const { input, output } = this.#deps;
    const lines = new Lines({
      line: (text) => void this.#caller.receive(text),
      bad: (why) => this.#write(unreadableText(WRONG[why]())),
    });
    return new Promise((resolve) => {
      this.#over = resolve;
      output.on('error', () => this.#leave());
      output.on('drain', () => input.resume());
      input.on('data', (chunk: Buffer) => lines.write(chunk));
      input.once('end', () => {
        lines.end();
        resolve();
      });
      input.once('error', resolve);
      input.once('close', resolve);
    });
  }

  /** What is under way may end for so long. Resolves when nothing is left running, and all that was said is written. */
  async close(drainMs: number): Promise<void> {
    await this.#caller.close(this.#gone ? 0 : drainMs);
    this.#flush();
    if (!this.#gone) await new Promise<void>((resolve) => this.#deps.output.write('', () => resolve()));
  }

  /**
   * All that is said in one turn of the event loop leaves in one write; but an answer never with the progress before it:
   * the SDKs forget a call, and what is told of it, before they have looked at what came in the same piece.
   */
  #write(text: string): void {
    if (this.#gone) return;
    if (isAnswer(text)) {
      if (this.#told) this.#flush();
    } else this.#told = true;
    if (this.#waiting.length === 0) setImmediate(() => this.#flush());
    this.#waiting.push(text);
  }

  #flush(): void {
    if (this.#waiting.length === 0 || this.#gone) return;
    const { input, output } = this.#deps;
    const text = `${this.#waiting.join('\n')}\n`;
    this.#waiting = [];
    this.#told = false;
    // A client that doesn't read gets nothing more to answer for.
    if (!output.write(text)) input.pause();
    if (output.writableLength > MOST_WAITING_BYTES) this.#leave();
  }

  #leave(): void {
    this.#gone = true;
    this.#waiting = [];
    this.#over();
  }
}
