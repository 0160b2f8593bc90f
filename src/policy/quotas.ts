import ipaddr from 'ipaddr.js';
import type { Admission, Excess, Quotas } from '../contracts/callers.js';
import type { Clock, Exchange, Signals } from '../contracts.js';
import { scopeKey } from '../core/scopeKey.js';
import { Shedder, watchEventLoop } from '../resilience/eventLoopLag.js';
import type { SharedLimits } from '../stores/redis.js';
import { type QuotaLine, QuotaLines } from './quotaLines.js';
import { type Draw, drawsOf, type Gate, type Limit, limitOf, type Plan, Planner } from './quotaPlan.js';
import type { QuotasOptions } from './quotasSchema.js';
import { drawShared } from './sharedDraws.js';

export interface QuotasDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** The caller's address, from the socket's and what trusted proxies say. */
  clientAddress(socket: string, forwardedFor: string | undefined): string;
  /** What `quotas.store` names; this process's memory where absent. */
  readonly shared?: SharedLimits;
}

/** An excess with the header lines that describe it. */
export interface Refusal extends Excess {
  readonly headers: readonly string[];
}

export interface RunningQuotas extends Quotas {
  /** Told how late the event loop is. Milliseconds. A timer of its own tells it, too. */
  observeLag(lagMs: number): void;
  /** The limits, and who drew most of them; of one tenant only where that is given. */
  list(tenant?: string): Promise<readonly QuotaLine[]>;
  /** Gives back what was drawn of the line with that id. */
  reset(id: string): Promise<void>;
  /** Stops measuring. The shared store is closed by whoever made it. */
  close(): void;
}

/** The `limit` of an excess that no caller is to blame for. */
export const SHED = 'shed';

/** The `release` of an admission that holds no place: nobody needs to remember to call it. */
export function nothingHeld(): void {}

/** What a bad proof costs its address, besides the one that every request costs. */
const BLAME = 10;
const BUSY_RETRY_MS = 1000;
const SHED_RETRY_MS = 1000;

const FREE: Admission = { headers: [], release: nothingHeld };

/** How much callers may: token buckets and concurrency limits, in memory or shared, and shedding while the event loop lags. */
export function createQuotas(options: QuotasOptions, deps: QuotasDeps): RunningQuotas {
  return new Limits(options, deps);
}

class Limits implements RunningQuotas {
  readonly #deps: QuotasDeps;
  readonly #planner: Planner;
  readonly #addresses: Limit | undefined;
  readonly #lines: QuotaLines;
  readonly #shedder: Shedder | undefined;
  readonly #stopWatching: () => void;
  readonly #running = new Map<string, number>();
  #lastAddress = '';
  #lastKey = '';

