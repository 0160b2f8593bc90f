import { createHash, randomBytes } from 'node:crypto';
import type { Clock, Kind } from '../contracts.js';
import { RedisLink } from './redisLink.js';
import { connect, REQUIRES, type RedisOptions, redisOptions } from './redisOptions.js';
import { ENTER, FORGET, LEAVE, LEFT, RENEW, TAKE } from './redisScripts.js';

/** So many per so much time; `burst` is what a bucket holds. */
export interface SharedRate {
  readonly count: number;
  readonly periodMs: number;
  readonly burst: number;
}

/** What became of a request for tokens. `retryAfterMs` is infinite for more than a bucket can ever hold. */
export interface Taken {
  readonly allowed: boolean;
  readonly remaining: number;
  readonly retryAfterMs: number;
}

/** A place among those that may run at the same time. `unknown`: no answer came, so whoever asks must judge by itself. */
export interface Place {
  readonly state: 'held' | 'full' | 'unknown';
  /** To be called once, whatever the state. */
  leave(): void;
}

/** Limits that several processes draw from together. Nothing here rejects, and nothing waits longer than 100 ms. */
export interface SharedLimits {
  /** Undefined where the store doesn't answer. Without a promise where a lease still holds enough, and while the store is lost. */
  take(key: string, rate: SharedRate, cost: number): Taken | undefined | Promise<Taken | undefined>;
  /** What was taken for a call that another limit refused: this process uses it next. */
  giveBack(key: string, rate: SharedRate, cost: number): void;
  enter(key: string, limit: number): Promise<Place>;
  /** What this process has drawn from and is not full again; keys without a rate are left out. The store keeps digests only, so nobody can name what others drew from. */
  drawn(rateOf: (key: string) => SharedRate | undefined): Promise<readonly Remaining[]>;
  /** Gives back all that was drawn under a key. What other processes hold of it, they use up. */
  reset(key: string): Promise<void>;
  close(): void;
}

export interface Remaining {
  readonly key: string;
  readonly remaining: number;
}

/** Limits shared through Redis 5 or later. */
const kind: Kind<SharedLimits, RedisOptions> = {
  options: redisOptions,
  requires: REQUIRES,
  async create(given, deps) {
    const client = await connect(given);
    // A token of a bucket that nobody else draws from: a server that can't write isn't there.
    const link = new RedisLink(client, deps, [TAKE, LEFT, FORGET, ENTER, RENEW, LEAVE], (run) =>
      run(TAKE, `${given.prefix}proof`, [1, 1000, 1, 1]),
    );
    await link.open();
    return new RedisLimits(link, given.prefix, given.holdMs, deps.clock);
  },
};

export default kind;

const MAX_LEASES = 50_000;
/** So many keys are looked up for a list, those that were met last, and so many at a time: calls don't wait behind it. */
const MOST_LISTED = 1_000;
const AT_ONCE = 20;
/** A lease that is used up sooner is followed by a larger one. */
const BUSY_MS = 1000;
/** A lease is at most this part of a burst: what a process holds and doesn't need is missing elsewhere. */
const LARGEST = 1 / 10;
/** How long a refusal is believed without asking again. */
const BELIEVED_MS = 1000;
/** Slack of a lease's life beyond the time in which its tokens come back in Redis. */
const SLACK_MS = 1000;

/** Tokens that this process has taken from Redis and not used yet. Times are of the monotonic clock. */
interface Lease {
  readonly stored: string;
  tokens: number;
  until: number;
  /** Left in Redis when it was last asked. */
  left: number;
  size: number;
  grantedAt: number;
  emptyUntil: number;
  asking: number;
}

class RedisLimits implements SharedLimits {
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #holdMs: number;
  readonly #clock: Clock;
  readonly #leases = new Map<string, Lease>();
  /** Places that are taken: stored key → ids. */
  readonly #places = new Map<string, Set<string>>();
  readonly #process = randomBytes(9).toString('base64url');
  readonly #renewing: NodeJS.Timeout;
  #entered = 0;

  constructor(link: RedisLink, prefix: string, holdMs: number, clock: Clock) {
    this.#link = link;
    this.#prefix = prefix;
    this.#holdMs = holdMs;
    this.#clock = clock;
    this.#renewing = setInterval(() => this.#renew(), holdMs / 3).unref();
  }

