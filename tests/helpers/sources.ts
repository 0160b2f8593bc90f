import fs from 'node:fs';
import path from 'node:path';

/** A source file of ours, its path from the repository's root, with `/`. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** Every TypeScript file under a folder. */
export function sources(folder: string): Source[] {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => ({ path: file.split(path.sep).join('/'), text: fs.readFileSync(file, 'utf8') }));
}
