import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { Clock, Exchange, Handler, HeaderLines, Principal, Reply } from '../contracts.js';
import { Deadline } from '../core/deadline.js';
import { ERRORS } from '../core/errors.js';
import { withCors } from '../gateway/cors.js';
import { headerValue, ROUTING_HEADERS, without } from '../wire/headers.js';
import { EventStream } from '../wire/messages.js';
import type { RequestIds } from './exchanges.js';
import { MessageCaller } from './messageCaller.js';
import { asMcpTarget, messagesPathOf } from './ssePaths.js';

/** Often enough that no proxy takes the stream for dead. Milliseconds. */
const KEEP_ALIVE_MS = 15_000;
/** 256 bits: it can't be guessed, and is no proof of who calls all the same. */
const ID_BYTES = 32;

const ACCEPTED: Reply = {
  status: 202,
  headers: ['content-type', 'text/plain; charset=utf-8', 'content-length', '8'],
  body: Buffer.from('Accepted'),
  origin: 'gateway',
};

/** The destination was named by the GET, and the session's id opens the session. */
const SAID_TO_US = new Set([...ROUTING_HEADERS, 'x-session-id']);

/** What the caller of messages gets for a refusal that was told already: it says nothing more about it. */
const TOLD: Reply = { status: 401, headers: ['content-length', '0'], body: null, origin: 'gateway' };

export interface SseSessionDeps {
  readonly clock: Clock;
  readonly ids: RequestIds;
  /** The largest message; bytes. */
  readonly maxBodyBytes: number;
  /** What stands before our paths where the world sees them; empty, or `/prefix`. */
  readonly prefix: string;
  /** The chain of a message that was POSTed. */
  readonly message: Handler;
  /** The chain of what the session does by itself, for a caller who is known. */
  readonly session: Handler;
  ended(session: SseSession): void;
}

/** A message on its way: the POST is answered once it is known that nothing refuses it, not when its call is over. */
interface Post {
  readonly request: Exchange['request'];
  origin: string | undefined;
  answered: boolean;
  /** Who POSTed it may speak in this session. */
  joined: boolean;
  /** What there was to say of a refusal has been said. */
  told: boolean;
  answer(reply: Reply): void;
}

/** One client of HTTP+SSE (2024-11-05): its stream, what it says, and the way of that through the house. */
export class SseSession extends Deadline {
  readonly id = randomBytes(ID_BYTES).toString('base64url');
  /** Undefined where callers aren't known. */
  readonly owner: Principal | undefined;
  readonly maxBodyBytes: number;
  readonly #deps: SseSessionDeps;
  readonly #opening: Exchange;
  readonly #stream = new EventStream(() => void this.#end(0));
  readonly #caller: MessageCaller;
  /** Which POST the exchange of the moment came by. */
  readonly #posts = new AsyncLocalStorage<Post>();
  /** Of the last message: its proof is the freshest there is. */
  #headers: HeaderLines;
  #over = false;

  constructor(opening: Exchange, deps: SseSessionDeps) {
    super();
    this.owner = opening.principal;
    this.maxBodyBytes = deps.maxBodyBytes;
    this.#deps = deps;
    this.#opening = opening;
    this.#headers = opening.request.headerLines;
    this.#caller = this.#createCaller();
  }

