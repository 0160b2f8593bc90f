import type { Duplex } from 'node:stream';
import type { Signals } from '../contracts.js';

/** So many connections past the limit are told that they are; and a probe among them is answered. */
const LEAST_TOLD = 8;
const MOST_TOLD = 256;

/**
 * How many connections are served at a time. A few past those are accepted to be told so, and the rest is dropped
 * without a word: without descriptors there is nobody who could say one.
 */
export class ConnectionLimit {
  readonly #most: () => number;
  readonly #signals: Signals;
  readonly #surplus = new Set<Duplex>();
  #full = false;

  /** `most` is asked at every connection, so that a reload takes effect. */
  constructor(most: () => number, signals: Signals) {
    this.#most = most;
    this.#signals = signals;
  }

  /** False for a connection that is to be dropped; `open` counts the ones before it. */
  admits(socket: Duplex, open: number): boolean {
    const most = this.#most();
    if (open < most) return true;
    if (!this.#full) this.#signals.emit('server.full', { maxConnections: most });
    this.#full = true;
    const told = Math.min(MOST_TOLD, Math.max(LEAST_TOLD, Math.ceil(most / 8)));
    if (open >= most + told) return false;
    this.#surplus.add(socket);
    return true;
  }

  /** `open` counts what is left. */
  closed(socket: Duplex, open: number): void {
    if (!this.#full) return;
    this.#surplus.delete(socket);
    const most = this.#most();
    // Whoever was one too many isn't any longer.
    if (open <= most) this.#surplus.clear();
    if (open > most * 0.9) return;
    this.#full = false;
    this.#signals.emit('server.room', { maxConnections: most });
  }

  /** True for a connection that is open only to be told that it is one too many. */
  isSurplus(socket: Duplex): boolean {
    return this.#surplus.size > 0 && this.#surplus.has(socket);
  }
}
