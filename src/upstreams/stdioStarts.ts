import type { Clock } from '../contracts.js';
import { GatewayError } from '../core/errors.js';

/** Milliseconds. */
export interface Restart {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** A child that ends by itself so soon has failed to start. Milliseconds. */
const SOON_MS = 10_000;
/** So many failures in a row are nobody's concern: one caller's call may have ended its own child. */
const FREE_FAILURES = 2;

/** Callers whose children keep ending, of which the oldest are forgotten first. */
const MOST_OWNERS = 1_000;

interface Owner {
  failures: number;
  /** Of the monotonic clock. */
  notBefore: number;
}

/**
 * Leaves a command alone for a while whose children keep ending: twice as long each time, until one lives. Each owner
 * has a count of its own, for what one caller's calls do to its children must not lock out the others.
 */
export class Starts {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #restart: Restart;
  readonly #shared: boolean;
  readonly #failing = new Map<string, Owner>();

  constructor(name: string, clock: Clock, restart: Restart, shared: boolean) {
    this.#name = name;
    this.#clock = clock;
    this.#restart = restart;
    this.#shared = shared;
  }

  /** @throws GatewayError UPSTREAM_UNREACHABLE while the command is left alone */
  assertMayStart(owner: string): void {
    const wait = (this.#failing.get(owner)?.notBefore ?? 0) - this.#clock.monotonic();
    if (wait <= 0) return;
    throw new GatewayError('UPSTREAM_UNREACHABLE', `${this.#name} keeps ending: it is left alone for a while`, {
      retryAfter: Math.ceil(wait / 1000),
      neverSent: true,
      ofCaller: !this.#shared,
      hint: 'Check command, args and env of the destination; child.stderr in the log has what it wrote.',
    });
  }

  /** Milliseconds until the owner's next start; 0 where nothing stands against it. */
  ended(owner: string, startedAt: number): number {
    const now = this.#clock.monotonic();
    const { failures } = this.#failing.get(owner) ?? { failures: 0 };
    this.#failing.delete(owner);
    if (now - startedAt >= SOON_MS) return 0;
    const again = failures + 1 - FREE_FAILURES;
    const wait = again <= 0 ? 0 : Math.min(this.#restart.maxMs, this.#restart.baseMs * 2 ** (again - 1));
    this.#remember(owner, { failures: failures + 1, notBefore: now + wait });
    return wait;
  }

  /** One caller's calls may have ended its own child; what ended before it said a word is the command's fault, until that was told. */
  isOfCaller(owner: string, spoke: boolean): boolean {
    return !this.#shared && (spoke || (this.#failing.get(owner)?.failures ?? 0) > FREE_FAILURES);
  }

  #remember(owner: string, entry: Owner): void {
    this.#failing.set(owner, entry);
    if (this.#failing.size <= MOST_OWNERS) return;
    const [oldest] = this.#failing.keys();
    if (oldest !== undefined) this.#failing.delete(oldest);
  }
}
