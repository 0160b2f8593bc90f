import { createHash } from 'node:crypto';
import type { Clock, Exchange, Handler, Owner, Principal, Reply, Route } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { scopeKey } from '../core/scopeKey.js';
import type { Seal } from '../core/seal.js';
import { WithHeader } from '../wire/exchange.js';
import { headerValue, replaced } from '../wire/headers.js';
import { placeOf } from '../wire/paths.js';
import { declaresUrls } from '../wire/urlElicitation.js';

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

interface Binding extends Pick<BoundSession, 'id' | 'destination' | 'since'> {
  /** The URL of the upstream that began it. */
  readonly url: string;
  readonly owner: Principal;
  /** What the upstream calls it, and what its owner does. */
  readonly own: string;
  readonly said: string;
  /** Its client shows addresses to people. */
  readonly urls: boolean;
  lastUsed: number;
  ended: boolean;
}

/** More than a destination's callers have at a time; past that, the one that was used longest ago is forgotten. */
const MOST_SESSIONS = 100_000;
/** How exactly that is known. Milliseconds. */
const USED_AGAIN_MS = 1_000;

const SESSION_ID = 'mcp-session-id';
/** Before the signature of a session whose client declared URL elicitation: so any process knows it, and none remembers it. */
const URLS = 'u';
const SIGNATURE_LENGTH = 22;

type Named = Pick<Binding, 'own' | 'urls'>;

/**
 * Whose session an `Mcp-Session-Id` names. An id is no proof of who calls (MCP security best practices, Session Hijacking),
 * so a caller gets the upstream's id signed for it, its destination and its URL: any process with the same seal knows it
 * without having seen it before, and to every other caller it is lost.
 */
export class Sessions {
  readonly #clock: Clock;
  readonly #seal: Seal;
  readonly #most: number;
  /** By destination, then by the id that the caller has; in the order of their last use. */
  readonly #bindings = new Map<string, Map<string, Binding>>();
  /** By what the upstreams call them. */
  readonly #owners = new Map<string, Binding>();

  constructor(clock: Clock, seal: Seal, most = MOST_SESSIONS) {
    this.#clock = clock;
    this.#seal = seal;
    this.#most = most;
  }

  /** Lets only its owner use a session on the way through `terminal`. Callers that nobody knows have nothing that could be kept apart. */
  guard(terminal: Handler): Handler {
    return (exchange) => {
      const { principal, route } = exchange;
      if (!principal || !route) return terminal(exchange);
      const said = exchange.request.header(SESSION_ID);
      const session = said === undefined ? undefined : this.#use(said, principal, route);
      if (session) {
        exchange.request = new WithHeader(exchange.request, SESSION_ID, session.own);
        exchange.elicitsUrls = session.urls;
      }
      const reply = terminal(exchange);
      return reply instanceof Promise
        ? reply.then((later) => this.#shown(exchange, later, session))
        : this.#shown(exchange, reply, session);
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

  #use(said: string, principal: Principal, route: Route): Binding {
    const known = this.#bindings.get(route.destination)?.get(said) ?? this.#recognise(said, principal, route);
    if (!known || known.ended || known.url !== serverOf(route) || !isSame(known.owner, principal)) {
      throw new GatewayError('SESSION_LOST', 'there is no such session');
    }
    this.#touch(known);
    return known;
  }

  #touch(binding: Binding): void {
    const now = this.#clock.now();
    if (now - binding.lastUsed < USED_AGAIN_MS) return;
    binding.lastUsed = now;
    const bindings = this.#of(binding.destination);
    bindings.delete(binding.said);
    bindings.set(binding.said, binding);
  }

  /** A session that another process, or this one before it forgot, gave to this very caller. */
  #recognise(said: string, principal: Principal, route: Route): Binding | undefined {
    const dot = said.lastIndexOf('.');
    const own = said.slice(0, Math.max(dot, 0));
    const signature = said.slice(dot + 1);
    const urls = signature.length > SIGNATURE_LENGTH && signature.startsWith(URLS);
    return this.#seal.isSigned(signature.slice(urls ? URLS.length : 0), boundTo({ own, urls }, principal, route))
      ? this.#bind(said, { own, urls }, principal, route)
      : undefined;
  }

