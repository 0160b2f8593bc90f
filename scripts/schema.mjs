// Writes mcp-proxy-config.schema.json from the schemas that judge a configuration.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'drawbridge-schema-'));
const outfile = path.join(folder, 'jsonSchema.mjs');
try {
  await build({
    entryPoints: ['src/config/jsonSchema.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    logLevel: 'warning',
    // CommonJS packages inside an ES module bundle still ask for Node's own modules by `require`.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  const { renderJsonSchema } = await import(pathToFileURL(outfile).href);
  fs.writeFileSync('mcp-proxy-config.schema.json', await renderJsonSchema());
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
