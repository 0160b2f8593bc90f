import { createHash } from 'node:crypto';
import type { Clock, Exchange, Handler, Owner, Principal, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import { headerValue } from '../wire/headers.js';

/** A session of an upstream, and the only caller that may use it. Epoch milliseconds. */
export interface BoundSession {
  /** A digest: the id itself opens the session. */
  readonly id: string;
  readonly destination: string;
  readonly subject: string;
  readonly tenant?: string;
  readonly since: number;
  readonly lastUsed: number;
}

interface Binding {
  readonly id: string;
  readonly destination: string;
  readonly owner: Principal;
  readonly since: number;
  lastUsed: number;
  ended: boolean;
}

/** More than a destination's callers have at a time; past that, the one that was used longest ago is forgotten. */
const MOST_SESSIONS = 100_000;
/** How exactly that is known. Milliseconds. */
const USED_AGAIN_MS = 1_000;

/**
 * Whose session an `Mcp-Session-Id` names. An id is no proof of who calls (MCP security best practices, Session Hijacking):
 * it is bound to the caller to whom the upstream gave it, or who first used it after a restart, and is lost to everybody else.
 */
export class Sessions {
  readonly #clock: Clock;
  readonly #most: number;
  /** By destination, then by the id; in the order of their last use. */
  readonly #bindings = new Map<string, Map<string, Binding>>();

  constructor(clock: Clock, most = MOST_SESSIONS) {
    this.#clock = clock;
    this.#most = most;
  }

  /** Lets only its owner use a session on the way through `terminal`. Callers that nobody knows have nothing that could be kept apart. */
  guard(terminal: Handler): Handler {
    return (exchange) => {
      const { principal, route } = exchange;
      if (!principal || !route) return terminal(exchange);
      const said = exchange.request.header('mcp-session-id');
      if (said !== undefined) this.#use(route.destination, said, principal);
      // Only an `initialize` begins one, and only a DELETE ends it: all other answers pass as they come.
      if (exchange.call?.method !== 'initialize' && exchange.call?.kind !== 'end') return terminal(exchange);
      const reply = terminal(exchange);
      return reply instanceof Promise
        ? reply.then((later) => this.#learn(exchange, principal, later))
        : this.#learn(exchange, principal, reply);
    };
  }

  /** Those that are alive, the one used last behind all others. */
  list(): BoundSession[] {
    return this.#all()
      .filter(({ ended }) => !ended)
      .map(describe);
  }

  /** How many are alive, by destination. */
  counts(): ReadonlyMap<string, number> {
    const alive = (bindings: Map<string, Binding>) => [...bindings.values()].filter(({ ended }) => !ended).length;
    return new Map([...this.#bindings].map(([destination, bindings]) => [destination, alive(bindings)]));
  }

  /** From now on the session is lost, to its owner too. False for one that isn't known. `id` as `list` gives it. */
  end(id: string): boolean {
    const found = this.#all().find((binding) => binding.id === id && !binding.ended);
    if (found) found.ended = true;
    return found !== undefined;
  }

  #use(destination: string, said: string, principal: Principal): void {
    const known = this.#bindings.get(destination)?.get(said);
    if (!known) return this.#bind(destination, said, principal);
    if (known.ended || !isSame(known.owner, principal))
      throw new GatewayError('SESSION_LOST', 'there is no such session');
    const now = this.#clock.now();
    if (now - known.lastUsed < USED_AGAIN_MS) return;
    known.lastUsed = now;
    const bindings = this.#of(destination);
    bindings.delete(said);
    bindings.set(said, known);
  }

  #all(): Binding[] {
    return [...this.#bindings.values()].flatMap((bindings) => [...bindings.values()]);
  }

  #of(destination: string): Map<string, Binding> {
    const bindings = this.#bindings.get(destination) ?? new Map<string, Binding>();
    this.#bindings.set(destination, bindings);
    return bindings;
  }

  #learn(exchange: Exchange, principal: Principal, reply: Reply): Reply {
    if (reply.status >= 300 || reply.origin !== 'upstream') return reply;
    const { destination } = exchange.route as { destination: string };
    if (exchange.call?.kind === 'end') {
      const said = exchange.request.header('mcp-session-id');
      const ended = said === undefined ? undefined : this.#bindings.get(destination)?.get(said);
      if (ended) ended.ended = true;
      return reply;
    }
    const given = headerValue(reply.headers, 'mcp-session-id');
    if (given !== undefined) this.#bind(destination, given, principal);
    return reply;
  }

  #bind(destination: string, said: string, owner: Principal): void {
    const bindings = this.#of(destination);
    const known = bindings.get(said);
    // A server that hands out an id again would hand one caller's session to another.
    if (known && !known.ended && !isSame(known.owner, owner)) {
      throw new GatewayError('SESSION_LOST', 'the server gave out a session that belongs to another caller');
    }
    const now = this.#clock.now();
    bindings.delete(said);
    if (bindings.size >= this.#most) bindings.delete(bindings.keys().next().value as string);
    const id = createHash('sha256')
      .update(scopeKey(owner, destination, said))
      .digest('base64url')
      .slice(0, 22);
    bindings.set(said, { id, destination, owner, since: now, lastUsed: now, ended: false });
  }
}

function isSame(one: Owner, other: Owner): boolean {
  return one.subject === other.subject && one.tenant === other.tenant;
}

function describe({ id, destination, owner, since, lastUsed }: Binding): BoundSession {
  const { subject, tenant } = owner;
  return { id, destination, subject, since, lastUsed, ...(tenant === undefined ? {} : { tenant }) };
}
