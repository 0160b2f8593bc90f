// Bundles src/ into dist/: one chunk per lazily loaded room, and no dependency to install beside it.
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

fs.rmSync('dist', { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: ['src/cli.ts', 'src/index.ts', 'src/contracts.ts', 'src/testing.ts'],
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // The UMD builds that some packages call their main can't be bundled.
  mainFields: ['module', 'main'],
  chunkNames: 'chunks/[name]-[hash]',
  legalComments: 'none',
  // What is smaller is read and compiled sooner; names stay, for those who read a stack trace.
  minifyWhitespace: true,
  minifySyntax: true,
  plugins: [withoutHttp2()],
  metafile: true,
  logLevel: 'warning',
  // CommonJS packages inside an ES module bundle still ask for Node's own modules by `require`.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
fs.writeFileSync('dist/THIRD_PARTY_LICENSES.txt', licenses(Object.keys(metafile.inputs)));

/**
 * Upstreams are spoken to by HTTP/1.1 alone (src/wire/dispatchers.ts), so undici is told what it expects of a Node that was
 * built without HTTP/2: to load that costs every start some milliseconds and 4 MiB.
 */
function withoutHttp2() {
  return {
    name: 'without-http2',
    setup(bundle) {
      bundle.onResolve({ filter: /^node:http2$/ }, ({ importer }) =>
        /[\\/]undici[\\/]lib[\\/]dispatcher[\\/]client-h2\.js$/.test(importer)
          ? { path: 'http2', namespace: 'without-http2' }
          : undefined,
      );
      bundle.onLoad({ filter: /.*/, namespace: 'without-http2' }, () => ({
        contents: 'module.exports = { constants: {} };',
      }));
    },
  };
}

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
