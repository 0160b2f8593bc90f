import path from 'node:path';
import { nearest } from '../core/text.js';
import { readSmallFile } from './files.js';
import { faultAt, isBranch, isLeaf, type Leaf, type Place, type Tree, warningAt } from './tree.js';

/** Where `${…}` gets its values from. */
export interface References {
  /** The process's environment; an empty value there doesn't hide the env file's. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly envFile?: { readonly file: string; readonly values: Readonly<Record<string, string | undefined>> };
  /** Told every file that a `${file:…}` names, by its absolute path. */
  readonly reads: (file: string) => void;
  /** Asks the secret manager of that name for what stands behind the colon. */
  readonly secrets: (name: string, rest: string) => Promise<Resolved>;
}

/**
 * What one reference stands for, or what is wrong with it; `problem` never holds a value. One that is `unresolved` was left
 * as it stands, since nobody may be asked.
 */
export type Resolved =
  | { readonly value: string }
  | { readonly problem: string; readonly hint?: string }
  | { readonly unresolved: string; readonly hint: string };

/** Every string with its references resolved. One that can't be carries its fault, told if it survives the overlays. */
export async function interpolate(tree: Tree, references: References): Promise<Tree> {
  if (isLeaf(tree)) return interpolateLeaf(tree, references);
  if (!isBranch(tree)) {
    return { ...tree, items: await Promise.all(tree.items.map((item) => interpolate(item, references))) };
  }
  const entries = [...tree.entries].map(async ([key, value]) => [key, await interpolate(value, references)] as const);
  return { ...tree, entries: new Map(await Promise.all(entries)) };
}

/** `$${` stands for itself; a reference ends at the first `}`, so a default can't hold one. */
const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g;

async function interpolateLeaf(leaf: Leaf, references: References): Promise<Leaf> {
  if (typeof leaf.value !== 'string' || !leaf.value.includes('${')) return leaf;
  const parts: string[] = [];
  let end = 0;
  for (const match of leaf.value.matchAll(REFERENCE)) {
    const resolved = await resolveMatch(match, leaf.place, references);
    if ('problem' in resolved) return { ...leaf, fault: faultAt(leaf.place, resolved.problem, resolved.hint) };
    if ('unresolved' in resolved) return { ...leaf, fault: warningAt(leaf.place, resolved.unresolved, resolved.hint) };
    parts.push(leaf.value.slice(end, match.index), resolved.value);
    end = match.index + match[0].length;
  }
  return { ...leaf, value: parts.join('') + leaf.value.slice(end) };
}

function resolveMatch(match: RegExpExecArray, place: Place, references: References): Resolved | Promise<Resolved> {
  const [, inner, closed] = match;
  if (inner === undefined) return { value: '${' };
  if (closed === '')
    return { problem: 'has a reference without its closing brace', hint: `Write $\${ for the characters themselves.` };
  if (inner.includes('${'))
    return { problem: 'has a reference inside a reference', hint: 'A default is taken as it stands.' };
  const [, name, fallback] = /^(?:env:)?([A-Za-z_]\w*)(?::-(.*))?$/s.exec(inner) ?? [];
  return name === undefined ? resolveScheme(inner, place, references) : resolveVariable(name, fallback, references);
}

/** Process, then env file, then default; an empty value counts only where nothing else is left, as in a shell's `:-`. */
function resolveVariable(name: string, fallback: string | undefined, references: References): Resolved {
  const { env, envFile } = references;
  const written = [env[name], envFile && Object.hasOwn(envFile.values, name) ? envFile.values[name] : undefined];
  const value = written.find((candidate) => candidate) ?? fallback ?? written.find((candidate) => candidate === '');
  if (value !== undefined) return { value };
  const looked = envFile ? `the environment and ${envFile.file}` : 'the environment';
  const meant = nearest(name, [...Object.keys(envFile?.values ?? {})]);
  const hint = meant
    ? `did you mean "${meant}"?`
    : `Set it, give a default as in \${${name}:-…}, or name an --env-file.`;
  return { problem: `\${${name}} is not set: looked in ${looked}`, hint };
}

async function resolveScheme(inner: string, place: Place, references: References): Promise<Resolved> {
  const [, scheme, rest = ''] = /^([A-Za-z][\w+.-]*):(.*)$/s.exec(inner) ?? [];
  if (scheme === undefined)
    return { problem: 'has a reference without a variable name', hint: `Write \${NAME} or \${file:…}.` };
  if (scheme === 'file') return resolveFile(rest, place, references);
  return references.secrets(scheme, rest);
}

/** The newline that every editor puts at a file's end is no part of a secret. */
async function resolveFile(name: string, place: Place, references: References): Promise<Resolved> {
  const file = path.resolve(place.baseDir, name);
  references.reads(file);
  const read = await readSmallFile(file, place);
  return 'text' in read ? { value: read.text.replace(/\r?\n$/, '') } : { problem: read.fault.message };
}
