/** Cuts a byte stream into lines; `onLine` gets each as a string, without its end. */
export class LineReader {
  #rest = '';
  #onLine;
  #decoder = new TextDecoder();

  constructor(onLine) {
    this.#onLine = onLine;
  }

  push(bytes) {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#rest = lines.pop();
    for (const line of lines) if (line !== '') this.#onLine(line);
  }
}
