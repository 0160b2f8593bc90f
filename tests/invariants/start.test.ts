import { build, type Metafile } from 'esbuild';

/** What `serve` loads by itself, one after the other, before it listens; everything else that is imported lazily waits until it is needed. */
const BEFORE_LISTEN = ['src/cli.ts', 'src/commands.ts', 'src/serve.ts'];

/** Each of them costs every start. Kinds, and what only they need, come when a configuration names them. */
const PACKAGES = ['commander', 'ipaddr.js', 'jsonc-parser', 'node-cache', 'opossum', 'undici', 'winston', 'zod'];

describe('the start', () => {
  let inputs: Metafile['inputs'];

  beforeAll(async () => {
    ({ inputs } = await graph());
  });

  it('loads these packages before it listens, and no others', () => {
    expect(packagesBehind(BEFORE_LISTEN, inputs)).toEqual(PACKAGES);
  });

  it('leaves these for later', () => {
    const late = [
      '@marcbachmann/cel-js',
      'axios',
      'express',
      'http-proxy-middleware',
      'ioredis',
      'jose',
      'pg',
      'prom-client',
      're2js',
      'yaml',
    ];
    expect(PACKAGES.filter((name) => late.includes(name) || name.startsWith('@modelcontextprotocol/'))).toEqual([]);
  });

  it('walks the steps that are there', () => {
    expect(Object.keys(inputs)).toEqual(expect.arrayContaining(BEFORE_LISTEN));
  });

  it('would notice', () => {
    const kind = 'import-statement' as const;
    const made = {
      'src/cli.ts': {
        bytes: 0,
        imports: [
          { path: 'src/a.ts', kind },
          { path: 'src/lazy.ts', kind: 'dynamic-import' as const },
        ],
      },
      'src/a.ts': { bytes: 0, imports: [{ path: '@scope/heavy/deep', kind, external: true }] },
      'src/lazy.ts': { bytes: 0, imports: [{ path: 'late', kind, external: true }] },
    };
    expect(packagesBehind(BEFORE_LISTEN, made)).toEqual(['@scope/heavy']);
  });
});

async function graph(): Promise<Metafile> {
  const { metafile } = await build({
    entryPoints: ['src/cli.ts'],
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    outdir: 'nowhere',
    write: false,
    metafile: true,
  });
  return metafile;
}

/** The packages that are imported statically from the first step, or from what a later step adds. */
function packagesBehind(steps: readonly string[], inputs: Metafile['inputs']): string[] {
  const visited = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (visited.has(file)) return;
    visited.add(file);
    for (const { path, kind, external } of inputs[file]?.imports ?? []) {
      if (kind === 'dynamic-import' && !steps.includes(path)) continue;
      if (external) packages.add(nameOf(path));
      else visit(path);
    }
  };
  visit(steps[0] as string);
  return [...packages].filter((name) => !name.startsWith('node:')).sort();
}

/** `@scope/name/deep/file.js` → `@scope/name`. */
function nameOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}
