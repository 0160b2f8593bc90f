import type { Dispatcher } from 'undici';
import type { Deadlines, Flow, HeaderLines, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { callerLeft } from '../wire/explain.js';
import { forward } from '../wire/forward.js';
import type { FieldNames } from '../wire/headers.js';
import type { Carrying, Channel, ChannelHandlers } from './channel.js';
import { SseStream } from './sseStream.js';

export interface SseChannelDeps {
  readonly url: URL;
  readonly dispatcher: Dispatcher;
  readonly deadlines: Deadlines;
  readonly names: FieldNames;
  /** What the server is shown on behalf of an exchange, its credential among it. */
  lines(carrying: Carrying): HeaderLines;
}

/** Of Streamable HTTP, or of one message: they mean nothing to a server of 2024-11-05, or something else. */
const NOT_FOR_IT = new Set(['accept', 'content-type', 'last-event-id', 'mcp-session-id', 'mcp-method', 'mcp-name']);

/** So much is read of what a server says to a message that it took. Bytes. */
const MOST_DRAINED = 64 * 1024;

/** What a POST holds on to while it is under way. */
interface Holder {
  gone: boolean;
  held: Pick<Flow, 'cancel'> | undefined;
}

/** The pair of endpoints of HTTP+SSE (2024-11-05) as a channel: messages are POSTed, and come as events. */
export class SseChannel implements Channel {
  readonly #deps: SseChannelDeps;
  readonly #handlers: ChannelHandlers;
  readonly #posting = new Set<Holder>();
  #stream: SseStream | undefined;
  #endpoint: URL | undefined;
  /** What was shown last: for what is sent on nobody's behalf. */
  #lines: HeaderLines = [];
  /** What came before whoever opened the channel could listen. */
  #early: (() => void)[] | undefined = [];
  #over = false;

  constructor(deps: SseChannelDeps, handlers: ChannelHandlers) {
    this.#deps = deps;
    this.#handlers = handlers;
  }

  /** Resolves with itself, or with the server's answer where it opened no stream. Rejects as `SseStream.open` does. */
  async open(carrying: Carrying): Promise<SseChannel | Reply> {
    const { exchange } = carrying;
    this.#lines = this.#deps.lines(carrying);
    const stream = this.#createStream();
    this.#stream = stream;
    const held = { cancel: () => stream.close() };
    exchange.held = held;
    try {
      const opened = await stream.open();
      if (!(opened instanceof URL)) return opened;
      this.#endpoint = opened;
    } finally {
      if (exchange.held === held) exchange.held = undefined;
    }
    if (exchange.gone) {
      stream.close();
      throw callerLeft();
    }
    setImmediate(() => this.#listenedTo());
    return this;
  }

  send(message: string | Buffer, carrying?: Carrying): Promise<Reply | undefined> {
    const endpoint = this.#endpoint;
    if (this.#over || !endpoint) return Promise.reject(this.#gone());
    if (carrying) {
      // What is shown for one origin is not for another, whatever URL a header names in the middle of a session.
      if (carrying.attempt.route.url.origin !== endpoint.origin) {
        const details = { hint: 'Name the same URL in every request of a session.' };
        return Promise.reject(new GatewayError('SESSION_LOST', 'the session is one of another server', details));
      }
      this.#lines = this.#deps.lines(carrying);
    }
    const answer = this.#post(endpoint, typeof message === 'string' ? Buffer.from(message) : message);
    // Nobody waits for it: what is refused is refused, and its connection may serve again.
    return carrying ? answer : answer.then((reply) => reply && drain(reply));
  }

  close(): Promise<void> {
    this.#over = true;
    this.#early = undefined;
    this.#stream?.close();
    for (const holder of [...this.#posting]) {
      holder.gone = true;
      holder.held?.cancel();
    }
    return Promise.resolve();
  }

  async #post(url: URL, body: Buffer): Promise<Reply | undefined> {
    const { dispatcher, deadlines, names } = this.#deps;
    const holder: Holder = { gone: false, held: undefined };
    this.#posting.add(holder);
    try {
      const headers = [...this.#others(), 'content-type', 'application/json', 'accept', '*/*'];
      const reply = await forward(dispatcher, { url, method: 'POST', headers, body, caller: holder, deadlines, names });
      if (reply.status >= 300) return this.#refused(reply);
      drain(reply);
      return undefined;
    } finally {
      this.#posting.delete(holder);
    }
  }

  /** The endpoint was given for this session: a server that doesn't find it has forgotten the session. */
  #refused(reply: Reply): Reply {
    if (reply.status === 404 || reply.status === 410) {
      const reason = new GatewayError('UPSTREAM_BROKE', `${this.#deps.url.origin} has forgotten the session`);
      setImmediate(() => this.#closed(reason));
    }
    return reply;
  }

  #createStream(): SseStream {
    const { url, dispatcher, deadlines, names } = this.#deps;
    const headers = [...this.#others(), 'accept', 'text/event-stream', 'cache-control', 'no-store'];
    return new SseStream(
      { url, headers, dispatcher, deadlines, names },
      {
        message: (text) => this.#when(() => void this.#handlers.message(text)),
        closed: (reason) => this.#when(() => this.#closed(reason)),
      },
    );
  }

  #when(job: () => void): void {
    if (this.#over) return;
    if (this.#early) this.#early.push(job);
    else job();
  }

  #listenedTo(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const job of early) if (!this.#over) job();
  }

  #closed(reason: Error): void {
    if (this.#over) return;
    void this.close();
    this.#handlers.closed(reason instanceof GatewayError ? reason : this.#gone(reason));
  }

  #gone(cause?: Error): GatewayError {
    const what = `the event stream of ${this.#deps.url.origin} is gone`;
    return new GatewayError('UPSTREAM_BROKE', what, cause ? { cause } : {});
  }

  #others(): string[] {
    return this.#lines.filter((_, index) => {
      const name = (this.#lines[index - (index % 2)] as string).toLowerCase();
      return !NOT_FOR_IT.has(name) && !name.startsWith('mcp-param-') && name !== 'cache-control';
    });
  }
}

/** `Accepted`, or whatever else is said to a message that was taken: read to its end, so that the connection serves again. */
function drain({ body }: Reply): undefined {
  if (typeof body !== 'function') return undefined;
  let drained = 0;
  let flow: Flow | undefined;
  flow = body({
    write(chunk) {
      drained += chunk.length;
      if (drained > MOST_DRAINED) flow?.cancel();
      return true;
    },
    end() {},
    fail() {},
  });
  return undefined;
}
