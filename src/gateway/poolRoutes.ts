import type { Health, PoolMember, PoolTurn, RouteTurn } from '../contracts/pools.js';
import type { Exchange, Reply, Route, Sink } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import type { Seal } from '../core/seal.js';
import { WithHeader } from '../wire/exchange.js';
import { headerValue, replaced } from '../wire/headers.js';

const SESSION_ID = 'mcp-session-id';

/** What one exchange has seen of its pool. */
interface Way {
  /** Those that failed it. */
  readonly tried: Set<PoolMember>;
  /** The one that has its session. */
  readonly pinned: PoolMember | undefined;
}

/**
 * Which member of a pool an attempt goes to. A session stays where it began: its id comes with a signature that only that
 * member's URL fits, so that any process with the same seal knows the member, and none has to remember it.
 */
export class PoolRoutes {
  readonly #seal: Seal;
  readonly #ways = new WeakMap<Exchange, Way>();

  constructor(seal: Seal) {
    this.#seal = seal;
  }

  /**
   * The route of one attempt: to another member than those that failed. A URL that a header chose is no member's to serve.
   * @throws GatewayError SESSION_LOST where the member that has the session isn't there any more
   */
  choose(exchange: Exchange, route: Route): Route {
    const { pool } = route.upstream;
    if (!pool || exchange.decision?.url !== undefined) return route;
    const way = this.#wayOf(exchange, route);
    const member = way.pinned ?? pool.choose(way.tried, pool.sticky ? callerKey(exchange) : undefined);
    if (way.pinned && pool.isGone(member)) throw lost('the server that has the session is gone');
    const begin = () => new Turn(pool.begin(member), { exchange, way, member, route, tag: this.#tag });
    return { ...route, url: route.upstream.resolve(member.url, exchange.request), begin };
  }

  /** True where the next attempt would meet a member that serves, and hasn't failed this exchange. */
  hasOther(exchange: Exchange): boolean {
    const way = this.#ways.get(exchange);
    return way !== undefined && !way.pinned && exchange.route?.upstream.pool?.hasOther(way.tried) === true;
  }

  #wayOf(exchange: Exchange, route: Route): Way {
    const known = this.#ways.get(exchange);
    if (known) return known;
    const made: Way = { tried: new Set(), pinned: this.#pin(exchange, route) };
    this.#ways.set(exchange, made);
    return made;
  }

  /** From here on the session has the name that its member gave it. */
  #pin(exchange: Exchange, route: Route): PoolMember | undefined {
    const said = exchange.request.header(SESSION_ID);
    if (said === undefined) return undefined;
    const dot = Math.max(0, said.lastIndexOf('.'));
    const own = said.slice(0, dot);
    const signature = said.slice(dot + 1);
    const member = route.upstream.pool?.members.find((each) =>
      this.#seal.isSigned(signature, boundTo(own, each, route)),
    );
    if (!member) throw lost('there is no such session');
    exchange.request = new WithHeader(exchange.request, SESSION_ID, own);
    return member;
  }

  readonly #tag = (own: string, member: PoolMember, route: Route): string =>
    `${own}.${this.#seal.sign(boundTo(own, member, route))}`;
}

interface TurnOf {
  readonly exchange: Exchange;
  readonly way: Way;
  readonly member: PoolMember;
  readonly route: Route;
  readonly tag: (own: string, member: PoolMember, route: Route) => string;
}

/** One attempt at a member, from its start to the last byte of its answer. */
class Turn implements RouteTurn<Reply> {
  readonly #turn: PoolTurn;
  readonly #of: TurnOf;

  constructor(turn: PoolTurn, of: TurnOf) {
    this.#turn = turn;
    this.#of = of;
  }

  /** The destination as a whole is well while another member serves. */
  judge(health: Health, ms: number, neverSent: boolean): Health {
    const { exchange, way, member, route } = this.#of;
    this.#turn.settle(health, exchange.call?.kind === 'request' ? ms : undefined, neverSent);
    if (health !== 'bad') return health;
    way.tried.add(member);
    return route.upstream.pool?.hasOther(way.tried) ? 'neither' : 'bad';
  }

  take(reply: Reply): Reply {
    const { member, route, tag } = this.#of;
    const own = headerValue(reply.headers, SESSION_ID);
    const headers = own === undefined ? reply.headers : replaced(reply.headers, SESSION_ID, tag(own, member, route));
    const { body } = reply;
    if (typeof body === 'function') return { ...reply, headers, body: followed(body, this.#turn) };
    this.#turn.end();
    return headers === reply.headers ? reply : { ...reply, headers };
  }

  fail(): void {
    this.#turn.end();
  }
}

type Streamed = Extract<Reply['body'], (sink: Sink) => unknown>;

/** Tells when a streamed body is over, and how. */
function followed(body: Streamed, turn: PoolTurn): Streamed {
  return (sink) => {
    let left = false;
    const flow = body({
      write: (chunk) => sink.write(chunk),
      end: (chunk) => {
        turn.end();
        sink.end(chunk);
      },
      fail: (reason) => {
        if (!left) turn.broke();
        turn.end();
        sink.fail(reason);
      },
    });
    return {
      resume: () => flow.resume(),
      cancel: () => {
        left = true;
        turn.end();
        flow.cancel();
      },
    };
  };
}

/** Of a call that a bridge keeps a session for. */
function callerKey({ call, principal, request }: Exchange): string | undefined {
  if (call?.era !== 'modern') return undefined;
  return scopeKey(principal ?? null, principal ? '' : request.remoteAddress);
}

function boundTo(own: string, { url }: PoolMember, { destination }: Route): string {
  return scopeKey(null, 'pool', destination, url.href, own);
}

function lost(message: string): GatewayError {
  return new GatewayError('SESSION_LOST', message);
}
