import path from 'node:path';
import { parseEnv } from 'node:util';
import type { Fault } from '../core/errors.js';
import { fromFile } from './compat.js';
import { readDocument } from './document.js';
import { fromEnvironment } from './environment.js';
import { readSmallFile } from './files.js';
import { type Flags, flagPlace, fromFlags, isOneUrl } from './flags.js';
import { interpolate, type References } from './interpolate.js';
import { emptyLayer, type Layer, stack } from './layer.js';
import { findConfig, type Machine } from './locate.js';
import { withNetworkFiles } from './networkFiles.js';
import { SecretSection, type SecretSectionDeps, secretsOf } from './secretSection.js';
import { type Branch, branch, isBranch, isLeaf, type Place, prune, put, type Tree } from './tree.js';

/** All that was written anywhere: files, environment and flags, later ones on top. */
export interface Sources {
  readonly layer: Layer;
  /** True when a configuration was named or found. */
  readonly hasFile: boolean;
  /** Absolute paths of all that was read, or should have been. */
  readonly files: readonly string[];
}

/** One file as parsed, its references not yet resolved. */
interface Document {
  readonly tree: Branch;
  readonly faults: readonly Fault[];
}

/** Reads every source. What is wrong with one is among the faults; the others are read all the same. */
export async function readSources(flags: Flags, machine: Machine, deps: SecretSectionDeps): Promise<Sources> {
  const files: string[] = [];
  const reads = (file: string) => files.push(file);
  const named = configFiles(flags, machine);
  const documents = await Promise.all(named.map((file) => readConfig(file, reads)));
  const commandLine = fromFlags(flags, machine.cwd);
  const { faults: envFaults, ...known } = await readEnvFile([...documents, { tree: commandLine.launch }], {
    env: machine.env,
    reads,
    secrets: NOT_THERE,
  });
  const { references } = new SecretSection(secretsOf(documents.map(({ tree }) => tree)), known, deps);
  const layers = [
    ...(await Promise.all(documents.map((document) => toLayer(document, references)))),
    fromEnvironment(machine.env, machine.cwd),
    await withResolvedHeaders(commandLine, references),
  ];
  const nothing = { ...emptyLayer(documents[0]?.tree.place ?? commandLine.config.place), faults: envFaults };
  const { config, launch, faults } = layers.reduce(stack, nothing);
  const whole = await withNetworkFiles(prune(config), reads);
  return { layer: { config: whole, launch: prune(launch), faults }, hasFile: named.length > 0, files };
}

/** A configuration file: where it stands, and where it is named when it isn't there. */
interface NamedFile {
  readonly root: Place;
  readonly named: Place;
}

function configFiles(flags: Flags, machine: Machine): NamedFile[] {
  const { cwd } = machine;
  const rootOf = (file: string): Place => ({ file, path: '', baseDir: path.dirname(path.resolve(cwd, file)) });
  const byFlag = (flag: string) => (file: string) => ({ root: rootOf(file), named: flagPlace(flag, cwd) });
  const found = flags.config === undefined && !isOneUrl(flags) ? findConfig(machine, flags.stdio) : undefined;
  return [
    ...[flags.config ?? []].flat().map(byFlag('config')),
    ...[found ?? []].flat().map((file) => ({ root: rootOf(bareName(file, cwd)), named: rootOf(file) })),
    ...(flags.overlay ?? []).map(byFlag('overlay')),
  ];
}

/** A file of the working folder is told by its bare name. */
function bareName(file: string, cwd: string): string {
  return path.dirname(file) === cwd ? path.basename(file) : file;
}

async function readConfig({ root, named }: NamedFile, reads: (file: string) => void): Promise<Document> {
  const absolute = path.join(root.baseDir, path.basename(root.file));
  reads(absolute);
  const read = await readSmallFile(absolute, named);
  return 'text' in read ? readDocument(read.text, root) : { tree: branch(root), faults: [read.fault] };
}

/** What secret managers need may itself stand in the env file. */
const NOT_THERE: References['secrets'] = async (name) => ({
  problem: `\${${name}:…} can't name the env file`,
  hint: 'Write its name, or a variable of the process.',
});

/** The env file that the last source names, resolved from that source's folder; it can't hold its own name. */
async function readEnvFile(
  sources: readonly { readonly tree: Branch }[],
  references: References,
): Promise<References & { readonly faults: readonly Fault[] }> {
  const written = sources.map(({ tree }) => tree.entries.get('envFile')).findLast((value) => value !== undefined);
  const leaf = written && (await interpolate(written, references));
  if (!isLeaf(leaf) || typeof leaf.value !== 'string' || leaf.fault) return { ...references, faults: [] };
  const file = path.resolve(leaf.place.baseDir, leaf.value);
  references.reads(file);
  const read = await readSmallFile(file, leaf.place);
  if ('fault' in read) return { ...references, faults: [read.fault] };
  return { ...references, envFile: { file: leaf.value, values: parseEnv(read.text) }, faults: [] };
}

async function toLayer({ tree, faults }: Document, references: References): Promise<Layer> {
  const layer = fromFile(asBranch(await interpolate(tree, references), tree));
  return { ...layer, faults: [...faults, ...layer.faults] };
}

/** Editors' settings can't hold blanks, so people write `--header "Authorization:${AUTH_HEADER}"` (mcp-remote). */
async function withResolvedHeaders(layer: Layer, references: References): Promise<Layer> {
  const headers = layer.launch.entries.get('headers');
  return headers ? { ...layer, launch: put(layer.launch, ['headers'], await interpolate(headers, references)) } : layer;
}

function asBranch(tree: Tree, otherwise: Branch): Branch {
  return isBranch(tree) ? tree : otherwise;
}
