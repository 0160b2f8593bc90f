import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, Signals } from '../contracts.js';

const TICK_MS = 100;
/**
 * Parts of what there is: where refusing begins, where it is at its most, and where all is well again. V8 collects half-way
 * between what lives and its limit, so what was left behind alone brings nobody there; and it gives up well before its limit,
 * which all callers that leave at once may bring near, since each one's end takes memory too.
 */
const SHORT = 0.8;
const DIRE = 0.86;
const ENOUGH = 0.75;
/** While every call is refused nothing may come that has V8 collect, and the shortage would never end. In ticks. */
const COLLECT_EVERY = 50;

const MIB = 1024 ** 2;
/**
 * V8's limit is of the old generation and of the young one together, and it is the old one that ends the process. How much
 * of it is for the young one, nobody says: three semi-spaces of their usual size, which became larger with V8 13.
 */
const YOUNG_BYTES = (Number.parseInt(process.versions.v8, 10) >= 13 ? 192 : 48) * MIB;

/** What is in use of what there is, in bytes. */
export interface MemoryUse {
  readonly used: number;
  readonly limit: number;
}

/**
 * Refuses a part of new calls while memory runs short, and all of them where it is nearly gone: past its limit,
 * V8 ends the process, and the kernel ends a container. What is used only counts when the tick before saw it too, since a collection may be due.
 */
export class MemoryPressure {
  readonly #clock: Pick<Clock, 'random'>;
  readonly #signals: Signals;
  readonly #collect: () => void;
  #dire = 0;
  #before = 0;
  #share = 0;
  #short = false;

  constructor(
    deps: { readonly clock: Pick<Clock, 'random'>; readonly signals: Signals },
    collect: () => void = collectGarbage,
  ) {
    this.#clock = deps.clock;
    this.#signals = deps.signals;
    this.#collect = collect;
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
    this.#share = Math.min(1, Math.max(0, (level - SHORT) / (DIRE - SHORT)));
    this.#dire = level < DIRE ? 0 : this.#dire + 1;
    if (this.#dire > 0 && this.#dire % COLLECT_EVERY === 0) this.#collect();
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
  const ofHeap = { used: oldGeneration(), limit: Math.max(heapLimit / 2, heapLimit - YOUNG_BYTES) };
  const constrained = process.constrainedMemory();
  if (!constrained) return ofHeap;
  const ofContainer = { used: heap + buffers, limit: constrained };
  return ofContainer.used / ofContainer.limit > ofHeap.used / ofHeap.limit ? ofContainer : ofHeap;
}

function oldGeneration(): number {
  const spaces = getHeapSpaceStatistics().filter(({ space_name: name }) => !name.startsWith('new_'));
  return spaces.reduce((sum, { space_used_size: used }) => sum + used, 0);
}

/** V8 gives its `gc` to contexts that are made once the flag is set. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** Looks at it until the answer is called. Keeps no process alive. */
export function watchMemory(observe: (use: MemoryUse) => void): () => void {
  const timer = setInterval(() => observe(memoryUse()), TICK_MS).unref();
  return () => clearInterval(timer);
}
