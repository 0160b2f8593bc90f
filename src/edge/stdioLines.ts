import { isUtf8 } from 'node:buffer';

const LF = 10;
const CR = 13;

/** The longest line that is read: larger than anything a client sends, smaller than what would hurt. Bytes. */
export const MOST_LINE_BYTES = 64 * 1024 * 1024;

/** Why a line is no message. */
export type BadLine = 'too-long' | 'not-utf8';

export interface LineReader {
  line(text: string): void;
  bad(why: BadLine): void;
}

/** Cuts a stream of bytes into lines. One that is too long is told once, and skipped to its end. */
export class Lines {
  readonly #reader: LineReader;
  readonly #most: number;
  #begun: Buffer[] = [];
  #size = 0;
  #skipping = false;

  constructor(reader: LineReader, most = MOST_LINE_BYTES) {
    this.#reader = reader;
    this.#most = most;
  }

  write(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#add(chunk.subarray(start, end));
      this.#finish();
      start = end + 1;
    }
    if (start < chunk.length) this.#add(chunk.subarray(start));
  }

  /** A last line without its end counts. */
  end(): void {
    this.#finish();
  }

  #add(part: Buffer): void {
    if (this.#skipping) return;
    this.#size += part.length;
    if (this.#size > this.#most) {
      this.#skipping = true;
      this.#begun = [];
      this.#reader.bad('too-long');
    } else if (part.length > 0) this.#begun.push(part);
  }

  #finish(): void {
    const parts = this.#begun;
    const skipped = this.#skipping;
    this.#begun = [];
    this.#size = 0;
    this.#skipping = false;
    if (skipped || parts.length === 0) return;
    const whole = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    const line = whole[whole.length - 1] === CR ? whole.subarray(0, -1) : whole;
    if (!isUtf8(line)) return this.#reader.bad('not-utf8');
    const text = line.toString();
    if (text.trim() !== '') this.#reader.line(text);
  }
}
