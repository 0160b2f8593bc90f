import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { build, type Metafile } from 'esbuild';

/** What a start loads by itself, one after the other; everything else that is imported lazily waits until it is needed. The build puts it together. */
const STARTS = JSON.parse(readFileSync('scripts/starts.json', 'utf8')) as Record<string, string[]>;

/** Each of them costs every start. Kinds, and what only they need, come when a configuration names them. */
const PACKAGES = [
  'commander',
  'ipaddr.js',
  'node-cache',
  'opossum',
  // Its `index.js` is ten times as large, and makes Node load its own besides.
  'undici/lib/dispatcher/agent.js',
  'winston/lib/winston/create-logger.js',
  'winston/lib/winston/transports/stream.js',
  'zod',
];

/** Rooms that know, limit and audit callers: nobody pays for them who has configured none of it. */
const OF_CALLERS = [
  'src/gateway/auditing.ts',
  'src/gateway/authorize.ts',
  'src/gateway/limits.ts',
  'src/gateway/resultCache.ts',
  'src/identity/identify.ts',
  'src/identity/keyRing.ts',
  'src/policy/audit.ts',
  'src/policy/permissions.ts',
  'src/policy/quotas.ts',
];

describe('the start', () => {
  let inputs: Metafile['inputs'];

  beforeAll(async () => {
    ({ inputs } = await graph());
  });

  describe.each(Object.entries(STARTS))('of %s, until it listens or answers', (_, steps) => {
    it('loads these packages, and no others', () => {
      expect(behind(steps, inputs).packages).toEqual(PACKAGES);
    });

    it('loads nothing that knows callers', () => {
      expect(Object.keys(inputs)).toEqual(expect.arrayContaining(OF_CALLERS));
      expect(OF_CALLERS.filter((file) => behind(steps, inputs).files.has(file))).toEqual([]);
    });

    it('walks the steps that are there', () => {
      expect([...behind(steps, inputs).files]).toEqual(expect.arrayContaining(steps));
    });
  });

  it('imports zod as a namespace, which leaves out of the bundle what nobody uses', async () => {
    const ours = Object.keys(inputs).filter((file) => file.startsWith('src/'));
    const texts = await Promise.all(ours.map((file) => readFile(file, 'utf8')));
    const users = texts.filter((text) => /from 'zod'/.test(text));
    expect(users.length).toBeGreaterThan(10);
    expect(users.filter((text) => /^import \{.*from 'zod'/m.test(text))).toEqual([]);
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
    const { files, packages } = behind(['src/cli.ts'], made);
    expect(packages).toEqual(['@scope/heavy/deep']);
    expect([...files]).toEqual(['src/cli.ts', 'src/a.ts']);
    expect(behind(['src/cli.ts', 'src/lazy.ts'], made).packages).toEqual(['@scope/heavy/deep', 'late']);
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

/** The files and packages that are imported statically from the first step, or from what a later step adds. */
function behind(steps: readonly string[], inputs: Metafile['inputs']) {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (files.has(file)) return;
    files.add(file);
    for (const { path, kind, external } of inputs[file]?.imports ?? []) {
      if (kind === 'dynamic-import' && !steps.includes(path)) continue;
      if (external) packages.add(path);
      else visit(path);
    }
  };
  visit(steps[0] as string);
  return { files, packages: [...packages].filter((name) => !name.startsWith('node:')).sort() };
}