  /** The stream, as the answer to the GET. Its first event says where messages go: a path, so that it is our own origin. */
  open(): Reply {
    const { prefix } = this.#deps;
    const path = prefix + messagesPathOf(this.#opening.request.target);
    this.#opening.held = this.#stream;
    this.#stream.send({ event: 'endpoint', data: `${path}?sessionId=${this.id}` });
    this.expireIn(KEEP_ALIVE_MS);
    return { ...this.#stream.reply(), origin: 'gateway' };
  }

  /** Takes a message of the client; resolves with the answer to its POST. */
  say(exchange: Exchange, text: string): Promise<Reply> {
    const { request } = exchange;
    const headers = [...this.#routing(), ...without(request.headerLines, SAID_TO_US)];
    return new Promise((resolve) => {
      const post: Post = {
        request,
        origin: undefined,
        answered: false,
        joined: false,
        told: false,
        answer(reply) {
          if (this.answered) return;
          this.answered = true;
          resolve(this.origin === undefined ? reply : withCors(reply, this.origin));
        },
      };
      void this.#posts.run(post, () => this.#receive(post, text, headers));
    });
  }

  /** Who sent the message may speak here: only then a refusal of it may stand on the stream. */
  joined(): void {
    const post = this.#posts.getStore();
    if (post) post.joined = true;
  }

  /** A message has passed everything that could refuse it. The answer to `initialize` is waited for: it may be a challenge. */
  admitted(exchange: Exchange): void {
    const post = this.#posts.getStore();
    if (!post) return;
    post.origin = exchange.browserOrigin;
    this.#headers = exchange.request.headerLines;
    if (exchange.call?.method !== 'initialize') post.answer(ACCEPTED);
  }

  /** Lets what is under way end, for `drainMs` at most; then the stream ends. */
  async drain(drainMs: number): Promise<void> {
    await this.#end(drainMs);
    this.#stream.end();
  }

  protected override expired(): void {
    this.#stream.keepAlive();
    this.expireIn(KEEP_ALIVE_MS);
  }

  #createCaller(): MessageCaller {
    const { request } = this.#opening;
    const headers = () => this.#headers;
    const address = () => this.#posts.getStore()?.request.remoteAddress ?? request.remoteAddress;
    return new MessageCaller({
      handler: (exchange) => this.#pass(exchange),
      door: 'mcp',
      clock: this.#deps.clock,
      ids: this.#deps.ids,
      target: asMcpTarget(request.target),
      get headers() {
        return headers();
      },
      get remoteAddress() {
        return address();
      },
      deliver: (text) => this.#stream.send({ event: 'message', data: text }),
      heal: true,
      refusals: 'answer',
    });
  }

  async #receive(post: Post, text: string, headers: HeaderLines): Promise<void> {
    const refusal = await this.#caller.receive(text, headers);
    if (refusal && post.answered && !post.told) this.#deliverRefusal(text, refusal);
    post.answer(refusal ?? ACCEPTED);
  }

  /** The way of one exchange of ours: a message's through everything that guards the door, a GET's or DELETE's is the session's own. */
  #pass(exchange: Exchange): Reply | Promise<Reply> {
    if (exchange.request.method !== 'POST') {
      exchange.principal = this.owner;
      exchange.tokenIsOurs = this.#opening.tokenIsOurs;
      return this.#deps.session(exchange);
    }
    const post = this.#posts.getStore();
    const reply = this.#deps.message(exchange);
    if (!post) return reply;
    return reply instanceof Promise
      ? reply.then((later) => this.#judge(later, exchange, post))
      : this.#judge(reply, exchange, post);
  }

  /**
   * A refusal of the POST is its answer: a proof that is missing, another caller's session, a body that can't be read. A refused
   * *request* is answered on the stream: the clients of this transport take a POST that fails for the end of everything, or can't
   * tell its reason (the Python SDK stops sending, the TypeScript SDK shows the body as text).
   */
  #judge(reply: Reply, exchange: Exchange, post: Post): Reply {
    if (reply.status < 400 || reply.origin !== 'gateway' || post.answered) return reply;
    post.origin = exchange.browserOrigin;
    post.told = true;
    const { call } = exchange;
    const ofPost = !post.joined || reply.status === 401 || headerValue(reply.headers, 'www-authenticate') !== undefined;
    if (call?.kind === 'request' && call.id !== undefined && !ofPost && Buffer.isBuffer(reply.body)) {
      this.#stream.send({ event: 'message', data: reply.body.toString() });
      post.answer(ACCEPTED);
    } else {
      post.answer(reply);
    }
    return TOLD;
  }

  /** The server's own 401 or 403, where its POST is answered already. */
  #deliverRefusal(text: string, { status, body }: Reply): void {
    const said: unknown = Buffer.isBuffer(body) ? parse(body.toString()) : undefined;
    const { id, method } = (parse(text) ?? {}) as { id?: unknown; method?: unknown };
    if (id === undefined || method === undefined) return;
    const ours = {
      code: ERRORS.UPSTREAM_BROKE.rpc,
      message: `the server refuses the call (${status})`,
      data: { status },
    };
    const error = (said as { error?: { code?: unknown } } | undefined)?.error;
    const told = typeof error === 'object' && Number.isInteger(error?.code) ? error : ours;
    this.#stream.send({ event: 'message', data: JSON.stringify({ jsonrpc: '2.0', id, error: told }) });
  }

  /** What the GET said of its destination holds for the whole session. */
  #routing(): HeaderLines {
    const lines = this.#opening.request.headerLines;
    return lines.filter((_, index) => ROUTING_HEADERS.has((lines[index - (index % 2)] as string).toLowerCase()));
  }

  async #end(drainMs: number): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    if (drainMs === 0) this.stopClock();
    this.#deps.ended(this);
    await this.#posts.exit(() => this.#caller.close(drainMs));
    this.stopClock();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
