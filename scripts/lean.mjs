// What packages load though nothing here needs it costs every start its milliseconds, and every process its memory.
import fs from 'node:fs/promises';
import { transform } from 'esbuild';

const REPLACED = [
  {
    // Upstreams are spoken to by HTTP/1.1 alone (src/wire/dispatchers.ts): as in a Node that was built without HTTP/2.
    what: /^node:http2$/,
    by: /[\\/]undici[\\/]lib[\\/]dispatcher[\\/]client-h2\.js$/,
    contents: 'module.exports = { constants: {} };',
  },
  {
    // For commands that are programs of their own: there are none.
    what: /^node:child_process$/,
    by: /[\\/]commander[\\/]lib[\\/]command\.js$/,
    contents: 'module.exports = {};',
  },
  {
    // A copy of Node's streams for other engines.
    what: /^readable-stream$/,
    by: /[\\/]winston[\\/]/,
    contents: "module.exports = require('node:stream');",
  },
  {
    what: /^readable-stream\/lib\/_stream_writable\.js$/,
    by: /[\\/]winston-transport[\\/]/,
    contents: "module.exports = require('node:stream').Writable;",
  },
  {
    // Words about winston itself, for those who set DEBUG.
    what: /^@dabh\/diagnostics$/,
    by: /[\\/]winston[\\/]/,
    contents: 'module.exports = () => () => {};',
  },
];

/** Puts something lean where a package asks for more than it uses here. */
export function lean() {
  return {
    name: 'lean',
    setup(bundle) {
      for (const [index, { what, by, contents }] of REPLACED.entries()) {
        const namespace = `lean-${index}`;
        bundle.onResolve({ filter: what }, ({ path, importer }) =>
          by.test(importer) ? { path, namespace } : undefined,
        );
        bundle.onLoad({ filter: /.*/, namespace }, () => ({ contents }));
      }
    },
  };
}

/** Names inside packages say nothing to who reads a stack trace of ours: without them they are read and compiled sooner. */
export function shortNames() {
  return {
    name: 'short-names',
    setup(bundle) {
      bundle.onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, async ({ path }) => {
        const { code } = await transform(await fs.readFile(path, 'utf8'), { minify: true, platform: 'node' });
        return { contents: code };
      });
    },
  };
}
