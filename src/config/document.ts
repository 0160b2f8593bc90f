import path from 'node:path';
import type { Fault } from '../core/errors.js';
import type { Parsed } from './allowance.js';
import { type Branch, branch, faultAt, isBranch, isLeaf, type Place } from './tree.js';

/** Reads a configuration's text: YAML by its extension, else JSON with comments and trailing commas. */
export async function readDocument(text: string, root: Place): Promise<{ tree: Branch; faults: readonly Fault[] }> {
  const { tree, faults } = await read(text, root);
  if (isBranch(tree)) return { tree, faults };
  const empty = tree === undefined || (isLeaf(tree) && tree.value === null);
  const fault = faultAt(root, empty ? 'is empty' : 'must hold an object', 'Start with { "destinations": {} }.');
  return { tree: branch(root), faults: faults.length > 0 ? faults : [fault] };
}

async function read(text: string, root: Place): Promise<Parsed> {
  // Whoever uses one of them, or has no file at all, never loads the other.
  if (/^\.ya?ml$/i.test(path.extname(root.file))) {
    const { readYaml } = await import('./yamlDocument.js');
    return readYaml(text, root);
  }
  const { readJson } = await import('./jsonDocument.js');
  return readJson(text, root);
}
