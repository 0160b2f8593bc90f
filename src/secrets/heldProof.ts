import type { Clock } from '../contracts.js';
import { SingleFlight } from '../core/async.js';

/** What shows a manager who asks, and for how long; milliseconds, infinite for what never ends. */
export interface Proof<Value> {
  readonly value: Value;
  readonly lifeMs: number;
}

/** Renewed this long before its end, and at half its life at the earliest. Milliseconds. */
const AHEAD_MS = 300_000;

/** A proof that is fetched when it is first needed, and again before it ends; one fetch at a time. */
export class HeldProof<Value> {
  readonly #clock: Clock;
  readonly #fetch: (signal: AbortSignal) => Promise<Proof<Value>>;
  readonly #flight = new SingleFlight<Value>();
  #held: { readonly value: Value; readonly renewAt: number; readonly endsAt: number } | undefined;

  constructor(clock: Clock, fetch: (signal: AbortSignal) => Promise<Proof<Value>>) {
    this.#clock = clock;
    this.#fetch = fetch;
  }

  /** Rejects as the fetch does, unless what is held still serves. */
  async get(signal: AbortSignal): Promise<Value> {
    const held = this.#held;
    if (held && this.#clock.monotonic() < held.renewAt) return held.value;
    try {
      return await this.#flight.run('', () => this.#renew(signal));
    } catch (error) {
      if (held && this.#clock.monotonic() < held.endsAt) return held.value;
      throw error;
    }
  }

  /** Forgets that very proof, which was refused. */
  drop(value: Value): void {
    if (this.#held?.value === value) this.#held = undefined;
  }

  async #renew(signal: AbortSignal): Promise<Value> {
    const { value, lifeMs } = await this.#fetch(signal);
    const now = this.#clock.monotonic();
    const renewAt = now + Math.max(lifeMs / 2, lifeMs - AHEAD_MS);
    this.#held = { value, renewAt, endsAt: now + lifeMs };
    return value;
  }
}

/** Asks by a proof, and once more by a fresh one where the first is no longer taken. */
export async function askProven<Value, Result extends { readonly status: number }>(
  proofs: HeldProof<Value>,
  signal: AbortSignal,
  call: (value: Value) => Promise<Result>,
  isRefused: (result: Result) => boolean = ({ status }) => status === 401,
): Promise<Result> {
  const value = await proofs.get(signal);
  const first = await call(value);
  if (!isRefused(first)) return first;
  proofs.drop(value);
  return call(await proofs.get(signal));
}