  #all(): Binding[] {
    return [...this.#bindings.values()].flatMap((bindings) => [...bindings.values()]);
  }

  #of(destination: string): Map<string, Binding> {
    const bindings = this.#bindings.get(destination) ?? new Map<string, Binding>();
    this.#bindings.set(destination, bindings);
    return bindings;
  }

  /** The answer as its caller may see it: every id in it is the one that this caller has. */
  #shown(exchange: Exchange, reply: Reply, session: Binding | undefined): Reply {
    if (reply.origin !== 'upstream') return reply;
    if (session && exchange.call?.kind === 'end' && reply.status < 300) session.ended = true;
    const own = headerValue(reply.headers, SESSION_ID);
    if (own === undefined) return reply;
    const { principal, route } = exchange as { principal: Principal; route: Route };
    const begun = reply.status < 300;
    const known = own === session?.own ? session : begun ? this.#known(own, principal, route) : undefined;
    if (known) return { ...reply, headers: replaced(reply.headers, SESSION_ID, known.said) };
    const urls = session ? session.urls : exchange.call?.method === 'initialize' && declaresUrls(exchange.call);
    const named = { own, urls };
    const said = `${own}.${urls ? URLS : ''}${this.#seal.sign(boundTo(named, principal, route))}`;
    if (begun) this.#bind(said, named, principal, route);
    return { ...reply, headers: replaced(reply.headers, SESSION_ID, said) };
  }

  /** A server that hands out an id again would hand one caller's session to another. */
  #known(own: string, principal: Principal, route: Route): Binding | undefined {
    const holder = this.#owners.get(ownKey({ destination: route.destination, url: serverOf(route), own }));
    if (!holder || holder.ended) return undefined;
    if (isSame(holder.owner, principal)) {
      this.#touch(holder);
      return holder;
    }
    throw new GatewayError('SESSION_LOST', 'the server gave out a session that belongs to another caller');
  }

  #bind(said: string, { own, urls }: Named, owner: Principal, route: Route): Binding {
    const bindings = this.#of(route.destination);
    const now = this.#clock.now();
    this.#forget(bindings, said);
    if (bindings.size >= this.#most) this.#forget(bindings, bindings.keys().next().value as string);
    const id = createHash('sha256')
      .update(scopeKey(owner, route.destination, said))
      .digest('base64url')
      .slice(0, 22);
    const binding = {
      id,
      destination: route.destination,
      url: serverOf(route),
      owner,
      own,
      urls,
      said,
      since: now,
      lastUsed: now,
      ended: false,
    };
    bindings.set(said, binding);
    this.#owners.set(ownKey(binding), binding);
    return binding;
  }

  #forget(bindings: Map<string, Binding>, said: string): void {
    const binding = bindings.get(said);
    if (!binding) return;
    bindings.delete(said);
    if (this.#owners.get(ownKey(binding)) === binding) this.#owners.delete(ownKey(binding));
  }
}

/** What a server's session is told apart by from all others. */
function ownKey({ destination, url, own }: Pick<Binding, 'destination' | 'url' | 'own'>): string {
  return scopeKey(null, destination, url, own);
}

function boundTo({ own, urls }: Named, owner: Owner, route: Route): string {
  return scopeKey(owner, route.destination, serverOf(route), own, ...(urls ? [URLS] : []));
}

/** Where a session lives; a query may differ from call to call. */
function serverOf({ url }: Route): string {
  return placeOf(url).server;
}

function isSame(one: Owner, other: Owner): boolean {
  return one.subject === other.subject && one.tenant === other.tenant;
}

function describe({ id, destination, owner, since, lastUsed }: Binding): BoundSession {
  const { subject, tenant } = owner;
  return { id, destination, subject, since, lastUsed, ...(tenant === undefined ? {} : { tenant }) };
}
