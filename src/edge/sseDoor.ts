import { AsyncLocalStorage } from 'node:async_hooks';
import { isUtf8 } from 'node:buffer';
import type { Clock, Exchange, Handler, Owner, Reply, Stage } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import { withCors } from '../gateway/cors.js';
import { assertMcpRequest } from '../gateway/stages.js';
import { parseCall } from '../wire/mcp.js';
import type { RequestIds } from './exchanges.js';
import { sessionIdOf } from './ssePaths.js';
import { accept, type Post, SseSession } from './sseSession.js';

/** The chains of one configuration that HTTP+SSE uses. */
export interface SseWays {
  /** Of the GET that opens a session. */
  readonly open: Handler;
  /** Of a POST, up to where it is known to come from whoever opened the session. */
  readonly post: Handler;
  /** Of the message in it, and of what a session does by itself. */
  readonly message: Handler;
  /** The answer to a POST that failed; it stands in the log like any other. */
  refuse(exchange: Exchange, error: unknown): Reply | Promise<Reply>;
  /** `GET /` is a door, too. */
  readonly atRoot: boolean;
}

export interface SseDoorDeps {
  readonly clock: Clock;
  readonly ids: RequestIds;
  /** Asked for at every message, so that a reload takes effect with the next one. */
  ways(): SseWays;
  readonly most?: number;
  readonly mostOfOne?: number;
}

/** Each holds a stream here and one at the server. */
const MOST = 4096;
/** One caller can't take the place of all others. */
const MOST_OF_ONE = 256;
const RETRY_AFTER_SECONDS = 5;

/** HTTP+SSE of 2024-11-05 for clients: `GET /sse` and `POST /messages?sessionId=…`. Sessions outlive a reload, not the process. */
export class SseDoor {
  readonly #deps: SseDoorDeps;
  readonly #sessions = new Map<string, SseSession>();
  /** Which POST the exchange of the moment came of. */
  readonly #posts = new AsyncLocalStorage<Post>();

  constructor(deps: SseDoorDeps) {
    this.#deps = deps;
  }

  /** How many sessions there are. */
  get size(): number {
    return this.#sessions.size;
  }

  /** The terminal of the way `sse`: opens a session. */
  opening({ prefix, maxBodyBytes }: { prefix: string; maxBodyBytes: number }): Handler {
    return (exchange) => {
      assertOpens(exchange);
      this.#assertRoom(exchange.principal);
      const session = new SseSession(exchange, {
        clock: this.#deps.clock,
        ids: this.#deps.ids,
        prefix,
        maxBodyBytes,
        message: (inner) => this.#deps.ways().message(inner),
        during: (post, job) => this.#posts.run(post, job),
        current: () => this.#posts.getStore(),
        ended: (ended) => this.#sessions.delete(ended.id),
      });
      this.#sessions.set(session.id, session);
      return session.open();
    };
  }

  /** The stage `join`: only whoever opened a session may say something in it. */
  readonly join: Stage = (exchange, next) => {
    this.#sessionOf(exchange);
    return next(exchange);
  };

  /** The terminal of the way `post`: the message goes its own way from here. */
  readonly say: Handler = async (exchange) => {
    const session = this.#sessionOf(exchange);
    assertMcpRequest(exchange.request, session.maxBodyBytes);
    const body = await exchange.request.body(session.maxBodyBytes, (bytes) => bytes);
    if (!isUtf8(body)) throw new GatewayError('PARSE_ERROR', 'the body is not UTF-8');
    // What isn't a message is refused like at any other door, before the session hears of it.
    exchange.call = parseCall(body, exchange.request);
    const reply = await session.say(exchange, body.toString());
    return exchange.browserOrigin === undefined ? reply : withCors(reply, exchange.browserOrigin);
  };

  /** A message that comes by here has passed all that could refuse it. The answer to `initialize` is waited for: it may be a challenge. */
  admitting(terminal: Handler): Handler {
    return (exchange) => {
      if (exchange.call?.method !== 'initialize') accept(this.#posts.getStore());
      return terminal(exchange);
    };
  }

  /** The answer to a POST. Only one that fails is an exchange of its own in the log: else its message is. */
  async post(exchange: Exchange): Promise<Reply> {
    const ways = this.#deps.ways();
    try {
      return await ways.post(exchange);
    } catch (error) {
      return ways.refuse(exchange, error);
    }
  }

  /** Every session ends as soon as nothing is under way in it. */
  drain(drainMs: number): void {
    for (const session of [...this.#sessions.values()]) void session.drain(drainMs);
  }

  #sessionOf({ request, principal }: Exchange): SseSession {
    const session = this.#sessions.get(sessionIdOf(request) ?? '');
    if (session && isSame(session.owner, principal)) return session;
    throw new GatewayError('SESSION_LOST', 'there is no such session', {
      hint: 'The session is gone, or another caller opened it: GET the event stream anew, and initialize.',
    });
  }

  #assertRoom(owner: Owner | undefined): void {
    const { most = MOST, mostOfOne = MOST_OF_ONE } = this.#deps;
    const retry = { retryAfter: RETRY_AFTER_SECONDS };
    if (this.#sessions.size >= most) throw new GatewayError('OVERLOADED', 'too many HTTP+SSE sessions are open', retry);
    if (!owner) return;
    const key = scopeKey(owner);
    const own = [...this.#sessions.values()].filter((session) => session.owner && scopeKey(session.owner) === key);
    if (own.length >= mostOfOne) {
      throw new GatewayError('QUOTA_EXCEEDED', 'the caller has too many HTTP+SSE sessions open', retry);
    }
  }
}

function assertOpens({ request, decision }: Exchange): void {
  if (request.method !== 'GET') {
    throw new GatewayError('METHOD_NOT_ALLOWED', `${request.method} opens no event stream`, {
      hint: 'GET the event stream, and POST messages where its first event says.',
      headers: ['allow', 'GET'],
    });
  }
  if (decision?.strategy !== 'PROXY') throw new GatewayError('NOT_FOUND', 'no MCP server is served here');
}

function isSame(one: Owner | undefined, other: Owner | undefined): boolean {
  return one?.subject === other?.subject && one?.tenant === other?.tenant;
}
