import Opossum from 'opossum';
import type { Clock, Signals } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { Window } from './window.js';

/** Opens after `failures` in a row, or when more than half of at least as many calls fail within ten seconds. */
export interface CircuitOptions {
  readonly failures: number;
  /** How long an open circuit refuses before it lets one call try. */
  readonly resetMs: number;
}

export type CircuitState = 'closed' | 'open' | 'half-open';

/** What a call's end says about the upstream's health; `neither` where it says nothing, as when the caller left. */
export type Health = 'good' | 'bad' | 'neither';

const WINDOW_MS = 10_000;

/**
 * One circuit breaker around one destination. Its verdict falls at the head of an answer, so streams may live on.
 * While it is closed a call costs two counters; opossum keeps the states, the timer and the one trial of a half-open circuit.
 */
export class Circuit {
  readonly #name: string;
  readonly #options: CircuitOptions;
  readonly #clock: Clock;
  readonly #breaker: Opossum<[() => Promise<Health>], Health>;
  readonly #window: Window;
  #inARow = 0;
  #calls = 0;
  #failures = 0;
  #openedAt = 0;

  constructor(name: string, options: CircuitOptions, clock: Clock, signals: Signals) {
    this.#name = name;
    this.#options = options;
    this.#clock = clock;
    this.#window = new Window(clock, WINDOW_MS);
    this.#breaker = new Opossum((trial: () => Promise<Health>) => trial(), {
      timeout: false,
      resetTimeout: options.resetMs,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
    });
    this.#breaker.on('open', () => {
      this.#openedAt = clock.now();
      signals.emit('circuit.opened', { destination: name, resetMs: options.resetMs });
    });
    this.#breaker.on('halfOpen', () => signals.emit('circuit.half-open', { destination: name }));
    this.#breaker.on('close', () => {
      this.#inARow = 0;
      this.#startOver();
      signals.emit('circuit.closed', { destination: name });
    });
  }

  get state(): CircuitState {
    if (this.#breaker.halfOpen) return 'half-open';
    return this.#breaker.opened ? 'open' : 'closed';
  }

  /** False while every call is refused. */
  get admits(): boolean {
    return !this.#breaker.opened;
  }

  /** @throws GatewayError CIRCUIT_OPEN with the seconds until the next try, before anything is fetched for a call that would be refused */
  assertAdmits(): void {
    if (!this.admits) throw this.#refusal();
  }

  /** True while calls need only be counted; else each is a try. */
  get closed(): boolean {
    return this.#breaker.closed;
  }

  /** How a call of a closed circuit went, or what showed only after its verdict: a stream that died. */
  count(health: Health): void {
    if (health === 'neither') return;
    if (this.#window.turned()) this.#startOver();
    this.#calls += 1;
    if (health === 'good') {
      this.#inARow = 0;
      return;
    }
    this.#inARow += 1;
    this.#failures += 1;
    const { failures } = this.#options;
    const mostly = this.#failures >= failures && this.#failures > this.#calls / 2;
    if ((this.#inARow >= failures || mostly) && this.#breaker.closed) this.#breaker.open();
  }

  /**
   * The trial of a half-open circuit: opossum lets one through at a time. What says nothing doesn't close it.
   * Settles as the job does.
   * @throws GatewayError CIRCUIT_OPEN
   */
  async try<Value>(job: () => Promise<Value>, judge: (result: Value) => Health): Promise<Value> {
    let result: { value: Value } | undefined;
    const trial = async () => {
      const value = await job();
      result = { value };
      const health = judge(value);
      if (health !== 'good') throw new Error('the trial was not well');
      return health;
    };
    await this.#breaker.fire(trial).catch((error: unknown) => {
      if (!result) throw Opossum.isOurError(error as Error) ? this.#refusal() : error;
    });
    return (result as unknown as { value: Value }).value;
  }

  /** Lets calls through again, whatever happened. */
  reset(): void {
    this.#startOver();
    this.#inARow = 0;
    this.#breaker.close();
  }

  close(): void {
    this.#breaker.shutdown();
  }

  #startOver(): void {
    this.#calls = 0;
    this.#failures = 0;
  }

  #refusal(): GatewayError {
    const wait = this.#openedAt + this.#options.resetMs - this.#clock.now();
    return new GatewayError('CIRCUIT_OPEN', `${this.#name} failed repeatedly and is left alone`, {
      retryAfter: Math.max(1, Math.ceil(wait / 1000)),
    });
  }
}
