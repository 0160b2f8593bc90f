// Bundles src/ into dist/: one chunk per lazily loaded room, and no dependency to install beside it.
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { lean, shortNames } from './lean.mjs';
import { joinStartFiles } from './startFiles.mjs';

const starts = JSON.parse(fs.readFileSync('scripts/starts.json', 'utf8'));
fs.rmSync('dist', { recursive: true, force: true });
const written = {
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  legalComments: 'none',
  // What is smaller is read and compiled sooner; names stay, for those who read a stack trace.
  minifyWhitespace: true,
  minifySyntax: true,
  logLevel: 'warning',
  logOverride: { 'ignored-bare-import': 'silent' },
};
const { metafile } = await build({
  ...written,
  entryPoints: ['src/cli.ts', 'src/index.ts', 'src/contracts.ts', 'src/testing.ts'],
  outdir: 'dist',
  bundle: true,
  splitting: true,
  // The UMD builds that some packages call their main can't be bundled.
  mainFields: ['module', 'main'],
  chunkNames: 'chunks/[name]-[hash]',
  plugins: [lean(), shortNames()],
  metafile: true,
  // CommonJS packages inside an ES module bundle still ask for Node's own modules by `require`.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
await joinStartFiles(metafile, starts, written);
fs.writeFileSync('dist/THIRD_PARTY_LICENSES.txt', licenses(Object.keys(metafile.inputs)));

/** The licence text of every package that went into the bundle. */
function licenses(inputs) {
  const folders = new Set(
    inputs.map((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]).filter(Boolean),
  );
  return [...folders]
    .sort()
    .map(license)
    .join(`\n\n${'-'.repeat(80)}\n\n`);
}

function license(folder) {
  const { name, version, license: id } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const file = fs.readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? fs.readFileSync(path.join(folder, file), 'utf8').trim() : '';
  return `${name} ${version} (${typeof id === 'string' ? id : 'see below'})\n\n${text}`;
}
