import type { Clock, Signals } from '../contracts.js';
import { LineSplitter } from './stdioLines.js';

const MOST_LINE_BYTES = 64 * 1024;
const MOST_SHOWN = 1_000;
const WINDOW_MS = 1_000;
const LINES_PER_WINDOW = 20;
/** What is shorter is no secret, and stands in every second line. */
const SHORTEST_SECRET = 6;

/** What children write to stderr, in the log: so many lines in a second, so much of each, and none of the secrets they were given. */
export class ChildLog {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #signals: Signals;
  readonly #secrets: readonly string[];
  #windowEnds = 0;
  #lines = 0;
  #dropped = 0;

  constructor(
    name: string,
    env: Readonly<Record<string, string>>,
    { clock, signals }: { clock: Clock; signals: Signals },
  ) {
    this.#name = name;
    this.#clock = clock;
    this.#signals = signals;
    this.#secrets = Object.values(env).filter(({ length }) => length >= SHORTEST_SECRET);
  }

  /** What takes the stderr of one child. */
  reader(pid: number | undefined): (chunk: Buffer) => void {
    const lines = new LineSplitter(MOST_LINE_BYTES, (line) => this.#write(pid, line));
    return (chunk) => {
      // A flood that nobody is shown is not even cut into lines.
      if (!this.#isShown()) this.#dropped += 1;
      else lines.write(chunk);
    };
  }

  #write(pid: number | undefined, line: string): void {
    if (!this.#isShown()) {
      this.#dropped += 1;
      return;
    }
    this.#lines += 1;
    const dropped = this.#dropped > 0 ? { dropped: this.#dropped } : {};
    this.#dropped = 0;
    this.#signals.emit('child.stderr', { destination: this.#name, pid, line: this.#shown(line), ...dropped });
  }

  #isShown(): boolean {
    const now = this.#clock.monotonic();
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + WINDOW_MS;
      this.#lines = 0;
    }
    return this.#lines < LINES_PER_WINDOW;
  }

  #shown(line: string): string {
    const plain = line.slice(0, MOST_LINE_BYTES).replace(/\p{Cc}+/gu, ' ');
    return this.#secrets.reduce((text, secret) => text.replaceAll(secret, '***'), plain).slice(0, MOST_SHOWN);
  }
}