  take(key: string, rate: SharedRate, cost: number): Taken | undefined | Promise<Taken | undefined> {
    if (!this.#link.up) return undefined;
    const now = this.#clock.monotonic();
    const lease = this.#lease(key);
    if (lease.tokens >= cost && now < lease.until) {
      lease.tokens -= cost;
      return { allowed: true, remaining: lease.tokens + lease.left, retryAfterMs: 0 };
    }
    if (cost > rate.burst) return { allowed: false, remaining: lease.left, retryAfterMs: Number.POSITIVE_INFINITY };
    if (cost === 1 && now < lease.emptyUntil)
      return { allowed: false, remaining: 0, retryAfterMs: lease.emptyUntil - now };
    return this.#ask(lease, rate, cost, now);
  }

  giveBack(key: string, rate: SharedRate, cost: number): void {
    this.#fill(this.#lease(key), rate, cost);
  }

  async enter(key: string, limit: number): Promise<Place> {
    const stored = this.#stored('places', key);
    this.#entered += 1;
    const id = `${this.#process}-${this.#entered.toString(36)}`;
    this.#hold(stored, id);
    const answer = await this.#link.run(ENTER, stored, [limit, this.#holdMs, id]);
    if (answer === 0) this.#letGo(stored, id);
    const state = answer === 1 ? 'held' : answer === 0 ? 'full' : 'unknown';
    return { state, leave: () => this.#leave(stored, id) };
  }

  async drawn(rateOf: (key: string) => SharedRate | undefined): Promise<readonly Remaining[]> {
    const found: Remaining[] = [];
    const keys = [...this.#leases.keys()].slice(-MOST_LISTED);
    for (let i = 0; i < keys.length; i += AT_ONCE) {
      const lines = await Promise.all(keys.slice(i, i + AT_ONCE).map((key) => this.#remaining(key, rateOf(key))));
      found.push(...lines.flatMap((line) => line ?? []));
    }
    return found;
  }

  async reset(key: string): Promise<void> {
    this.#leases.delete(key);
    await this.#link.run(FORGET, this.#stored('rate', key), []);
  }

  async #remaining(key: string, rate: SharedRate | undefined): Promise<Remaining | undefined> {
    const lease = this.#leases.get(key);
    if (!rate || !lease) return undefined;
    const left = await this.#link.run(LEFT, lease.stored, [rate.periodMs / rate.count, rate.burst]);
    if (typeof left !== 'number') return undefined;
    const remaining = Math.min(rate.burst, left + (this.#clock.monotonic() < lease.until ? lease.tokens : 0));
    return remaining < rate.burst ? { key, remaining } : undefined;
  }

  close(): void {
    clearInterval(this.#renewing);
    this.#link.close();
    this.#leases.clear();
    this.#places.clear();
  }

  async #ask(lease: Lease, rate: SharedRate, cost: number, now: number): Promise<Taken | undefined> {
    const most = Math.max(1, Math.floor(rate.burst * LARGEST));
    const size = now - lease.grantedAt < BUSY_MS ? Math.min(most, lease.size * 2) : 1;
    // Whoever asks while another does takes no more than it needs.
    const wanted = lease.asking > 0 ? cost : Math.max(cost, size);
    lease.asking += 1;
    const answer = await this.#link.run(TAKE, lease.stored, [rate.periodMs / rate.count, rate.burst, cost, wanted]);
    lease.asking -= 1;
    if (!Array.isArray(answer)) return undefined;
    const [granted, left, retryAfterMs] = answer as [number, number, number];
    lease.left = left;
    if (granted < cost) return refusal(lease, cost, retryAfterMs, this.#clock.monotonic());
    if (wanted >= size) lease.size = size;
    this.#fill(lease, rate, granted - cost);
    return { allowed: true, remaining: lease.tokens + left, retryAfterMs: 0 };
  }

  /** Its life ends when Redis has filled up what it took: no call is let through on tokens of long ago. */
  #fill(lease: Lease, rate: SharedRate, tokens: number): void {
    const now = this.#clock.monotonic();
    lease.tokens = tokens + (now < lease.until ? lease.tokens : 0);
    lease.until = now + (lease.tokens * rate.periodMs) / rate.count + SLACK_MS;
    lease.grantedAt = now;
  }

  #lease(key: string): Lease {
    const known = this.#leases.get(key);
    if (known) return known;
    // To forget a lease loses its caller a few tokens, and gives nobody any.
    if (this.#leases.size >= MAX_LEASES) this.#leases.delete(this.#leases.keys().next().value as string);
    const stored = this.#stored('rate', key);
    const made = { stored, tokens: 0, until: 0, left: 0, size: 1, grantedAt: -BUSY_MS, emptyUntil: 0, asking: 0 };
    this.#leases.set(key, made);
    return made;
  }

  /** Of one length, whatever a subject is called. */
  #stored(what: string, key: string): string {
    return `${this.#prefix}${what}:${createHash('sha256').update(key).digest('base64url')}`;
  }

  #hold(stored: string, id: string): void {
    const ids = this.#places.get(stored);
    if (ids) ids.add(id);
    else this.#places.set(stored, new Set([id]));
  }

  /** True where it was held. */
  #letGo(stored: string, id: string): boolean {
    const ids = this.#places.get(stored);
    if (!ids?.delete(id)) return false;
    if (ids.size === 0) this.#places.delete(stored);
    return true;
  }

  #leave(stored: string, id: string): void {
    if (this.#letGo(stored, id)) void this.#link.run(LEAVE, stored, [id]);
  }

  #renew(): void {
    for (const [stored, ids] of this.#places) void this.#link.run(RENEW, stored, [this.#holdMs, ...ids]);
  }
}

function refusal(lease: Lease, cost: number, retryAfterMs: number, now: number): Taken {
  if (cost === 1) lease.emptyUntil = now + Math.min(retryAfterMs, BELIEVED_MS);
  return { allowed: false, remaining: lease.left, retryAfterMs };
}
