import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The file of a program of the tests, bundled for Node. In a process of its own: Jest's world is none that esbuild runs in. */
export function bundle(program: URL): string {
  const script = fileURLToPath(new URL('./bundle.mjs', import.meta.url));
  return execFileSync(process.execPath, [script, fileURLToPath(program)], { encoding: 'utf8' });
}
