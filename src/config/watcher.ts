import fs from 'node:fs';
import path from 'node:path';

/** Editors write in several steps; what follows within this time is one change. */
const SETTLE_MS = 200;

/**
 * Calls back when one of the files has changed, or what a folder among them lists. Folders are watched, not files: an
 * editor that renames, and Kubernetes that swaps a link, replace the file itself.
 */
export class FileWatcher {
  readonly #changed: () => void;
  #known: ReadonlyMap<string, string> = new Map();
  #watchers: readonly fs.FSWatcher[] = [];
  #pending: NodeJS.Timeout | undefined;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Watches these from now on, by absolute path. What changed since the last look at a file that stays is still seen. */
  watch(files: readonly string[]): void {
    this.#known = new Map(files.map((file) => [file, this.#known.get(file) ?? fingerprint(file)]));
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = foldersOf(files).map((folder) => fs.watch(folder, { persistent: false }, () => this.#lookSoon()));
    // A folder that goes away takes its watch with it; the files are then as they were.
    for (const watcher of this.#watchers) watcher.on('error', () => watcher.close());
    // What happened while nobody watched has no event of its own.
    this.#lookSoon();
  }

  close(): void {
    clearTimeout(this.#pending);
    for (const watcher of this.#watchers) watcher.close();
  }

  /** A look that is due stays due: a log file that grows in the same folder must not put it off for ever. */
  #lookSoon(): void {
    this.#pending ??= setTimeout(() => this.#look(), SETTLE_MS);
  }

  #look(): void {
    this.#pending = undefined;
    const now = new Map([...this.#known.keys()].map((file) => [file, fingerprint(file)]));
    const isChanged = [...now].some(([file, print]) => print !== this.#known.get(file));
    this.#known = now;
    if (isChanged) this.#changed();
  }
}

/**
 * A folder is watched for its listing, and its parent for the folder itself; and whatever folder holds a link on the way:
 * Kubernetes swaps one (`..data`) that may stand anywhere above the file.
 */
function foldersOf(files: readonly string[]): string[] {
  const folders = files.flatMap((file) => [
    path.dirname(file),
    ...foldersOfLinks(file),
    ...(isFolder(file) ? [file] : []),
  ]);
  return [...new Set(folders)].filter(isReadable);
}

/** More links than any honest path has; Linux follows 40. */
const MOST_LINKS = 40;

function foldersOfLinks(file: string): string[] {
  const folders: string[] = [];
  let at = path.parse(file).root;
  let rest = path.relative(at, file).split(path.sep);
  while (rest.length > 0 && folders.length < MOST_LINKS) {
    const [step = '', ...further] = rest;
    const target = linkAt(path.join(at, step));
    if (target === undefined) {
      at = path.join(at, step);
      rest = further;
    } else {
      folders.push(at);
      const whole = path.join(path.resolve(at, target), ...further);
      at = path.parse(whole).root;
      rest = path.relative(at, whole).split(path.sep);
    }
  }
  return folders;
}

function linkAt(place: string): string | undefined {
  try {
    return fs.readlinkSync(place);
  } catch {
    return undefined;
  }
}

function fingerprint(file: string): string {
  if (isFolder(file)) return listing(file);
  const stat = statOf(file);
  return stat ? `${stat.mtimeMs}:${stat.size}:${stat.ino}` : '-';
}

/** One that this user may not read, or that goes away just now, lists nothing. */
function listing(folder: string): string {
  try {
    return fs.readdirSync(folder).sort().join('/');
  } catch {
    return '-';
  }
}

function isFolder(file: string): boolean {
  return statOf(file)?.isDirectory() === true;
}

/** Links that lead in a circle, or through what may not be entered, lead to nothing. */
function statOf(file: string): fs.Stats | undefined {
  try {
    return fs.statSync(file, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function isReadable(folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
