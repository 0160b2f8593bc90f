import { isUtf8 } from 'node:buffer';
import type { Clock, Exchange, Handler, Owner, Reply, Stage } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import { assertMcpRequest } from '../gateway/stages.js';
import type { RequestIds } from './exchanges.js';
import { sessionIdOf } from './ssePaths.js';
import { SseSession } from './sseSession.js';

/** The chains of one configuration that HTTP+SSE uses. */
export interface SseWays {
  /** Of the GET that opens a session. */
  readonly sse: Handler;
  /** Of a message that is POSTed to one. */
  readonly message: Handler;
  /** Of what a session does by itself, on behalf of a caller who is known: keep the server's stream, end it. */
  readonly session: Handler;
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
  /** Whose session an exchange of ours belongs to. */
  readonly #of = new WeakMap<Exchange, SseSession>();
  /** Why a message can't even be read. */
  readonly #unreadable = new WeakMap<Exchange, unknown>();

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
      const mine = (handler: () => Handler): Handler => {
        return (inner) => {
          this.#of.set(inner, session);
          return handler()(inner);
        };
      };
      const session: SseSession = new SseSession(exchange, {
        ...this.#deps,
        prefix,
        maxBodyBytes,
        message: mine(() => this.#deps.ways().message),
        session: mine(() => this.#deps.ways().session),
        ended: (ended) => this.#sessions.delete(ended.id),
      });
      this.#sessions.set(session.id, session);
      return session.open();
    };
  }

  /** The stage `join` of the way `message`: only whoever opened a session may say something in it. */
  readonly join: Stage = (exchange, next) => {
    const unreadable = this.#unreadable.get(exchange);
    if (unreadable !== undefined) throw unreadable;
    const session = this.#of.get(exchange);
    if (!session || !isSame(session.owner, exchange.principal)) {
      throw new GatewayError('SESSION_LOST', 'there is no such session', {
        hint: 'The session is gone, or another caller opened it: GET the event stream anew, and initialize.',
      });
    }
    session.joined();
    return next(exchange);
  };

  /** Tells the session of a message that nothing has refused it, on the way to `terminal`. */
  admitting(terminal: Handler): Handler {
    return (exchange) => {
      this.#of.get(exchange)?.admitted(exchange);
      return terminal(exchange);
    };
  }

  /** The answer to a POST. What is wrong with it is said by the chain of the door, like everything else. */
  async post(exchange: Exchange): Promise<Reply> {
    const session = this.#sessions.get(sessionIdOf(exchange.request) ?? '');
    if (!session) return this.#deps.ways().message(exchange);
    try {
      assertMcpRequest(exchange.request, session.maxBodyBytes);
      const body = await exchange.request.body(session.maxBodyBytes);
      if (!isUtf8(body)) throw new GatewayError('PARSE_ERROR', 'the body is not UTF-8');
      return await session.say(exchange, body.toString());
    } catch (error) {
      this.#unreadable.set(exchange, error);
      return this.#deps.ways().message(exchange);
    }
  }

  /** Every session ends as soon as nothing is under way in it. */
  drain(drainMs: number): void {
    for (const session of [...this.#sessions.values()]) void session.drain(drainMs);
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
