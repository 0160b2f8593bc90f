/**
 * Starts the fixture by itself: `node tests/conformance/runFixture.mjs [--port 3900] [--bearer <token>]`.
 * It is bundled first, because Node 20 reads no TypeScript.
 */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values } = parseArgs({ options: { port: { type: 'string', default: '3900' }, bearer: { type: 'string' } } });
// Inside node_modules, so that what the bundle leaves outside of itself is found from there.
const outfile = fileURLToPath(new URL('../../node_modules/.cache/mcp-drawbridge/fixtureServer.mjs', import.meta.url));
await build({
  entryPoints: [fileURLToPath(new URL('./fixtureServer.ts', import.meta.url))],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  target: 'node20',
});
const { startFixture } = await import(outfile);
const fixture = await startFixture({
  port: Number(values.port),
  ...(values.bearer !== undefined && { requireBearer: values.bearer }),
});
console.log(fixture.url);
await Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)));
await fixture.close();
