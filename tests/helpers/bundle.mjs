/** Bundles a program of the tests, because Node 20 reads no TypeScript, and prints the file: `node tests/helpers/bundle.mjs <program.ts>`. */
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const [entry] = process.argv.slice(2);
const root = fileURLToPath(new URL('../..', import.meta.url));
const name = path.relative(root, path.resolve(entry)).replace(/\.ts$/, '').replaceAll(path.sep, '-');
// Inside node_modules, so that what the bundle leaves outside of itself is found from there.
const outfile = path.join(root, 'node_modules/.cache/mcp-drawbridge', `${name}.mjs`);
// Whoever runs the one before must never read half of the next.
const draft = outfile.replace(/mjs$/, `${process.pid}.mjs`);
await build({
  entryPoints: [entry],
  outfile: draft,
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  target: 'node20',
});
await rename(draft, outfile);
process.stdout.write(outfile);
