import type { Rules, RulesDeps } from '../contracts/rules.js';
import type { AnyKind } from '../contracts.js';
import type { Fault } from '../core/errors.js';
import { PARSED_ONCE } from '../core/schema.js';
import type { DestinationFields } from '../resilience/destinationSchema.js';
import { faultsOf, meant } from './issues.js';
import { loadKind, PluginError, type Point } from './plugins.js';
import { type Branch, faultAt, find, isBranch, placeAt, plain, textAt, without } from './tree.js';

const HINT =
  'Name a kind of this program, a module such as "./my-rules.mjs", or a package that is installed beside the configuration.';

type Known = Point<Rules, RulesDeps>;

/** What is wrong with the rules that a destination names, by their kind's own schema. */
export async function checkRules(destination: Branch, known: Known): Promise<Fault[]> {
  const tree = find(destination, ['resilience', 'rules']);
  const kind = textAt(tree, 'kind');
  // What is no object, or has no kind, is judged by the schema of the destination.
  if (!isBranch(tree) || kind === undefined || kind === '') return [];
  const loaded = await load(kind, destination.place.baseDir, known);
  if (loaded instanceof PluginError) {
    return [faultAt(placeAt(tree, ['kind']), loaded.message, meant(kind, Object.keys(known)) ?? HINT)];
  }
  const parsed = loaded.options.safeParse(plain(without(tree, new Set(['kind']))), PARSED_ONCE);
  return parsed.success ? [] : faultsOf(parsed.error.issues, loaded.options, tree);
}

async function load(kind: string, baseDir: string, known: Known): Promise<AnyKind<Rules, RulesDeps> | PluginError> {
  try {
    return await loadKind(known, kind, baseDir);
  } catch (error) {
    if (error instanceof PluginError) return error;
    throw error;
  }
}

/** The rules that a destination names; undefined where it names none. */
export async function createRules(
  known: Known,
  fields: DestinationFields | undefined,
  deps: RulesDeps,
): Promise<Rules | undefined> {
  const { kind, ...options } = fields?.resilience.rules ?? {};
  if (kind === undefined) return undefined;
  const loaded = await loadKind(known, kind, deps.baseDir);
  const rules = await loaded.create(loaded.options.parse(options, PARSED_ONCE) as never, deps);
  if (typeof rules?.judge !== 'function')
    throw new PluginError(`what "${kind}" makes for destination "${deps.name}" has no judge function`);
  return rules;
}
