import type { Clock } from '../contracts.js';
import type { SharedLimits, Taken } from '../stores/redis.js';
import type { Draw, Limit } from './quotaPlan.js';

/** All that was asked for was there. */
export interface Drawn {
  /** The caller's own limit of which the smallest part is left. */
  readonly tightest: Limit | undefined;
  readonly remaining: number;
  giveBack(): void;
}

export interface NotDrawn {
  readonly refused: Limit;
  readonly retryAfterMs: number;
}

/** Draws from one limit after the other; what was drawn is given back where a later one refuses. */
export function drawShared(
  shared: SharedLimits,
  draws: readonly Draw[],
  clock: Pick<Clock, 'monotonic'>,
): Drawn | NotDrawn | Promise<Drawn | NotDrawn> {
  return new Drawing(shared, draws, clock).from(0);
}

class Drawing implements Drawn {
  readonly #shared: SharedLimits;
  readonly #draws: readonly Draw[];
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** One per draw that was made: true where this process's own bucket stood in for the store. */
  readonly #alone: boolean[] = [];
  tightest: Limit | undefined = undefined;
  remaining = 0;

  constructor(shared: SharedLimits, draws: readonly Draw[], clock: Pick<Clock, 'monotonic'>) {
    this.#shared = shared;
    this.#draws = draws;
    this.#clock = clock;
  }

  from(first: number): Drawn | NotDrawn | Promise<Drawn | NotDrawn> {
    for (let i = first; i < this.#draws.length; i++) {
      const draw = this.#draws[i] as Draw;
      const taken = this.#shared.take(draw.key, draw.limit.rate, draw.cost);
      if (taken instanceof Promise) return taken.then((later) => this.#settle(draw, later) ?? this.from(i + 1));
      const refused = this.#settle(draw, taken);
      if (refused) return refused;
    }
    return this;
  }

  readonly giveBack = (): void => {
    for (const [i, alone] of this.#alone.entries()) {
      const { limit, key, cost } = this.#draws[i] as Draw;
      if (alone) limit.buckets.of(key).giveBack(cost);
      else this.#shared.giveBack(key, limit.rate, cost);
    }
    this.#alone.length = 0;
  };

  #settle(draw: Draw, answer: Taken | undefined): NotDrawn | undefined {
    const { allowed, remaining, retryAfterMs } = answer ?? this.#takeAlone(draw);
    if (!allowed) {
      this.giveBack();
      return { refused: draw.limit, retryAfterMs };
    }
    this.#alone.push(answer === undefined);
    const { limit } = draw;
    if (limit.own && (!this.tightest || remaining / limit.rate.burst < this.remaining / this.tightest.rate.burst)) {
      this.tightest = limit;
      this.remaining = remaining;
    }
    return undefined;
  }

  /** The store doesn't answer: the whole rate counts for this process alone. */
  #takeAlone({ limit, key, cost }: Draw): Taken {
    const now = this.#clock.monotonic();
    const bucket = limit.buckets.of(key);
    const retryAfterMs = bucket.waitMs(now, cost);
    if (retryAfterMs === 0) bucket.take(now, cost);
    return { allowed: retryAfterMs === 0, remaining: bucket.remaining(now), retryAfterMs };
  }
}
