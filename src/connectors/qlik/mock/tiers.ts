import { entryOf } from './entryOf.js';
import { limited } from './refusal.js';
import type { Tenant } from './tenant.js';
import type { MockTier } from './types.js';

const MINUTE_MS = 60_000;
const LIMITS: Readonly<Record<MockTier, number>> = { tier1: 1000, tier2: 100, special: 50 };

interface Minute {
  readonly since: number;
  count: number;
}

/** Counts requests per user and tier; whoever has used up a minute's is told how long to wait. */
export class Tiers {
  readonly #tenant: Tenant;
  readonly #minutes = new Map<string, Minute>();

  constructor(tenant: Tenant) {
    this.#tenant = tenant;
  }

  count(tier: MockTier, userId: string): void {
    const fault = this.#tenant.faults.limits.take((limit) => limit.tier === tier);
    if (fault) throw limited(fault.seconds);
    const now = this.#tenant.clock.now();
    const key = `${tier} ${userId}`;
    if (now - (this.#minutes.get(key)?.since ?? now) >= MINUTE_MS) this.#minutes.delete(key);
    const minute = entryOf(this.#minutes, key, () => ({ since: now, count: 0 }));
    minute.count += 1;
    const limit = this.#tenant.options.tierLimits?.[tier] ?? LIMITS[tier];
    if (minute.count > limit) throw limited(Math.max(1, Math.ceil((minute.since + MINUTE_MS - now) / 1000)));
  }
}
