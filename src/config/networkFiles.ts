import path from 'node:path';
import { entriesOf } from './entries.js';
import type { Environment } from './environment.js';
import { readSmallFile } from './files.js';
import { type Branch, branch, isBranch, isLeaf, type Leaf, put, type Tree } from './tree.js';

/** What may be written as PEM, or as the name of a file that holds it. */
const PEM_KEYS = ['ca', 'certificate', 'certificateKey'];

/**
 * The configuration with the text of every certificate and key in the place of its file's name: what comes after knows
 * text only, and a file that changes makes another configuration. A file that can't be read leaves its fault there.
 */
export async function withNetworkFiles(config: Branch, reads: (file: string) => void): Promise<Branch> {
  const places = [['network'], ...entriesOf(config, 'destinations').map(([name]) => ['destinations', name, 'network'])];
  let changed = config;
  for (const at of places) {
    const section = at.reduce<Tree | undefined>(
      (tree, key) => (isBranch(tree) ? tree.entries.get(key) : undefined),
      config,
    );
    if (isBranch(section)) changed = put(changed, at, await inlined(section, reads));
  }
  return changed;
}

async function inlined(section: Branch, reads: (file: string) => void): Promise<Branch> {
  const entries = [...section.entries].map(
    async ([key, value]) => [key, PEM_KEYS.includes(key) ? await textOf(value, reads) : value] as const,
  );
  return branch(section.place, await Promise.all(entries));
}

async function textOf(value: Tree, reads: (file: string) => void): Promise<Tree> {
  if (isBranch(value)) return value;
  if (!isLeaf(value)) return { ...value, items: await Promise.all(value.items.map((item) => textOf(item, reads))) };
  return fileIn(value, reads);
}

async function fileIn(leaf: Leaf, reads: (file: string) => void): Promise<Leaf> {
  if (typeof leaf.value !== 'string' || leaf.value === '' || leaf.value.includes('-----BEGIN ')) return leaf;
  const file = path.resolve(leaf.place.baseDir, leaf.value);
  reads(file);
  const read = await readSmallFile(file, leaf.place);
  return 'text' in read ? { ...leaf, value: read.text } : { ...leaf, fault: read.fault };
}

/** What Node itself trusts by `NODE_EXTRA_CA_CERTS`, PEM. As for Node, a file that can't be read is none. */
export async function extraCaOf(
  { NODE_EXTRA_CA_CERTS: file }: Environment,
  cwd: string,
): Promise<{ extraCa?: string }> {
  if (!file) return {};
  const read = await readSmallFile(path.resolve(cwd, file), {
    file: 'environment',
    path: 'NODE_EXTRA_CA_CERTS',
    baseDir: cwd,
  });
  return 'text' in read && read.text.includes('-----BEGIN CERTIFICATE-----') ? { extraCa: read.text } : {};
}
