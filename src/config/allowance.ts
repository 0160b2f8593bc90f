import type { Fault } from '../core/errors.js';
import { faultAt, type Place, type Tree } from './tree.js';

/** Levels of nesting; deeper ones can only be an attack on the reader's stack. */
export const MAX_DEPTH = 64;

/** Values in one file, aliases counted as often as they are used: a YAML bomb ends here. */
export const MAX_VALUES = 50_000;

/** What a text holds. With faults, the tree is what could be made of it. */
export interface Parsed {
  readonly tree: Tree | undefined;
  readonly faults: readonly Fault[];
}

/** Counts what a reader builds, and says when it is too much. */
export class Allowance {
  #left = MAX_VALUES;
  #fault: Fault | undefined;

  /** False: the value at `place` must not be built. */
  allows(place: Place, depth: number): boolean {
    this.#left -= 1;
    if (this.#left >= 0 && depth <= MAX_DEPTH) return true;
    this.#fault ??= faultAt(
      { ...place, path: '' },
      depth > MAX_DEPTH ? `is nested deeper than ${MAX_DEPTH} levels` : `holds more than ${MAX_VALUES} values`,
    );
    return false;
  }

  get faults(): readonly Fault[] {
    return this.#fault ? [this.#fault] : [];
  }
}

/** What is wrong with a key, if anything: `__proto__` is refused by name, since it is never an honest one. */
export function keyFault(place: Place, key: string, taken: ReadonlyMap<string, unknown>): Fault | undefined {
  if (key === '__proto__') return faultAt(place, '__proto__ is not allowed as a key');
  return taken.has(key) ? faultAt(place, 'is written twice', 'Keep one of them.') : undefined;
}
