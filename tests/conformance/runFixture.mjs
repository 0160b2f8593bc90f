/**
 * Starts the fixture by itself: `node tests/conformance/runFixture.mjs [--port 3900] [--speaks legacy|modern|both]
 * [--bearer <token>]`, `… --sse [--port 3900]` for HTTP+SSE of 2024-11-05, or `… --stdio [--speaks …]`.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [bundle, program] = ['../helpers/bundle.mjs', './fixture/program.ts'].map((file) =>
  fileURLToPath(new URL(file, import.meta.url)),
);
await import(execFileSync(process.execPath, [bundle, program], { encoding: 'utf8' }));
