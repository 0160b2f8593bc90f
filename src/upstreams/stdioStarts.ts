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

/** Leaves a command alone for a while whose children keep ending: twice as long each time, until one lives. */
export class Starts {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #restart: Restart;
  #failures = 0;
  /** Of the monotonic clock. */
  #notBefore = 0;

  constructor(name: string, clock: Clock, restart: Restart) {
    this.#name = name;
    this.#clock = clock;
    this.#restart = restart;
  }

  /** @throws GatewayError UPSTREAM_UNREACHABLE while the command is left alone */
  assertMayStart(): void {
    const wait = this.#notBefore - this.#clock.monotonic();
    if (wait <= 0) return;
    throw new GatewayError('UPSTREAM_UNREACHABLE', `${this.#name} keeps ending: it is left alone for a while`, {
      retryAfter: Math.ceil(wait / 1000),
      neverSent: true,
      hint: 'Check command, args and env of the destination; child.stderr in the log has what it wrote.',
    });
  }

  /** Milliseconds until the next start; 0 where nothing stands against it. */
  ended(startedAt: number): number {
    const now = this.#clock.monotonic();
    if (now - startedAt >= SOON_MS) {
      this.#failures = 0;
      return 0;
    }
    this.#failures += 1;
    if (this.#failures <= FREE_FAILURES) return 0;
    const wait = Math.min(this.#restart.maxMs, this.#restart.baseMs * 2 ** (this.#failures - FREE_FAILURES - 1));
    this.#notBefore = now + wait;
    return wait;
  }
}
