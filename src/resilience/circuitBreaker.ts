import Opossum from 'opossum';
import type { Health } from '../contracts/pools.js';
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

export type { Health };

/** What a circuit is of: all of a destination, or what is called of it by one tool or one tenant. */
export interface CircuitName {
  readonly destination: string;
  readonly tool?: string;
  readonly tenant?: string;
}

/** Is told of what the calls of this process found out, so that others need not. */
export interface CircuitListener {
  opened(name: CircuitName, forMs: number): void;
  closed(name: CircuitName): void;
}

const WINDOW_MS = 10_000;

/**
 * One circuit breaker around one destination. Its verdict falls at the head of an answer, so streams may live on.
 * While it is closed a call costs two counters; opossum keeps the states, the timer and the one trial of a half-open circuit.
 */
export class Circuit {
  readonly name: CircuitName;
  readonly #options: CircuitOptions;
  readonly #clock: Clock;
  readonly #signals: Signals;
  readonly #breaker: Opossum<[() => Promise<Health>], Health>;
  readonly #window: Window;
  #inARow = 0;
  /** What the last good call made an end of. */
  #forgiven = 0;
  #calls = 0;
  #failures = 0;
  #openedAt = 0;
  /** An operator wants it open: until when, epoch milliseconds. */
  #heldUntil: number | undefined;
  #holding: NodeJS.Timeout | undefined;
  /** Another process has opened its own: the next call tries, and the others wait for what it finds. */
  #suspected: 'idle' | 'trying' | undefined;

  constructor(
    name: string | CircuitName,
    options: CircuitOptions,
    clock: Clock,
    signals: Signals,
    listener?: CircuitListener,
  ) {
    this.name = typeof name === 'string' ? { destination: name } : name;
    this.#options = options;
    this.#clock = clock;
    this.#signals = signals;
    this.#window = new Window(clock, WINDOW_MS);
    this.#breaker = new Opossum((trial: () => Promise<Health>) => trial(), {
      timeout: false,
      resetTimeout: options.resetMs,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
    });
    this.#breaker.on('open', () => {
      this.#openedAt = clock.now();
      signals.emit('circuit.opened', { ...this.name, resetMs: options.resetMs });
      listener?.opened(this.name, options.resetMs);
    });
    this.#breaker.on('halfOpen', () => signals.emit('circuit.half-open', this.#about));
    this.#breaker.on('close', () => {
      this.#wellAgain();
      listener?.closed(this.name);
    });
  }

  get #about() {
    return { ...this.name };
  }

  get state(): CircuitState {
    if (this.#heldUntil !== undefined || this.#breaker.opened) return 'open';
    return this.#breaker.halfOpen || this.#suspected ? 'half-open' : 'closed';
  }

  /** False while every call is refused. */
  get admits(): boolean {
    return !this.#breaker.opened && this.#heldUntil === undefined && this.#suspected !== 'trying';
  }

  /** @throws GatewayError CIRCUIT_OPEN with the seconds until the next try, before anything is fetched for a call that would be refused */
  assertAdmits(): void {
    if (!this.admits) throw this.#refusal();
  }

  /** True while calls need only be counted; else each is a try. */
  get closed(): boolean {
    return this.#breaker.closed && this.#suspected === undefined;
  }

  /** True where there is nothing to remember of it. */
  get forgettable(): boolean {
    return this.closed && this.#heldUntil === undefined;
  }

  /** How a call of a closed circuit went, or what showed only after its verdict: a stream that died. */
  count(health: Health): void {
    if (health === 'neither') return;
    if (this.#window.turned()) this.#startOver();
    this.#calls += 1;
    if (health === 'good') {
      this.#forgiven = this.#inARow;
      this.#inARow = 0;
      return;
    }
    this.#inARow += 1;
    this.#failures += 1;
    const { failures } = this.#options;
    const mostly = this.#failures >= failures && this.#failures > this.#calls / 2;
    if ((this.#inARow >= failures || mostly) && this.#breaker.closed) this.#breaker.open();
  }

  /** A call that was good by the head of its answer has failed: it counts as if it had from the beginning. */
  countLate(): void {
    this.#calls = Math.max(0, this.#calls - 1);
    this.#inARow += this.#forgiven;
    this.#forgiven = 0;
    this.count('bad');
  }

  /**
   * The trial of a half-open circuit: opossum lets one through at a time. What says nothing doesn't close it.
   * Settles as the job does.
   * @throws GatewayError CIRCUIT_OPEN
   */
  async try<Value>(job: () => Promise<Value>, judge: (result: Value) => Health): Promise<Value> {
    if (this.#suspected) return this.#clear(job, judge);
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
    const told = !this.#breaker.closed;
    this.#letGo();
    // It tells only of what it has closed itself.
    if (this.#suspected !== undefined && !told) this.#wellAgain();
    this.#forget();
    this.#breaker.close();
  }

  /** Refuses every call for so long, or until it is reset. Milliseconds. */
  hold(forMs: number | undefined): void {
    this.#letGo(true);
    this.#heldUntil = forMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.now() + forMs;
    if (forMs !== undefined) this.#holding = setTimeout(() => this.#letGo(), forMs).unref();
    this.#signals.emit('circuit.held', { ...this.#about, ...(forMs === undefined ? {} : { forMs }) });
  }

  /** Another process has found the upstream ill: that is a hint and no verdict, so that one call at a time finds out. */
  suspect(): void {
    if (!this.#breaker.closed || this.#suspected) return;
    this.#suspected = 'idle';
    this.#signals.emit('circuit.suspected', this.#about);
  }

  /** The other process takes it back. */
  trust(): void {
    if (this.#suspected === 'idle') this.#wellAgain();
  }

  close(): void {
    clearTimeout(this.#holding);
    this.#breaker.shutdown();
  }

  /** The trial of a circuit that is suspected. What says nothing leaves it so. */
  async #clear<Value>(job: () => Promise<Value>, judge: (result: Value) => Health): Promise<Value> {
    if (this.#suspected === 'trying') throw this.#refusal();
    this.#suspected = 'trying';
    let health: Health = 'neither';
    try {
      const value = await job();
      health = judge(value);
      return value;
    } finally {
      if (this.#suspected) this.#suspected = 'idle';
      if (health === 'good') this.trust();
      if (health === 'bad') {
        this.#suspected = undefined;
        this.#breaker.open();
      }
    }
  }

  #wellAgain(): void {
    this.#suspected = undefined;
    this.#forget();
    this.#signals.emit('circuit.closed', this.#about);
  }

  #letGo(quietly = false): void {
    clearTimeout(this.#holding);
    if (this.#heldUntil === undefined) return;
    this.#heldUntil = undefined;
    if (!quietly) this.#signals.emit('circuit.released', this.#about);
  }

  #forget(): void {
    this.#inARow = 0;
    this.#forgiven = 0;
    this.#startOver();
  }

  #startOver(): void {
    this.#calls = 0;
    this.#failures = 0;
  }

  #refusal(): GatewayError {
    const { destination, tool } = this.name;
    const what = tool === undefined ? destination : `${tool} of ${destination}`;
    const held = this.#heldUntil;
    const until = held ?? this.#openedAt + this.#options.resetMs;
    const wait = Number.isFinite(until) ? until - this.#clock.now() : this.#options.resetMs;
    const why = held === undefined ? 'failed repeatedly and is left alone' : 'was shut off by an operator';
    return new GatewayError('CIRCUIT_OPEN', `${what} ${why}`, { retryAfter: Math.max(1, Math.ceil(wait / 1000)) });
  }
}
