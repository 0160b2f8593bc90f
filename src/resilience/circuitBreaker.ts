import Opossum from 'opossum';
import type { Clock, Signals } from '../contracts.js';
import { GatewayError } from '../core/errors.js';

/** Opens after `failures` in a row, or when more than half of at least as many calls fail within ten seconds. */
export interface CircuitOptions {
  readonly failures: number;
  /** How long an open circuit refuses before it lets one call try. */
  readonly resetMs: number;
}

export type CircuitState = 'closed' | 'open' | 'half-open';

/** Carries a result that counts as a failure through opossum, which knows failures as rejections only. */
class FailedResult<Value> extends Error {
  readonly value: Value;

  constructor(value: Value) {
    super('the answer counts as a failure');
    this.value = value;
  }
}

/** What a call's end says about the upstream's health; `neither` where it says nothing, as when the caller left. */
export type Health = 'good' | 'bad' | 'neither';

/** One circuit breaker around one destination. Its verdict falls at the head of an answer, so streams may live on. */
export class Circuit {
  readonly #name: string;
  readonly #options: CircuitOptions;
  readonly #clock: Clock;
  readonly #breaker: Opossum<[() => Promise<unknown>], unknown>;
  #inARow = 0;
  #openedAt = 0;

  constructor(name: string, options: CircuitOptions, clock: Clock, signals: Signals) {
    this.#name = name;
    this.#options = options;
    this.#clock = clock;
    this.#breaker = new Opossum((job: () => Promise<unknown>) => job(), {
      timeout: false,
      resetTimeout: options.resetMs,
      volumeThreshold: options.failures,
      errorThresholdPercentage: 50,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      errorFilter: (error: unknown) => !(error instanceof FailedResult),
    });
    this.#breaker.on('open', () => {
      this.#openedAt = clock.now();
      signals.emit('circuit.opened', { destination: name, resetMs: options.resetMs });
    });
    this.#breaker.on('halfOpen', () => signals.emit('circuit.half-open', { destination: name }));
    this.#breaker.on('close', () => signals.emit('circuit.closed', { destination: name }));
  }

  get state(): CircuitState {
    if (this.#breaker.halfOpen) return 'half-open';
    return this.#breaker.opened ? 'open' : 'closed';
  }

  /** False while every call is refused. */
  get admits(): boolean {
    return !this.#breaker.opened;
  }

  /** @throws GatewayError CIRCUIT_OPEN, before anything is fetched for a call that would be refused */
  assertAdmits(): void {
    if (!this.admits) throw this.#refusal();
  }

  /**
   * Runs the job where the circuit lets it, and learns from how it ends.
   * @throws GatewayError CIRCUIT_OPEN with the seconds until the next try
   */
  async run<Value>(job: () => Promise<Value>, judge: (result: Value) => Health): Promise<Value> {
    try {
      return (await this.#breaker.fire(async () => this.#learn(await job(), judge))) as Value;
    } catch (error) {
      if (error instanceof FailedResult) return error.value as Value;
      throw Opossum.isOurError(error as Error) ? this.#refusal() : error;
    }
  }

  /** A failure that showed only after the verdict: a stream that died. */
  failed(): void {
    this.#inARow += 1;
    if (this.#inARow >= this.#options.failures && !this.#breaker.opened) this.#breaker.open();
  }

  close(): void {
    this.#breaker.shutdown();
  }

  #learn<Value>(result: Value, judge: (result: Value) => Health): Value {
    const health = judge(result);
    if (health === 'good') this.#inARow = 0;
    if (health !== 'bad') return result;
    this.failed();
    throw new FailedResult(result);
  }

  #refusal(): GatewayError {
    const wait = this.#openedAt + this.#options.resetMs - this.#clock.now();
    return new GatewayError('CIRCUIT_OPEN', `${this.#name} failed repeatedly and is left alone`, {
      retryAfter: Math.max(1, Math.ceil(wait / 1000)),
    });
  }
}
