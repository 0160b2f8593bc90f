import { createHash } from 'node:crypto';
import type { Health, Pool, PoolMember, PoolTurn } from '../contracts/pools.js';
import type { Clock, Signals } from '../contracts.js';
import { Place } from './poolPlace.js';
import type { PoolOptions, WeightedUrl } from './poolSchema.js';

/** How much dearer failures make a member: one that always fails seems five times as slow. */
const ERROR_COST = 4;
const NOBODY: ReadonlySet<PoolMember> = new Set();

/**
 * The members of a destination, and who gets the next call: the better of two that chance names, by weight (the power of
 * two choices). The same one may be named twice, so that even the worst gets a call now and then, and shows when it is better.
 */
export class BalancedPool implements Pool {
  readonly members: readonly Place[];
  readonly sticky: boolean;
  readonly #name: string;
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #signals: Signals;

  constructor(
    name: string,
    urls: readonly WeightedUrl[],
    { sticky, ...options }: PoolOptions & { readonly sticky: boolean },
    deps: { readonly clock: Clock; readonly signals: Signals },
  ) {
    this.#name = name;
    this.#options = options;
    this.#clock = deps.clock;
    this.#signals = deps.signals;
    this.sticky = sticky;
    this.members = urls.map((url) => new Place(url, options.slowStartMs, deps.clock));
  }

  choose(tried: ReadonlySet<PoolMember>, key?: string): Place {
    const candidates = this.#candidates(tried);
    const [only] = candidates;
    if (only && candidates.length === 1) return only;
    if (key !== undefined) return best(candidates, (place) => -affinity(place, key));
    const one = this.#draw(candidates);
    const other = this.#draw(candidates);
    return this.#cost(other, one) < this.#cost(one, other) ? other : one;
  }

  hasOther(tried: ReadonlySet<PoolMember>): boolean {
    this.#welcomeBack();
    return this.members.some((place) => place.serves && !tried.has(place));
  }

  isGone(member: PoolMember): boolean {
    this.#welcomeBack();
    const place = member as Place;
    return place.unreachable && !place.serves && this.hasOther(NOBODY);
  }

  begin(member: PoolMember): PoolTurn {
    const place = member as Place;
    place.inFlight += 1;
    let ended = false;
    return {
      settle: (health, ms, neverSent = false) => {
        if (health === 'bad') place.unreachable = neverSent;
        this.#learn(place, health, ms);
      },
      broke: () => this.#learn(place, 'bad', undefined),
      end: () => {
        if (!ended) place.inFlight -= 1;
        ended = true;
      },
    };
  }

  /** What its checks say. Told when that changes. */
  check(member: PoolMember, healthy: boolean): void {
    const place = member as Place;
    if (place.unhealthy === !healthy) return;
    place.unhealthy = !healthy;
    if (!healthy) {
      this.#signals.emit('pool.member-unhealthy', this.#about(place));
      return;
    }
    place.comeBack();
    this.#signals.emit('pool.member-back', this.#about(place));
  }

  #learn(place: Place, health: Health, ms: number | undefined): void {
    if (health === 'neither') return;
    const { ejection } = this.#options;
    const bad = place.learn(health, ms, ejection);
    if (!bad || !ejection.enabled || !place.serves || !this.#mayEject()) return;
    const forMs = place.eject(ejection);
    this.#signals.emit('pool.member-ejected', { ...this.#about(place), forMs });
  }

  /** One more may go, and somebody stays. */
  #mayEject(): boolean {
    const out = this.members.filter(({ serves }) => !serves).length;
    return (
      out + 1 <= Math.floor(this.members.length * this.#options.ejection.maxShare) && out + 1 < this.members.length
    );
  }

  #welcomeBack(): void {
    const now = this.#clock.monotonic();
    for (const place of this.members) {
      if (!place.ejected || now < place.ejectedUntil) continue;
      place.comeBack();
      this.#signals.emit('pool.member-back', this.#about(place));
    }
  }

  /** Who serves and wasn't tried; else who serves; else anybody: a pool that looks dead may not be. */
  #candidates(tried: ReadonlySet<PoolMember>): readonly Place[] {
    this.#welcomeBack();
    const serving = this.members.filter(({ serves }) => serves);
    const fresh = tried.size === 0 ? serving : serving.filter((place) => !tried.has(place));
    if (fresh.length > 0) return fresh;
    if (serving.length > 0) return serving;
    const untried = this.members.filter((place) => !tried.has(place));
    return untried.length > 0 ? untried : this.members;
  }

  #draw(candidates: readonly Place[]): Place {
    let at = this.#clock.random() * candidates.reduce((sum, { weight }) => sum + weight, 0);
    for (const place of candidates) {
      at -= place.weight;
      if (at < 0) return place;
    }
    return candidates.at(-1) as Place;
  }

  /** What a call costs there, compared to another one; where nothing is known of either's speed, that doesn't count. */
  #cost(place: Place, other: Place): number {
    const load = place.inFlight / place.weight;
    if (this.#options.choice === 'least-loaded') return load;
    const known = place.latencyMs !== undefined && other.latencyMs !== undefined;
    return (known ? (place.latencyMs as number) + 1 : 1) * (load + 1) * (1 + ERROR_COST * place.errors);
  }

  #about({ url }: Place) {
    return { destination: this.#name, member: url.origin + url.pathname };
  }
}

/** Rendezvous hashing: each key ranks the members by itself, so that one that leaves moves only its own keys. */
function affinity({ url, weight }: Place, key: string): number {
  const digest = createHash('sha256').update(url.href).update('\n').update(key).digest();
  const chance = (digest.readUInt32BE(0) + 1) / (2 ** 32 + 1);
  return -weight / Math.log(chance);
}

function best(places: readonly Place[], cost: (place: Place) => number): Place {
  return places.reduce((least, place) => (cost(place) < cost(least) ? place : least));
}
