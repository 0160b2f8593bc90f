import type { Health, PoolMember, PoolState } from '../contracts/pools.js';
import type { Clock } from '../contracts.js';
import type { EjectionOptions, WeightedUrl } from './poolSchema.js';
import { Window } from './window.js';

const WINDOW_MS = 10_000;
/** Fewer calls within a window say nothing of a share. */
const FEWEST = 10;
/** What the last call counts for in an average. */
const ALPHA = 0.2;
/** The least part of its share that a member gets in its slow start: with nothing it would learn nothing. */
const SLOWEST = 0.1;

/** What a pool knows of one of its members. Times are of the monotonic clock, in milliseconds. */
export class Place implements PoolMember {
  readonly url: URL;
  readonly #weight: number;
  readonly #slowStartMs: number;
  readonly #clock: Clock;
  readonly #window: Window;
  inFlight = 0;
  /** To the head of an answer; undefined where none has come yet. */
  latencyMs: number | undefined;
  /** The share of failures among the last calls. */
  errors = 0;
  inARow = 0;
  /** Nothing could be sent, the last time. */
  unreachable = false;
  /** Failed its checks. */
  unhealthy = false;
  ejected = false;
  ejectedUntil = 0;
  #ejections = 0;
  #onProbation = false;
  #backAt = Number.NEGATIVE_INFINITY;
  #calls = 0;
  #failures = 0;

  constructor({ url, weight }: WeightedUrl, slowStartMs: number, clock: Clock) {
    this.url = url;
    this.#weight = weight;
    this.#slowStartMs = slowStartMs;
    this.#clock = clock;
    this.#window = new Window(clock, WINDOW_MS);
  }

  get state(): PoolState {
    if (this.ejected) return 'ejected';
    if (this.unhealthy) return 'unhealthy';
    return this.#ramp < 1 ? 'slow-start' : 'serving';
  }

  get serves(): boolean {
    return !this.ejected && !this.unhealthy;
  }

  /** What it can bear compared to the others, just now. */
  get weight(): number {
    return this.#weight * this.#ramp;
  }

  get #ramp(): number {
    if (this.#slowStartMs === 0) return 1;
    const part = (this.#clock.monotonic() - this.#backAt) / this.#slowStartMs;
    return Math.min(1, Math.max(SLOWEST, part));
  }

  /** How a call went. True where that is enough to be left alone for a while. */
  learn(health: Exclude<Health, 'neither'>, ms: number | undefined, limits: EjectionOptions): boolean {
    if (this.#window.turned()) {
      this.#calls = 0;
      this.#failures = 0;
    }
    this.#calls += 1;
    this.errors += ALPHA * ((health === 'bad' ? 1 : 0) - this.errors);
    if (health === 'good') {
      if (ms !== undefined) this.latencyMs = ms * ALPHA + (this.latencyMs ?? ms) * (1 - ALPHA);
      this.inARow = 0;
      this.#onProbation = false;
      return false;
    }
    this.inARow += 1;
    this.#failures += 1;
    const mostly = this.#calls >= FEWEST && this.#failures / this.#calls >= limits.errorShare;
    return this.#onProbation || this.inARow >= limits.failures || mostly;
  }

  /** Out, each time for longer; how long, in milliseconds. */
  eject({ baseMs, maxMs }: EjectionOptions): number {
    const now = this.#clock.monotonic();
    // Whoever was well for long enough begins anew.
    if (now - this.ejectedUntil > maxMs) this.#ejections = 0;
    const ms = Math.min(maxMs, baseMs * 2 ** Math.min(this.#ejections, 30));
    this.#ejections += 1;
    this.ejected = true;
    this.ejectedUntil = now + ms;
    return ms;
  }

  /** Back, with less than its share at first; one failure is enough to be out again. */
  comeBack(): void {
    this.ejected = false;
    this.unreachable = false;
    this.inARow = 0;
    this.#calls = 0;
    this.#failures = 0;
    this.#onProbation = this.#ejections > 0;
    this.#backAt = this.#clock.monotonic();
  }
}
