const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');
const MORE = -1;

/**
 * Cuts a stream of HTTP/1.1 messages, requests or responses, at their ends (RFC 9112 section 6). It knows lengths and
 * chunks and nothing else: what it costs is what every contender's figures have in common.
 */
export class MessageReader {
  #on;
  #rest = null;
  #lastText = '';
  #lastHead = null;
  #remaining = 0;
  #state = this.#readHead;

  /** `on.head({ start, session })`, `on.body(bytes)` and `on.end()` are called as the parts arrive. */
  constructor(on) {
    this.#on = on;
  }

  push(bytes) {
    const buffer = this.#rest ? Buffer.concat([this.#rest, bytes]) : bytes;
    this.#rest = null;
    let at = 0;
    while (at < buffer.length) {
      const next = this.#state(buffer, at);
      if (next === MORE) {
        this.#rest = buffer.subarray(at);
        return;
      }
      at = next;
    }
  }

  #readHead(buffer, at) {
    const end = buffer.indexOf(HEAD_END, at);
    if (end < 0) return MORE;
    const head = this.#describe(buffer.latin1Slice(at, end));
    this.#on.head(head);
    this.#remaining = head.length;
    if (head.chunked) this.#state = this.#readSize;
    else if (head.length > 0) this.#state = this.#readFixed;
    else this.#on.end();
    return end + HEAD_END.length;
  }

  /** Heads of one connection are mostly the same text, so that it is read once. */
  #describe(text) {
    if (text !== this.#lastText) {
      this.#lastText = text;
      this.#lastHead = describeHead(text);
    }
    return this.#lastHead;
  }

  #readFixed(buffer, at) {
    const end = this.#takeBody(buffer, at);
    if (this.#remaining === 0) this.#finish();
    return end;
  }

  #readSize(buffer, at) {
    const end = buffer.indexOf(LINE_END, at);
    if (end < 0) return MORE;
    this.#remaining = Number.parseInt(buffer.latin1Slice(at, end), 16);
    this.#state = this.#remaining > 0 ? this.#readChunk : this.#readTrailer;
    return end + LINE_END.length;
  }

  #readChunk(buffer, at) {
    if (this.#remaining > 0) return this.#takeBody(buffer, at);
    if (buffer.length - at < LINE_END.length) return MORE;
    this.#state = this.#readSize;
    return at + LINE_END.length;
  }

  #readTrailer(buffer, at) {
    const end = buffer.indexOf(LINE_END, at);
    if (end < 0) return MORE;
    if (end === at) this.#finish();
    return end + LINE_END.length;
  }

  #takeBody(buffer, at) {
    const end = Math.min(buffer.length, at + this.#remaining);
    this.#remaining -= end - at;
    this.#on.body(buffer.subarray(at, end));
    return end;
  }

  #finish() {
    this.#state = this.#readHead;
    this.#on.end();
  }
}

function describeHead(text) {
  const length = /\r\ncontent-length: *(\d+)/i.exec(text);
  return {
    start: text.split('\r\n', 1)[0],
    length: length ? Number(length[1]) : 0,
    chunked: /\r\ntransfer-encoding: *chunked/i.test(text),
    session: /\r\nmcp-session-id: *(\S+)/i.exec(text)?.[1],
  };
}
