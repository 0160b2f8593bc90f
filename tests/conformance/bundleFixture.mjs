/** Bundles the fixture, because Node 20 reads no TypeScript, and prints the file: `node tests/conformance/bundleFixture.mjs`. */
import { rename } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

// Inside node_modules, so that what the bundle leaves outside of itself is found from there.
const outfile = fileURLToPath(new URL('../../node_modules/.cache/mcp-drawbridge/fixture.mjs', import.meta.url));
// Whoever runs the one before must never read half of the next.
const draft = outfile.replace('.mjs', `-${process.pid}.mjs`);
await build({
  entryPoints: [fileURLToPath(new URL('./fixture/program.ts', import.meta.url))],
  outfile: draft,
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  target: 'node20',
});
await rename(draft, outfile);
process.stdout.write(outfile);
