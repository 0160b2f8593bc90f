import { getHeapStatistics } from 'node:v8';
import type { Clock, Signals } from '../contracts.js';

const TICK_MS = 250;
/** Parts of what there is: where refusing begins, where it is at its most, and where all is well again. */
const SHORT = 0.85;
const DIRE = 0.95;
const ENOUGH = 0.8;
/** Some calls always pass: without any work nothing would ever be collected, and the shortage never end. */
const MOST = 0.95;

/** What is in use of what there is, in bytes. */
export interface MemoryUse {
  readonly used: number;
  readonly limit: number;
}

/**
 * Refuses a part of new calls while memory runs short, all but a few as it ends: past its limit, V8 ends the process, and
 * the kernel ends a container. What is used only counts when the tick before saw it too, since a collection may be due.
 */
export class MemoryPressure {
  readonly #clock: Pick<Clock, 'random'>;
  readonly #signals: Signals;
  #before = 0;
  #share = 0;
  #short = false;

  constructor(deps: { readonly clock: Pick<Clock, 'random'>; readonly signals: Signals }) {
    this.#clock = deps.clock;
    this.#signals = deps.signals;
  }

  /** Chance decides about each call; without a share it isn't asked. */
  refuses(): boolean {
    return this.#share > 0 && this.#clock.random() < this.#share;
  }

  /** Told with every tick. */
  observe({ used, limit }: MemoryUse): void {
    const now = used / limit;
    const level = Math.min(now, this.#before);
    this.#before = now;
    this.#share = MOST * Math.min(1, Math.max(0, (level - SHORT) / (DIRE - SHORT)));
    const short = this.#short ? level > ENOUGH : this.#share > 0;
    if (short !== this.#short) {
      const bytes = { usedBytes: used, limitBytes: limit };
      this.#signals.emit(short ? 'memory.short' : 'memory.enough', bytes);
    }
    this.#short = short;
  }
}

/** Whichever is nearer to its end: V8's heap, or, with buffers, the memory that the container may use. */
export function memoryUse(): MemoryUse {
  const { used_heap_size: heap, heap_size_limit: heapLimit, external_memory: buffers } = getHeapStatistics();
  const ofHeap = { used: heap, limit: heapLimit };
  const constrained = process.constrainedMemory();
  if (!constrained) return ofHeap;
  const ofContainer = { used: heap + buffers, limit: constrained };
  return ofContainer.used / ofContainer.limit > ofHeap.used / ofHeap.limit ? ofContainer : ofHeap;
}

/** Looks at it until the answer is called. Keeps no process alive. */
export function watchMemory(observe: (use: MemoryUse) => void): () => void {
  const timer = setInterval(() => observe(memoryUse()), TICK_MS).unref();
  return () => clearInterval(timer);
}
