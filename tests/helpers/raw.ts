import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One HTTP/1.1 answer as it came. */
export interface RawAnswer {
  readonly status: number;
  readonly reason: string;
  /** Name, value, name, value … */
  readonly lines: readonly string[];
  readonly body: Buffer;
  /** The first value of a header; `name` in lower case. */
  header(name: string): string | undefined;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');

/** A connection that sends exactly the bytes it is told to, and reads what comes back without judging it. */
export class RawClient {
  readonly socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #closed = false;
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    socket.on('error', (error) => {
      this.#failure = error;
    });
    socket.on('close', () => {
      this.#closed = true;
    });
  }

  static async open(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host, noDelay: true });
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  /** True once the connection is gone, whoever closed it. */
  get closed(): boolean {
    return this.#closed;
  }

  /** What made it go, where it wasn't closed in peace. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** What has come and hasn't been read as an answer. */
  get pending(): Buffer {
    return this.#received;
  }

  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Half-closes: nothing more will be sent. */
  end(): void {
    this.socket.end();
  }

  /** Leaves without a word; with `reset`, by RST. */
  destroy({ reset = false } = {}): void {
    if (reset) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  /** Reads the next answer whole; `toHead` for an answer to HEAD, which has no body. Rejects past `timeoutMs`. */
  async answer({ timeoutMs = 5000, toHead = false } = {}): Promise<RawAnswer> {
    const deadline = Date.now() + timeoutMs;
    const head = await this.#until(() => this.#takeHead(), deadline, 'an answer');
    const body = toHead ? Buffer.alloc(0) : await this.#body(head, deadline);
    return { ...head, body };
  }

  /** Resolves with the head only; the body's bytes stay in `pending`, framing included. */
  head({ timeoutMs = 5000 } = {}): Promise<Omit<RawAnswer, 'body'>> {
    return this.#until(() => this.#takeHead(), Date.now() + timeoutMs, 'a head');
  }

  /** Resolves once `text` stands in what has come. */
  async receives(text: string, { timeoutMs = 5000 } = {}): Promise<void> {
    await this.#until(() => this.#received.includes(text) || undefined, Date.now() + timeoutMs, JSON.stringify(text));
  }

  /** Resolves when the connection is gone; rejects if it is still there after `timeoutMs`. */
  async gone({ timeoutMs = 5000 } = {}): Promise<void> {
    await this.#until(() => this.#closed || undefined, Date.now() + timeoutMs, 'the close', true);
  }

  #takeHead(): Omit<RawAnswer, 'body'> | undefined {
    const at = this.#received.indexOf(HEAD_END);
    if (at === -1) return undefined;
    const head = parseHead(this.#received.subarray(0, at).toString('latin1'));
    this.#received = this.#received.subarray(at + HEAD_END.length);
    return head;
  }

  async #body(head: Omit<RawAnswer, 'body'>, deadline: number): Promise<Buffer> {
    if (head.status < 200 || head.status === 204 || head.status === 304) return Buffer.alloc(0);
    if (head.header('transfer-encoding')?.includes('chunked')) return this.#chunks(deadline);
    const length = head.header('content-length');
    if (length !== undefined) return this.#until(() => this.#take(Number(length)), deadline, `${length} bytes`);
    await this.#until(() => this.#closed || undefined, deadline, 'the end', true);
    return this.#take(this.#received.length) as Buffer;
  }

  async #chunks(deadline: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (;;) {
      const size = Number.parseInt(await this.#line(deadline), 16);
      if (Number.isNaN(size)) throw new Error('the answer breaks the chunked coding');
      if (size === 0) break;
      chunks.push(await this.#until(() => this.#take(size), deadline, 'a chunk'));
      await this.#line(deadline);
    }
    // Trailer lines, up to the empty one.
    while ((await this.#line(deadline)) !== '');
    return Buffer.concat(chunks);
  }

  #line(deadline: number): Promise<string> {
    return this.#until(
      () => {
        const at = this.#received.indexOf(LINE_END);
        return at === -1 ? undefined : (this.#take(at + 2) as Buffer).subarray(0, at).toString('latin1');
      },
      deadline,
      'a line',
    );
  }

  #take(size: number): Buffer | undefined {
    if (this.#received.length < size) return undefined;
    const taken = this.#received.subarray(0, size);
    this.#received = this.#received.subarray(size);
    return taken;
  }

  /** Asks again at every event of the socket until there is something. */
  async #until<Value>(
    ask: () => Value | undefined,
    deadline: number,
    what: string,
    closeIsFine = false,
  ): Promise<Value> {
    for (;;) {
      const found = ask();
      if (found !== undefined) return found;
      if (this.#closed && !closeIsFine) throw new Error(`the connection closed before ${what} came`);
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`waited in vain for ${what}`);
      await this.#stirs(left);
    }
  }

  async #stirs(ms: number): Promise<void> {
    const { promise, stop } = firstEvent(this.socket, ms);
    await promise.finally(stop);
  }
}

/** Resolves at the socket's next data or close, or after `ms`. */
function firstEvent(socket: Socket, ms: number): { promise: Promise<void>; stop(): void } {
  let stop = () => {};
  const promise = new Promise<void>((resolve) => {
    const done = () => resolve();
    const timer = setTimeout(done, ms);
    socket.once('data', done).once('close', done);
    stop = () => {
      clearTimeout(timer);
      socket.removeListener('data', done).removeListener('close', done);
    };
  });
  return { promise, stop };
}

function parseHead(text: string): Omit<RawAnswer, 'body'> {
  const [start = '', ...rest] = text.split('\r\n');
  const [, status = '', reason = ''] = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(start) ?? [];
  if (status === '') throw new Error(`not a status line: ${start}`);
  const lines = rest.flatMap((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const header = (name: string) => {
    const at = lines.findIndex((entry, index) => index % 2 === 0 && entry.toLowerCase() === name);
    return at === -1 ? undefined : lines[at + 1];
  };
  return { status: Number(status), reason, lines, header };
}

/** Opens a connection, sends the bytes, reads one answer and leaves. */
export async function rawRequest(port: number, bytes: string | Buffer, { timeoutMs = 5000 } = {}): Promise<RawAnswer> {
  const client = await RawClient.open(port);
  try {
    client.send(bytes);
    return await client.answer({ timeoutMs });
  } finally {
    client.destroy();
  }
}
