import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

/** What a program says its version is; undefined where it isn't installed. */
export function installedVersion(program, args, pattern) {
  const { error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return error ? undefined : (pattern.exec(stdout + stderr)?.[1] ?? 'unknown');
}

/** A package's name and version as this folder resolves it; undefined where it isn't installed. */
export function packageVersion(name) {
  const found = manifest(name);
  return found && `${name} ${found.content.version}`;
}

/** The file of one of a package's programs. */
export function packageBin(name, program) {
  const { folder, content } = manifest(name);
  return path.join(folder, typeof content.bin === 'string' ? content.bin : content.bin[program]);
}

/** Not every package exports its package.json. */
function manifest(name) {
  const folders = (require.resolve.paths(name) ?? []).map((root) => path.join(root, name));
  const folder = folders.find((candidate) => fs.existsSync(path.join(candidate, 'package.json')));
  return folder && { folder, content: JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) };
}
