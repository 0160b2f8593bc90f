import { createHash } from 'node:crypto';
import type { Rate } from '../resilience/tokenBucket.js';
import type { SharedLimits } from '../stores/redis.js';
import type { Limit } from './quotaPlan.js';

/** A limit as a whole, or what one caller, tenant, address or destination has drawn of it. */
export interface QuotaLine {
  /** Names the line towards `reset`; says nothing by itself. */
  readonly id: string;
  /** Such as `perCaller`. */
  readonly limit: string;
  /** As configured, such as `600/m`. */
  readonly allowed: string;
  /** The rule, destination or address that it is about. */
  readonly about?: string;
  readonly subject?: string;
  readonly tenant?: string;
  /** Absent for a limit as a whole. */
  readonly drawn?: number;
  readonly remaining?: number;
}

/** A limit, and the rule or glob that it stands under. */
export interface NamedLimit {
  readonly limit: Limit;
  readonly rule?: string;
}

interface Drawn {
  readonly of: NamedLimit;
  readonly key: string;
  readonly remaining: number;
}

/** What is left of the most drawn ones is worth reading, the rest isn't. */
const MOST_LINES = 1_000;

/** What is drawn, and how it is given back: from this process's buckets, and from what is shared as far as this process met it. */
export class QuotaLines {
  readonly #limits: readonly NamedLimit[];
  readonly #now: () => number;
  readonly #shared: SharedLimits | undefined;

  /** `now` in milliseconds of the monotonic clock. */
  constructor(limits: readonly NamedLimit[], now: () => number, shared: SharedLimits | undefined) {
    this.#limits = limits;
    this.#now = now;
    this.#shared = shared;
  }

  /** The limits, and those who drew most; of one tenant only where that is given. */
  async list(tenant?: string): Promise<QuotaLine[]> {
    const drawn = await this.#drawn(tenant);
    return [...this.#limits.map(wholeLine), ...drawn.map(drawnLine)];
  }

  /** Gives back what was drawn of the line with that id. */
  async reset(id: string): Promise<void> {
    for (const of of this.#limits) {
      if (wholeLine(of).id === id) return this.#resetAll(of);
    }
    const found = (await this.#everything()).find(({ key }) => idOf(key) === id);
    if (found) await this.#forget(found.of, found.key);
  }

  async #resetAll(of: NamedLimit): Promise<void> {
    for (const { key } of (await this.#everything()).filter((each) => each.of === of)) await this.#forget(of, key);
  }

  async #forget({ limit }: NamedLimit, key: string): Promise<void> {
    limit.buckets.forget(key);
    await this.#shared?.reset(key);
  }

  async #drawn(tenant: string | undefined): Promise<Drawn[]> {
    const all = await this.#everything();
    const theirs = tenant === undefined ? all : all.filter(({ key }) => readKey(key).tenant === tenant);
    return theirs.sort((a, b) => shareOf(a) - shareOf(b)).slice(0, MOST_LINES);
  }

  /** The same key may be drawn from here and from the store, where that was gone for a while: the store knows better. */
  async #everything(): Promise<Drawn[]> {
    const now = this.#now();
    const found = new Map<string, Drawn>();
    for (const of of this.#limits) {
      for (const [key, bucket] of of.limit.buckets.entries()) {
        if (bucket.fullAt > now) found.set(key, { of, key, remaining: bucket.remaining(now) });
      }
    }
    const rateOf = (key: string) => this.#limitOf(key)?.limit.rate;
    for (const { key, remaining } of (await this.#shared?.drawn(rateOf)) ?? []) {
      const of = this.#limitOf(key);
      if (of) found.set(key, { of, key, remaining });
    }
    return [...found.values()];
  }

  #limitOf(key: string): NamedLimit | undefined {
    return this.#limits.find((of) => belongsTo(key, of));
  }
}

/** A key of `scopeKey`: whose, which limit, and what else it is about. */
function readKey(key: string) {
  const [tenant, subject, name, ...rest] = JSON.parse(key) as [string | null, string | null, string, ...string[]];
  // A tenant's own bucket is nobody's in it.
  if (name === 'perTenant') return { tenant: rest[0], subject: undefined, name, rest: [] };
  return { tenant: tenant ?? undefined, subject: subject ?? undefined, name, rest };
}

function belongsTo(key: string, { limit, rule }: NamedLimit): boolean {
  const { name, rest } = readKey(key);
  return name === limit.name && (rule === undefined || rest[0] === rule);
}

function shareOf({ of, remaining }: Drawn): number {
  return remaining / of.limit.rate.burst;
}

function wholeLine({ limit, rule }: NamedLimit): QuotaLine {
  const id = idOf(JSON.stringify([limit.name, rule ?? null]));
  return { id, limit: limit.name, allowed: written(limit.rate), ...(rule === undefined ? {} : { about: rule }) };
}

function drawnLine({ of: { limit }, key, remaining }: Drawn): QuotaLine {
  const { tenant, subject, rest } = readKey(key);
  return {
    id: idOf(key),
    limit: limit.name,
    allowed: written(limit.rate),
    ...(rest.length === 0 ? {} : { about: rest.join(' ') }),
    ...(subject === undefined ? {} : { subject }),
    ...(tenant === undefined ? {} : { tenant }),
    drawn: limit.rate.burst - remaining,
    remaining,
  };
}

function idOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

const UNITS: Readonly<Record<number, string>> = { 1000: 's', 60000: 'm', 3600000: 'h', 86400000: 'd' };

function written({ count, periodMs, burst }: Rate): string {
  return `${count}/${UNITS[periodMs]}${burst === count ? '' : ` burst ${burst}`}`;
}
