import { type Layer, stack } from './layer.js';
import { branch, isLeaf, type Leaf, put, type Tree } from './tree.js';

/** Where a name of another place (flag, variable, old key) leads. */
export interface Rename {
  /** Path in the configuration, or in `launch`. */
  readonly to: readonly string[];
  readonly launch?: true;
  /** Absent: the value is taken as it stands. Undefined: it says nothing. */
  readonly change?: (leaf: Leaf) => Tree | undefined;
}

/** The layer with `value` written where `rename` leads; over what was there. */
export function rewrite(layer: Layer, rename: Rename, value: Tree): Layer {
  const changed = isLeaf(value) && value.value !== null && rename.change ? rename.change(value) : value;
  if (changed === undefined) return layer;
  const nothing = branch(layer.config.place);
  const written = put(nothing, rename.to, changed);
  const over = rename.launch ? { config: nothing, launch: written } : { config: written, launch: nothing };
  return stack(layer, { ...over, faults: [] });
}

/** Retries as attempts, which count the first one too. What is no number stays for the schema to refuse. */
export function countFirst(leaf: Leaf): Leaf {
  const digits = /^\d+$/.test(String(leaf.value));
  return digits ? { ...leaf, value: Number(leaf.value) + 1 } : leaf;
}

const A_DAY_MS = 86_400_000;

/** Seconds as milliseconds; 0 is for ever, which is a day. What is no number stays for the schema to refuse. */
export function seconds(leaf: Leaf): Leaf {
  const digits = /^\d{1,5}$/.test(String(leaf.value));
  return digits ? { ...leaf, value: Number(leaf.value) * 1000 || A_DAY_MS } : leaf;
}

/** Names separated by commas. */
export function commaList(leaf: Leaf): Tree {
  const items = String(leaf.value)
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  return { place: leaf.place, items: items.map((value) => ({ place: leaf.place, value })) };
}

const LEVELS: Readonly<Record<string, string>> = {
  warning: 'warn',
  verbose: 'debug',
  trace: 'debug',
  silly: 'debug',
  fatal: 'error',
};

/** Other tools' names of our log levels. */
export function ourLevel(leaf: Leaf): Leaf {
  const level = String(leaf.value).toLowerCase();
  return { ...leaf, value: Object.hasOwn(LEVELS, level) ? (LEVELS[level] as string) : level };
}

/** A switch that stands for a log level. */
export function levelIfOn(level: string): (leaf: Leaf) => Leaf | undefined {
  return (leaf) => (isOn(leaf) ? { ...leaf, value: level } : undefined);
}

/** True for what a switch of the environment says when it is on; `DEBUG=express:*` is another tool's. */
export function isOn(tree: Tree | undefined): boolean {
  return isLeaf(tree) && ['true', '1'].includes(String(tree.value).toLowerCase());
}
