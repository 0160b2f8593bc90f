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
  // Not every package exports its package.json.
  const folders = require.resolve.paths(name) ?? [];
  const file = folders
    .map((folder) => path.join(folder, name, 'package.json'))
    .find((candidate) => fs.existsSync(candidate));
  return file && `${name} ${JSON.parse(fs.readFileSync(file, 'utf8')).version}`;
}
