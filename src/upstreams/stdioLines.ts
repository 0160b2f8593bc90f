const LF = 10;
const CR = 13;

/** Cuts what a process writes into lines, without their ends. */
export class LineSplitter {
  readonly #mostBytes: number;
  readonly #line: (line: string) => void;
  #begun: Buffer[] = [];
  #begunBytes = 0;

  constructor(mostBytes: number, line: (line: string) => void) {
    this.#mostBytes = mostBytes;
    this.#line = line;
  }

  /** False where a line is longer than it may be: what there is of it is dropped. */
  write(chunk: Buffer): boolean {
    let start = 0;
    let fits = true;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      fits = this.#add(chunk.subarray(start, end)) && fits;
      this.#take();
      start = end + 1;
    }
    return (start === chunk.length || this.#add(chunk.subarray(start))) && fits;
  }

  #add(part: Buffer): boolean {
    this.#begunBytes += part.length;
    if (this.#begunBytes <= this.#mostBytes) this.#begun.push(part);
    else this.#begun = [];
    return this.#begunBytes <= this.#mostBytes;
  }

  #take(): void {
    const parts = this.#begun;
    const whole = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    const fits = this.#begunBytes <= this.#mostBytes;
    this.#begun = [];
    this.#begunBytes = 0;
    const end = whole.length > 0 && whole[whole.length - 1] === CR ? whole.length - 1 : whole.length;
    if (fits && end > 0) this.#line(whole.toString('utf8', 0, end));
  }
}
