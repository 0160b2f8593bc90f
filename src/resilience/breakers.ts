import type { Clock, Exchange, Signals } from '../contracts.js';
import { scopeKey } from '../core/scopeKey.js';
import { Circuit, type CircuitListener, type CircuitName, type CircuitOptions, type Health } from './circuitBreaker.js';

/** What stands between calls and an upstream: a circuit, or one that is part of another. */
export type Breaker = Pick<Circuit, 'admits' | 'assertAdmits' | 'closed' | 'try'> & {
  /** `neverSent`: nothing reached the upstream. */
  count(health: Health, neverSent?: boolean): void;
  /** A call that was counted as good by the head of its answer has failed behind it. */
  countLate(): void;
};

export type BreakerOptions = CircuitOptions & { readonly per: readonly ('tool' | 'tenant')[] };

/** Tools are what callers name: past so many, those without a fault are forgotten, and the others share the destination's. */
const MOST_PARTS = 200;

/**
 * The circuits of a destination: one for all of it, and where it is asked for one per tool or tenant, which is made by its
 * first failure. What could not even be sent is told of the whole: no tool is to blame for that.
 */
export class Breakers {
  readonly whole: Circuit;
  readonly #options: BreakerOptions;
  readonly #deps: { readonly clock: Clock; readonly signals: Signals; readonly listener?: CircuitListener };
  readonly #parts = new Map<string, Circuit>();

  constructor(
    destination: string,
    options: BreakerOptions,
    deps: { readonly clock: Clock; readonly signals: Signals; readonly listener?: CircuitListener },
  ) {
    this.#options = options;
    this.#deps = deps;
    this.whole = new Circuit(destination, options, deps.clock, deps.signals, deps.listener);
  }

  /** All that there are, that of the whole first. */
  get all(): readonly Circuit[] {
    return [this.whole, ...this.#parts.values()];
  }

  /** Which one a call has to pass. */
  of(exchange: Pick<Exchange, 'call' | 'principal'>): Breaker {
    if (this.#options.per.length === 0) return this.whole;
    const name = this.#nameOf(exchange);
    return name ? new Part(this, name) : this.whole;
  }

  /** By its name; one that nobody has heard of yet is made where `make` says so. Undefined where there is no room. */
  find(name: CircuitName, make = false): Circuit | undefined {
    if (name.tool === undefined && name.tenant === undefined) return this.whole;
    const key = keyOf(name);
    const known = this.#parts.get(key);
    if (known || !make || this.#options.per.length === 0) return known;
    if (this.#parts.size >= MOST_PARTS && !this.#makeRoom()) return undefined;
    const { clock, signals, listener } = this.#deps;
    const made = new Circuit(name, this.#options, clock, signals, listener);
    this.#parts.set(key, made);
    return made;
  }

  close(): void {
    for (const circuit of this.all) circuit.close();
  }

  #nameOf({ call, principal }: Pick<Exchange, 'call' | 'principal'>): CircuitName | undefined {
    const { per } = this.#options;
    const tool = per.includes('tool') && call?.method === 'tools/call' ? call.name : undefined;
    const tenant = per.includes('tenant') ? principal?.tenant : undefined;
    if (tool === undefined && tenant === undefined) return undefined;
    const { destination } = this.whole.name;
    return { destination, ...(tool === undefined ? {} : { tool }), ...(tenant === undefined ? {} : { tenant }) };
  }

  #makeRoom(): boolean {
    for (const [key, circuit] of this.#parts) {
      if (!circuit.forgettable) continue;
      circuit.close();
      this.#parts.delete(key);
      return true;
    }
    return false;
  }
}

/** A tool's or tenant's circuit inside that of the whole; it needn't exist until something fails. */
class Part implements Breaker {
  readonly #breakers: Breakers;
  readonly #name: CircuitName;

  constructor(breakers: Breakers, name: CircuitName) {
    this.#breakers = breakers;
    this.#name = name;
  }

  get #own(): Circuit | undefined {
    return this.#breakers.find(this.#name);
  }

  get admits(): boolean {
    return this.#breakers.whole.admits && this.#own?.admits !== false;
  }

  get closed(): boolean {
    return this.#breakers.whole.closed && this.#own?.closed !== false;
  }

  assertAdmits(): void {
    this.#breakers.whole.assertAdmits();
    this.#own?.assertAdmits();
  }

  count(health: Health, neverSent = false): void {
    const { whole } = this.#breakers;
    if (health === 'bad' && !neverSent) (this.#breakers.find(this.#name, true) ?? whole).count('bad');
    else whole.count(health);
    if (health === 'good') this.#own?.count('good');
  }

  countLate(): void {
    (this.#breakers.find(this.#name, true) ?? this.#breakers.whole).countLate();
  }

  try<Value>(job: () => Promise<Value>, judge: (result: Value) => Health): Promise<Value> {
    const { whole } = this.#breakers;
    return whole.closed ? (this.#own ?? whole).try(job, judge) : whole.try(job, judge);
  }
}

function keyOf({ tool, tenant }: CircuitName): string {
  return scopeKey(null, tool === undefined ? 'any' : `tool ${tool}`, tenant === undefined ? 'any' : `tenant ${tenant}`);
}
