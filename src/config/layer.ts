import type { Fault } from '../core/errors.js';
import { type Branch, branch, isBranch, merge, type Place, type Tree } from './tree.js';

/**
 * One source of settings: a file, the environment or the flags.
 * `launch` holds what only a start can say (`destination`, `url`, `headers`, `transport`, …) and no section of the file has.
 */
export interface Layer {
  readonly config: Branch;
  readonly launch: Branch;
  readonly faults: readonly Fault[];
}

export function emptyLayer(place: Place): Layer {
  return { config: branch(place), launch: branch(place), faults: [] };
}

/** Later layers over earlier ones. */
export function stack(base: Layer, over: Layer): Layer {
  return {
    config: overlay(base.config, over.config),
    launch: overlay(base.launch, over.launch),
    faults: [...base.faults, ...over.faults],
  };
}

function overlay(base: Branch, over: Branch): Branch {
  const merged: Tree = merge(base, over);
  return isBranch(merged) ? merged : base;
}
