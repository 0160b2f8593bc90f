import fs from 'node:fs';
import path from 'node:path';
import { errorCode, type Fault } from '../core/errors.js';
import { checkEntry, type Registry } from './entries.js';
import { isLegalName } from './names.js';
import { checkKeyFile } from './plainHttp.js';
import { type Branch, branch, find, type Leaf, type Place, put, warningAt } from './tree.js';

/** What the folder added to a configuration. */
export interface FolderKeys {
  readonly config: Branch;
  /** Absolute paths of the folder and of every key in it, the broken ones too. */
  readonly files: readonly string[];
  /** Keys that can't be used and that nobody asked for by name: told, and left out. */
  readonly faults: readonly Fault[];
}

/** What the command line says about the keys. */
export interface AskedKeys {
  readonly name: string | undefined;
  readonly url: Leaf | undefined;
  readonly allowHttp: boolean;
}

/**
 * Every `<name>.json` of the folder as a destination, where the configuration has none of that name. A broken key is
 * left out with a warning, unless it is forced by name: then it stays in, and the checks refuse it.
 */
export async function addServiceKeys(
  config: Branch,
  folder: string,
  asked: AskedKeys,
  registry: Registry,
): Promise<FolderKeys> {
  const names = await keyNames(folder);
  const fileOf = (name: string) => path.join(folder, `${name}.json`);
  const warnings: Fault[] = [];
  let added = config;
  for (const name of names) {
    if (find(config, ['destinations', name])) continue;
    const entry = keyEntry(fileOf(name), asked.url);
    const faults = name === asked.name ? [] : await checkKey(name, entry, asked, registry);
    if (faults.length === 0) added = put(added, ['destinations', name], entry);
    else warnings.push(...faults.map((fault) => leftOut(entry, fault)));
  }
  return { config: added, files: [folder, ...names.map(fileOf)], faults: warnings };
}

/** Where nobody looks for keys. */
export function nothingAdded(config: Branch): FolderKeys {
  return { config, files: [], faults: [] };
}

async function checkKey(name: string, entry: Branch, { allowHttp }: AskedKeys, registry: Registry): Promise<Fault[]> {
  const faults = await checkEntry('destinations', name, entry, registry);
  return allowHttp ? faults : [...faults, ...(await checkKeyFile(entry))];
}

function leftOut(entry: Branch, { file, message, hint }: Fault): Fault {
  return warningAt({ ...entry.place, file }, `left out: ${message}`, hint);
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