  constructor(options: QuotasOptions, deps: QuotasDeps) {
    this.#deps = deps;
    this.#planner = new Planner(options, deps.clock);
    const { perAddress: rate } = options;
    this.#addresses = rate && limitOf('perAddress', rate, true, deps.clock);
    const limits = [...(this.#addresses ? [{ limit: this.#addresses }] : []), ...this.#planner.limits];
    this.#lines = new QuotaLines(limits, deps.clock.monotonic, deps.shared);
    this.#shedder = options.shed && new Shedder(options.shed.lagMs, deps);
    this.#stopWatching = this.#shedder ? watchEventLoop(deps.clock, (lagMs) => this.observeLag(lagMs)) : nothingHeld;
  }

  observeLag(lagMs: number): void {
    this.#shedder?.observe(lagMs);
  }

  list(tenant?: string): Promise<readonly QuotaLine[]> {
    return this.#lines.list(tenant);
  }

  reset(id: string): Promise<void> {
    return this.#lines.reset(id);
  }

  close(): void {
    this.#stopWatching();
  }

  admitAddress(address: string): Refusal | undefined {
    if (this.#shedder?.refuses()) return this.#shed();
    const limit = this.#addresses;
    if (!limit) return undefined;
    const now = this.#deps.clock.monotonic();
    const bucket = limit.buckets.of(this.#keyOf(address));
    const wait = bucket.waitMs(now, 1);
    if (wait > 0) return refusal(limit, wait);
    bucket.take(now, 1);
    return undefined;
  }

  blame(address: string): void {
    this.#addresses?.buckets.of(this.#keyOf(address)).draw(this.#deps.clock.monotonic(), BLAME);
  }

  admitCall(exchange: Exchange): Refusal | Admission | Promise<Refusal | Admission> {
    const { request } = exchange;
    const destination = exchange.route?.destination ?? exchange.decision?.destination ?? '';
    const address = () =>
      addressGroup(this.#deps.clientAddress(request.remoteAddress, request.header('x-forwarded-for')));
    const plan = this.#planner.plan(exchange.principal, address, destination);
    const draws = drawsOf(plan, exchange.call);
    return this.#deps.shared ? this.#admitShared(this.#deps.shared, plan, draws) : this.#admitAlone(plan, draws);
  }

  /** Looks at every limit before it takes from any: a refused call costs nothing. */
  #admitAlone(plan: Plan, draws: readonly Draw[]): Refusal | Admission {
    const full = this.#fullGate(plan.gates);
    if (full) return busy(full);
    const now = this.#deps.clock.monotonic();
    for (const { limit, key, cost } of draws) {
      const wait = limit.buckets.of(key).waitMs(now, cost);
      if (wait > 0) return refusal(limit, wait);
    }
    let tightest: Limit | undefined;
    let least = 0;
    for (const { limit, key, cost } of draws) {
      const bucket = limit.buckets.of(key);
      bucket.take(now, cost);
      if (!limit.own) continue;
      const remaining = bucket.remaining(now);
      if (tightest && least / tightest.rate.burst <= remaining / limit.rate.burst) continue;
      tightest = limit;
      least = remaining;
    }
    return this.#admit(plan, tightest ? rateHeaders(tightest, least) : FREE.headers);
  }

  #admit({ gates }: Plan, headers: readonly string[]): Admission {
    if (gates.length === 0) return headers === FREE.headers ? FREE : { headers, release: nothingHeld };
    return new Held(headers, gates, this.#running);
  }

  /** A promise only where the store is asked: a lease mostly answers at once. */
  #admitShared(
    shared: SharedLimits,
    plan: Plan,
    draws: readonly Draw[],
  ): Refusal | Admission | Promise<Refusal | Admission> {
    const full = this.#fullGate(plan.gates);
    if (full) return busy(full);
    const drawn = drawShared(shared, draws, this.#deps.clock);
    if (drawn instanceof Promise) return drawn.then((later) => this.#drawn(shared, plan, later));
    return this.#drawn(shared, plan, drawn);
  }

  #drawn(
    shared: SharedLimits,
    plan: Plan,
    drawn: Awaited<ReturnType<typeof drawShared>>,
  ): Refusal | Admission | Promise<Refusal | Admission> {
    if ('refused' in drawn) return refusal(drawn.refused, drawn.retryAfterMs);
    const { tightest, remaining } = drawn;
    const headers = tightest ? rateHeaders(tightest, remaining) : FREE.headers;
    if (plan.gates.length === 0) return this.#admit(plan, headers);
    // Others may have come in while the store was asked.
    const full = this.#fullGate(plan.gates);
    if (full) {
      drawn.giveBack();
      return busy(full);
    }
    return this.#enterShared(shared, plan.gates, new Held(headers, plan.gates, this.#running), drawn.giveBack);
  }

  /** One gate after the other: whoever is refused by its own holds no place at another's. */
  async #enterShared(
    shared: SharedLimits,
    gates: readonly Gate[],
    held: Held,
    giveBack: () => void,
  ): Promise<Refusal | Admission> {
    for (const gate of gates) {
      const place = await shared.enter(gate.key, gate.limit);
      held.leaves.push(() => place.leave());
      if (place.state !== 'full') continue;
      held.release();
      giveBack();
      return busy(gate);
    }
    return held;
  }

  #fullGate(gates: readonly Gate[]): Gate | undefined {
    return gates.length === 0 ? undefined : gates.find(({ key, limit }) => (this.#running.get(key) ?? 0) >= limit);
  }

  #shed(): Refusal {
    // Whoever is sent away doesn't come back at the same moment as all the others.
    return { limit: SHED, retryAfterMs: SHED_RETRY_MS * (1 + 4 * this.#deps.clock.random()), headers: [] };
  }

  /** Requests of one address come in runs. */
  #keyOf(address: string): string {
    if (address === this.#lastAddress && this.#lastKey) return this.#lastKey;
    this.#lastAddress = address;
    this.#lastKey = scopeKey(null, 'perAddress', addressGroup(address));
    return this.#lastKey;
  }
}

/** A place at every gate, given back once. */
class Held implements Admission {
  readonly headers: readonly string[];
  readonly leaves: (() => void)[] = [];
  readonly #running: Map<string, number>;
  #gates: readonly Gate[];

  constructor(headers: readonly string[], gates: readonly Gate[], running: Map<string, number>) {
    this.headers = headers;
    this.#gates = gates;
    this.#running = running;
    for (const { key } of gates) running.set(key, (running.get(key) ?? 0) + 1);
  }

  release(): void {
    for (const { key } of this.#gates) {
      const others = (this.#running.get(key) ?? 1) - 1;
      if (others === 0) this.#running.delete(key);
      else this.#running.set(key, others);
    }
    this.#gates = [];
    for (const leave of this.leaves.splice(0)) leave();
  }
}

/** One caller's address, however it is written: whoever has one IPv6 address has its whole /64 (RFC 6177). */
function addressGroup(address: string): string {
  if (!address.includes(':') || !ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed.kind() === 'ipv4' ? parsed.toString() : (parsed as ipaddr.IPv6).parts.slice(0, 4).join(':');
}

function busy({ name }: Gate): Refusal {
  return { limit: name, retryAfterMs: BUSY_RETRY_MS, headers: [] };
}

/** What can never be had at once is worth another try, in smaller parts, after a period. */
function refusal(limit: Limit, waitMs: number): Refusal {
  const retryAfterMs = Number.isFinite(waitMs) ? waitMs : limit.rate.periodMs;
  const headers = limit.own ? [...lines(limit, 0, retryAfterMs)] : [];
  return { limit: limit.name, retryAfterMs, headers };
}

function rateHeaders(limit: Limit, remaining: number): readonly string[] {
  const { count, periodMs, burst } = limit.rate;
  return lines(limit, remaining, ((burst - remaining) * periodMs) / count);
}

/** Structured fields of draft-ietf-httpapi-ratelimit-headers: `r` left, `t` seconds until there is more. */
function lines({ name, policy }: Limit, remaining: number, resetMs: number): readonly string[] {
  return ['ratelimit', `"${name}";r=${remaining};t=${Math.ceil(resetMs / 1000)}`, 'ratelimit-policy', policy];
}
