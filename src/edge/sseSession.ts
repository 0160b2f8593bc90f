import { randomBytes } from 'node:crypto';
import type { Clock, Exchange, Handler, HeaderLines, Principal, Reply } from '../contracts.js';
import { Deadline } from '../core/deadline.js';
import { ERRORS } from '../core/errors.js';
import { gather } from '../wire/gather.js';
import { headerValue, ROUTING_HEADERS, without } from '../wire/headers.js';
import { EventStream } from '../wire/messages.js';
import { endExchange, type RequestIds } from './exchanges.js';
import { APART_MS, MessageCaller } from './messageCaller.js';
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

/** A message on its way: its POST is answered once it is known that nothing refuses it, not when its call is over. */
export interface Post {
  readonly remoteAddress: string;
  answered: boolean;
  answer(reply: Reply): void;
}

/** Nothing refuses the message: whatever is still to be said about it comes on the stream. */
export function accept(post: Post | undefined): void {
  post?.answer(ACCEPTED);
}

export interface SseSessionDeps {
  readonly clock: Clock;
  readonly ids: RequestIds;
  /** The largest message; bytes. */
  readonly maxBodyBytes: number;
  /** What stands before our paths where the world sees them; empty, or `/prefix`. */
  readonly prefix: string;
  /** The chain of a message whose caller is known. */
  readonly message: Handler;
  /** Runs `job` so that `current` is the post in all that comes of it. */
  during(post: Post, job: () => void): void;
  current(): Post | undefined;
  ended(session: SseSession): void;
}

/** One client of HTTP+SSE (2024-11-05): its stream, what it says, and the way of that through the house. */
export class SseSession extends Deadline {
  readonly id = randomBytes(ID_BYTES).toString('base64url');
  readonly maxBodyBytes: number;
  readonly #deps: SseSessionDeps;
  readonly #opening: Exchange;
  readonly #stream = new EventStream(() => void this.#end(0));
  readonly #caller: MessageCaller;
  /** As the last message proved it: roles and claims may have changed since the first one. */
  #principal: Principal | undefined;
  #tokenIsOurs: boolean | undefined;
  #over = false;

  constructor(opening: Exchange, deps: SseSessionDeps) {
    super();
    this.maxBodyBytes = deps.maxBodyBytes;
    this.#deps = deps;
    this.#opening = opening;
    this.#principal = opening.principal;
    this.#tokenIsOurs = opening.tokenIsOurs;
    this.#caller = this.#createCaller();
  }

  /** Whose it is; undefined where callers aren't known. */
  get owner(): Principal | undefined {
    return this.#principal;
  }

  /** The stream, as the answer to the GET. Its first event says where messages go: a path, so that it is on our own origin. */
  open(): Reply {
    const { prefix } = this.#deps;
    const path = prefix + messagesPathOf(this.#opening.request.target);
    this.#opening.held = this.#stream;
    this.#stream.send({ event: 'endpoint', data: `${path}?sessionId=${this.id}` });
    this.expireIn(KEEP_ALIVE_MS);
    return { ...this.#stream.reply(), origin: 'gateway' };
  }

  /** Takes a message of its owner; resolves with the answer to its POST. */
  say({ request, principal, tokenIsOurs }: Exchange, text: string): Promise<Reply> {
    this.#principal = principal;
    this.#tokenIsOurs = tokenIsOurs;
    const headers = [...this.#routing(), ...without(request.headerLines, SAID_TO_US)];
    return new Promise((resolve) => {
      const post: Post = {
        remoteAddress: request.remoteAddress,
        answered: false,
        answer(reply) {
          this.answered = true;
          resolve(reply);
        },
      };
      this.#deps.during(post, () => void this.#receive(post, text, headers));
    });
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
    const { clock, ids, current } = this.#deps;
    const { request } = this.#opening;
    return new MessageCaller({
      handler: (exchange) => this.#pass(exchange),
      door: 'mcp',
      clock,
      ids,
      target: asMcpTarget(request.target),
      headers: request.headerLines,
      get remoteAddress() {
        return current()?.remoteAddress ?? request.remoteAddress;
      },
      deliver: (text) => this.#stream.send({ event: 'message', data: text }),
      heal: true,
      apartMs: APART_MS,
      refusals: 'answer',
    });
  }

  /**
   * A refused *request* is answered on the stream: the clients of this transport take a POST that fails for the end of the
   * connection, or can't tell why it failed (the Python SDK stops sending, the TypeScript SDK shows the body as text). A
   * challenge must be the answer to the POST, though, since a client that got itself a token sends the same request again.
   */
  async #receive(post: Post, text: string, headers: HeaderLines): Promise<void> {
    const refusal = await this.#caller.receive(text, headers);
    if (!refusal) return post.answer(ACCEPTED);
    const id = requestIdOf(text);
    if (id === undefined || (isChallenge(refusal) && !post.answered)) return post.answer(refusal);
    this.#stream.send({ event: 'message', data: refusalText(id, refusal) });
    post.answer(ACCEPTED);
  }

  /** The way of one exchange of ours, on behalf of a caller who is known. */
  async #pass(exchange: Exchange): Promise<Reply> {
    exchange.principal = this.#principal;
    exchange.tokenIsOurs = this.#tokenIsOurs;
    const reply = await this.#deps.message(exchange);
    if (reply.status < 400) return reply;
    const post = this.#deps.current();
    // A notification, or a response, has no answer that could say why it was refused.
    if (post && reply.origin === 'gateway' && exchange.call?.kind !== 'request') post.answer(reply);
    return reply.status === 401 || reply.status === 403 ? this.#refused(reply, exchange) : reply;
  }

  /** What becomes of it is up to us, so that its exchange ends here. */
  async #refused(reply: Reply, exchange: Exchange): Promise<Reply> {
    const { body, status } = reply;
    const whole = typeof body === 'function' ? { ...reply, body: await gather(body).catch(() => null) } : reply;
    endExchange(exchange, 'complete', status);
    return whole;
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
    await this.#caller.close(drainMs);
    this.stopClock();
  }
}

function isChallenge({ status, headers }: Reply): boolean {
  return status === 401 || headerValue(headers, 'www-authenticate') !== undefined;
}

/** Undefined for whatever isn't a request. */
function requestIdOf(text: string): unknown {
  const message = parse(text) as { id?: unknown; method?: unknown } | undefined;
  return message?.method === undefined ? undefined : message.id;
}

/** In the words of whoever refused it, where they are an error of JSON-RPC. */
function refusalText(id: unknown, { status, body }: Reply): string {
  const said = parse(Buffer.isBuffer(body) ? body.toString() : '') as { error?: { code?: unknown } } | undefined;
  const ours = { code: ERRORS.NOT_PERMITTED.rpc, message: `the server refuses the call (${status})`, data: { status } };
  const error = Number.isInteger(said?.error?.code) ? said?.error : ours;
  return JSON.stringify({ jsonrpc: '2.0', id, error });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}
