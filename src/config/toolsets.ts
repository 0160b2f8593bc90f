import type { ZodType } from 'zod';
import type { Fault } from '../core/errors.js';
import { PARSED_ONCE } from '../core/schema.js';
import { faultsOf, meant } from './issues.js';
import { type Branch, branch, faultAt, find, isBranch, placeAt, plain, textAt } from './tree.js';

/** A toolset as far as checking goes. */
export type LoadToolset = () => Promise<{ readonly default: { readonly options: ZodType; readonly placeless?: true } }>;

/** What is wrong with the part of a destination that its toolset judges; the rest of it is in order. */
export async function checkToolset(tree: Branch, registry: Readonly<Record<string, LoadToolset>>): Promise<Fault[]> {
  const name = textAt(tree, 'toolset') ?? '';
  const load = Object.hasOwn(registry, name) ? registry[name] : undefined;
  if (!load) {
    const known = Object.keys(registry);
    const hint = meant(name, known) ?? `Known: ${known.join(', ')}.`;
    return [faultAt(placeAt(tree, ['toolset']), `toolset "${name}" is unknown`, hint)];
  }
  const { default: kind } = await load();
  return [...checkPlace(tree, name, kind.placeless === true), ...checkOwn(tree, kind.options)];
}

/** Where the vendor is has to be said, and nothing of the kind where there is none. */
function checkPlace(tree: Branch, name: string, placeless: boolean): Fault[] {
  if (!placeless) return find(tree, ['url']) ? [] : [faultAt(placeAt(tree, ['url']), 'is required')];
  return ['url', 'credential']
    .filter((key) => find(tree, [key]))
    .map((key) => faultAt(placeAt(tree, [key]), `toolset "${name}" calls no vendor`, 'Leave it out.'));
}

function checkOwn(tree: Branch, schema: ZodType): Fault[] {
  const found = find(tree, ['options']);
  const own = isBranch(found) ? found : branch(placeAt(tree, ['options']));
  const { error } = schema.safeParse(plain(own), PARSED_ONCE);
  return error ? faultsOf(error.issues, schema, own) : [];
}
