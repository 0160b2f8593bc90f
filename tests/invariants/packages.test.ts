import fs from 'node:fs';
import { builtinModules } from 'node:module';
import { sources } from '../helpers/sources.js';

interface Locked {
  readonly version?: string;
  readonly optionalDependencies?: Record<string, string>;
}

const manifest = JSON.parse(fs.readFileSync('package.json', 'utf8')) as {
  devDependencies: Record<string, string>;
  dependencies?: object;
};
const locks = ['package-lock.json', 'tests/conformance/package-lock.json', 'bench/package-lock.json'];

function locked(file: string): Record<string, Locked> {
  return (JSON.parse(fs.readFileSync(file, 'utf8')) as { packages: Record<string, Locked> }).packages;
}

/** The packages that a folder's files import by name. */
function imported(folder: string): string[] {
  const names = sources(folder).flatMap(({ text }) =>
    [...text.matchAll(/(?:\sfrom|import\()\s*'((?:@[^/'\n]+\/)?[^./'\n][^/'\n]*)[^'\n]*'[;),]/g)].map(
      (match) => match[1] as string,
    ),
  );
  return [...new Set(names)].filter((name) => !name.startsWith('node:') && !builtinModules.includes(name)).sort();
}

describe('packages', () => {
  it('are declared where they are imported', () => {
    const undeclared = [...imported('src'), ...imported('tests')].filter((name) => !(name in manifest.devDependencies));
    expect(undeclared.filter((name) => name !== '@jest/globals')).toEqual([]);
  });

  it('are bundled: what a user installs has none', () => {
    expect(manifest.dependencies).toBeUndefined();
  });

  it('stand at exact versions', () => {
    expect(Object.entries(manifest.devDependencies).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual(
      [],
    );
  });

  it.each(locks)('%s names what other platforms need: without, `npm ci` refuses a fresh clone', (file) => {
    const packages = locked(file);
    const wanted = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    expect(wanted.filter((name) => !packages[`node_modules/${name}`]?.version)).toEqual([]);
  });

  it.each(locks)('%s names no registry', (file) => {
    expect(fs.readFileSync(file, 'utf8')).not.toContain('"resolved": "http');
  });
});
