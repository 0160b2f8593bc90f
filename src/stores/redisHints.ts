import { randomBytes } from 'node:crypto';
import type { BreakerHints, HintName } from '../contracts/hints.js';
import type { Kind, KindDeps } from '../contracts.js';
import { RedisLink, script } from './redisLink.js';
import { connect, REQUIRES, type RedisOptions, redisOptions } from './redisOptions.js';

/** Between two looks: what one process finds out the others know within as much, and a little. Milliseconds. */
const LOOK_MS = 500;
/** More than all breakers that could sensibly be open; whoever floods the store reaches no further. */
const MOST_HINTS = 1000;
const LONGEST = 4096;

/** A hint ends by itself. Arguments: its life in milliseconds, itself. */
const SAY = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1`);

const TAKE_BACK = script(`return redis.call('ZREM', KEYS[1], ARGV[1])`);

/** Argument: how many at most. */
const LOOK = script(`
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1] * 1000 + math.floor(time[2] / 1000))
return redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)`);

/** Breaker hints through Redis 5 or later: a sorted set of what is open, by when that ends. */
export class RedisHints implements BreakerHints {
  readonly #link: RedisLink;
  readonly #key: string;
  readonly #process = randomBytes(9).toString('base64url');
  readonly #timer: NodeJS.Timeout;
  /** What this process has said, so that it can say it again to a Redis that has lost it; epoch milliseconds. */
  readonly #own = new Map<string, number>();
  readonly #clock: KindDeps['clock'];
  #told: (names: readonly HintName[]) => void = () => {};
  #last = '';
  #looking = false;

  constructor(link: (back: () => void) => RedisLink, prefix: string, clock: KindDeps['clock']) {
    this.#key = `${prefix}hints`;
    this.#clock = clock;
    this.#link = link(() => this.#sayAgain());
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  open(): Promise<void> {
    return this.#link.open();
  }

  opened(name: HintName, forMs: number): void {
    const hint = this.#write(name);
    if (this.#own.size < MOST_HINTS) this.#own.set(hint, this.#clock.now() + forMs);
    void this.#link.run(SAY, this.#key, [Math.max(1, forMs), hint]);
  }

  closed(name: HintName): void {
    const hint = this.#write(name);
    if (this.#own.delete(hint)) void this.#link.run(TAKE_BACK, this.#key, [hint]);
  }

  listen(told: (names: readonly HintName[]) => void): void {
    this.#told = told;
    this.#last = '';
  }

  close(): void {
    clearInterval(this.#timer);
    this.#told = () => {};
    this.#link.close();
  }

  /** One look at a time; without Redis there is nothing to see, and what was seen ends. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const found = this.#link.up ? await this.#link.run(LOOK, this.#key, [MOST_HINTS]) : [];
    this.#looking = false;
    const hints = Array.isArray(found) ? found.filter((hint): hint is string => typeof hint === 'string').sort() : [];
    const seen = hints.join('\n');
    if (seen === this.#last) return;
    this.#last = seen;
    this.#told(hints.flatMap((hint) => this.#read(hint) ?? []));
  }

  #sayAgain(): void {
    const now = this.#clock.now();
    for (const [hint, until] of this.#own) {
      if (until <= now) this.#own.delete(hint);
      else void this.#link.run(SAY, this.#key, [until - now, hint]);
    }
  }

  #write({ destination, tool, tenant }: HintName): string {
    return JSON.stringify([this.#process, destination, tool ?? null, tenant ?? null]);
  }

  /** Undefined for our own, and for what nobody of us wrote. */
  #read(hint: string): HintName | undefined {
    if (hint.length > LONGEST) return undefined;
    const [process, destination, tool, tenant] = partsOf(hint);
    if (process === this.#process || typeof destination !== 'string') return undefined;
    return {
      destination,
      ...(typeof tool === 'string' ? { tool } : {}),
      ...(typeof tenant === 'string' ? { tenant } : {}),
    };
  }
}

function partsOf(hint: string): readonly unknown[] {
  try {
    const parts: unknown = JSON.parse(hint);
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}

const kind: Kind<BreakerHints, RedisOptions, Pick<KindDeps, 'name' | 'clock' | 'signals'>> = {
  options: redisOptions,
  requires: REQUIRES,
  async create(given, deps) {
    const client = await connect(given);
    const store = deps.name;
    const link = (back: () => void) =>
      new RedisLink(
        client,
        deps,
        [SAY, TAKE_BACK, LOOK],
        (run) => run(SAY, `${given.prefix}hints-proof`, [1000, 'proof']),
        {
          lost: (cause) => deps.signals.emit('hints.lost', { store, cause }),
          back: () => {
            deps.signals.emit('hints.back', { store });
            back();
          },
        },
      );
    const hints = new RedisHints(link, given.prefix, deps.clock);
    await hints.open();
    return hints;
  },
};

export default kind;
