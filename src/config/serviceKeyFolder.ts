import fs from 'node:fs';
import path from 'node:path';
import { errorCode, type Fault } from '../core/errors.js';
import { checkEntry, type Registry } from './entries.js';
import { isLegalName } from './names.js';
import { type Branch, branch, find, type Leaf, type Place, put, warningAt } from './tree.js';

/** What the folder added to a configuration. */
export interface FolderKeys {
  readonly config: Branch;
  /** Keys that can't be used and that nobody asked for by name: told, and left out. */
  readonly faults: readonly Fault[];
}

/**
 * Every `<name>.json` of the folder as a destination, where the configuration has none of that name. A broken key is
 * left out with a warning, unless it is forced by name: then it stays in, and the checks refuse it.
 */
export async function addServiceKeys(
  config: Branch,
  folder: string,
  forced: { readonly name: string | undefined; readonly url: Leaf | undefined },
  registry: Registry,
): Promise<FolderKeys> {
  const warnings: Fault[] = [];
  let added = config;
  for (const name of await keyNames(folder)) {
    if (find(config, ['destinations', name])) continue;
    const entry = keyEntry(path.join(folder, `${name}.json`), forced.url);
    const faults = name === forced.name ? [] : await checkEntry('destinations', name, entry, registry);
    if (faults.length === 0) added = put(added, ['destinations', name], entry);
    else
      warnings.push(
        ...faults.map((fault) =>
          warningAt({ ...entry.place, file: fault.file }, `left out: ${fault.message}`, fault.hint),
        ),
      );
  }
  return { config: added, faults: warnings };
}

/** Sorted, so that every start says the same. No folder is an empty one. */
async function keyNames(folder: string): Promise<string[]> {
  const files = await fs.promises.readdir(folder).catch((error: unknown) => nothingIfAbsent(error));
  const names = files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length));
  return names.filter(isLegalName).sort();
}

/** A folder that this user may not read holds nothing for this user. */
function nothingIfAbsent(error: unknown): string[] {
  if (['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')) return [];
  throw error;
}

/** A forced URL takes the place of the key's own, which some keys don't have. */
function keyEntry(file: string, url: Leaf | undefined): Branch {
  const place: Place = { file, path: '', baseDir: path.dirname(file) };
  const leaf = (value: string): Leaf => ({ place, value });
  return branch(place, [['kind', leaf('service-key')], ['file', leaf(file)], ...(url ? [['url', url] as const] : [])]);
}
