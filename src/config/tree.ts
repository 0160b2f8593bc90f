import type { Fault } from '../core/errors.js';

/** Where a value was written: every fault leads back here, whatever was merged or renamed on the way. */
export interface Place {
  /** File name as given, or `flags`, `environment`. */
  readonly file: string;
  /** Dotted path inside the file, or the name of a flag or variable. */
  readonly path: string;
  /** Counts from 1. */
  readonly line?: number;
  /** Folder that relative file names start from. */
  readonly baseDir: string;
}

export type Scalar = string | number | boolean | null;

/** One value. A `fault` is told only if the value survives every overlay. */
export interface Leaf {
  readonly place: Place;
  readonly value: Scalar;
  readonly fault?: Fault;
}

export interface List {
  readonly place: Place;
  readonly items: readonly Tree[];
}

export interface Branch {
  readonly place: Place;
  readonly entries: ReadonlyMap<string, Tree>;
}

/** A configuration whose every value knows where it was written. Keys live in maps, so no key can reach a prototype. */
export type Tree = Leaf | List | Branch;

export function isLeaf(tree: Tree | undefined): tree is Leaf {
  return tree !== undefined && 'value' in tree;
}

export function isBranch(tree: Tree | undefined): tree is Branch {
  return tree !== undefined && 'entries' in tree;
}

/** The place of `key` inside a value that stands at `place`. */
export function placeOfChild(place: Place, key: string | number): Place {
  return { ...place, path: place.path === '' ? String(key) : `${place.path}.${key}` };
}

export function branch(place: Place, entries: Iterable<readonly [string, Tree]> = []): Branch {
  return { place, entries: new Map(entries) };
}

/** The value at `path`, if something is written there. */
export function find(tree: Tree | undefined, path: readonly PropertyKey[]): Tree | undefined {
  return path.reduce<Tree | undefined>((current, key) => {
    if (isBranch(current)) return current.entries.get(String(key));
    return current && 'items' in current ? current.items[Number(key)] : undefined;
  }, tree);
}

/** The text at `path`; numbers and the like don't count. */
export function textAt(tree: Tree | undefined, ...path: string[]): string | undefined {
  const found = find(tree, path);
  return isLeaf(found) && typeof found.value === 'string' ? found.value : undefined;
}

/** Where `path` is written, or would be: the rest is appended to the deepest part that exists. */
export function placeAt(tree: Tree, path: readonly PropertyKey[]): Place {
  for (let depth = path.length; depth > 0; depth--) {
    const found = find(tree, path.slice(0, depth));
    if (found) return path.slice(depth).reduce<Place>((place, key) => placeOfChild(place, String(key)), found.place);
  }
  return path.reduce<Place>((place, key) => placeOfChild(place, String(key)), tree.place);
}

/** A copy with `value` at `path`; what stands in the way is replaced by branches. */
export function put(tree: Branch, path: readonly string[], value: Tree): Branch {
  const [key, ...rest] = path;
  if (key === undefined) return tree;
  const below = tree.entries.get(key);
  const next =
    rest.length === 0 ? value : put(isBranch(below) ? below : branch(placeOfChild(tree.place, key)), rest, value);
  return branch(tree.place, [...tree.entries, [key, next]]);
}

/** A copy without `keys`. */
export function without(tree: Branch, keys: ReadonlySet<string>): Branch {
  return branch(
    tree.place,
    [...tree.entries].filter(([key]) => !keys.has(key)),
  );
}

/** `patch` over `base` as a JSON merge patch (RFC 7396): objects merge, everything else replaces. Nulls stay for `prune`. */
export function merge(base: Tree | undefined, patch: Tree): Tree {
  if (!isBranch(patch) || !isBranch(base)) return patch;
  const merged = [...patch.entries].map(([key, value]) => [key, merge(base.entries.get(key), value)] as const);
  return branch(base.place, [...base.entries, ...merged]);
}

/** What is left once every null has removed its key, as RFC 7396 has it; those in lists are values. */
export function prune(tree: Branch): Branch {
  const kept = [...tree.entries].filter(([, value]) => !isLeaf(value) || value.value !== null);
  return branch(
    tree.place,
    kept.map(([key, value]) => [key, isBranch(value) ? prune(value) : value] as const),
  );
}

/** The bare value. Objects have no prototype, so that `constructor` is a key like any other. */
export function plain(tree: Tree): unknown {
  if (isLeaf(tree)) return tree.value;
  if (!isBranch(tree)) return tree.items.map(plain);
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, value] of tree.entries) object[key] = plain(value);
  return object;
}

/** The faults of values that survived. */
export function leafFaults(tree: Tree): Fault[] {
  if (isLeaf(tree)) return tree.fault ? [tree.fault] : [];
  return (isBranch(tree) ? [...tree.entries.values()] : tree.items).flatMap(leafFaults);
}

/** A fault at a place. */
export function faultAt(place: Place, message: string, hint?: string): Fault {
  return { ...position(place), message, ...(hint !== undefined && { hint }), severity: 'fault' };
}

/** Something to tell at a place that stops nothing. */
export function warningAt(place: Place, message: string, hint?: string): Fault {
  return { ...faultAt(place, message, hint), severity: 'warning' };
}

function position({ file, path, line }: Place): Pick<Fault, 'file' | 'path' | 'line'> {
  return { file, path, ...(line !== undefined && { line }) };
}
