// Splitting makes a file of every few modules, and each costs a start its way through the module loader. What a start loads
// anyway is put together again: one file of what both starts load, and one of each start's own.
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

/**
 * `starts`: what each start loads, by its name: source files, whose static imports come along. `metafile` is of the build
 * whose output is rewritten.
 */
export async function joinStartFiles(metafile, starts, options) {
  const groups = grouped(metafile.outputs, starts);
  const groupOf = new Map([...groups].flatMap(([name, files]) => files.map((file) => [path.resolve(file), name])));
  const exportsOf = (file) => metafile.outputs[path.relative('.', file)].exports;
  const joined = await Promise.all(
    [...groups].map(([name, files]) => join(name, files, { groupOf, exportsOf, options })),
  );
  for (const [name, text] of joined) fs.writeFileSync(target(name), text);
  for (const [file, name] of groupOf) fs.writeFileSync(file, stub(file, name, exportsOf(file)));
}

const target = (name) => path.resolve('dist', `start-${name}.js`);

/** An export's name in the file that it was put into. */
const alias = (file, name) => `${path.basename(file, '.js').replace(/\W/g, '_')}_${name}`;

/** The files of the build, by the starts that load them. */
function grouped(outputs, starts) {
  const bySource = new Map(Object.entries(outputs).map(([file, { entryPoint }]) => [entryPoint, file]));
  const filesOf = (sources) =>
    closure(
      outputs,
      sources.map((source) => bySource.get(source)),
    );
  // The first file awaits the others: what it imports itself can't be in one that waits for it.
  const first = filesOf(['src/cli.ts']);
  const starting = new Map();
  for (const [start, sources] of Object.entries(starts)) {
    for (const file of filesOf(sources)) {
      if (!first.has(file)) starting.set(file, [...(starting.get(file) ?? []), start]);
    }
  }
  const groups = new Map();
  for (const [file, names] of starting) groups.set(names.join('-'), [...(groups.get(names.join('-')) ?? []), file]);
  return groups;
}

function closure(outputs, files, found = new Set()) {
  for (const file of files) {
    if (found.has(file)) continue;
    const imported = outputs[file].imports.filter(({ kind, external }) => kind === 'import-statement' && !external);
    closure(
      outputs,
      imported.map((entry) => entry.path),
      found,
    );
    found.add(file);
  }
  return found;
}

async function join(name, files, { groupOf, exportsOf, options }) {
  const contents = files.map((file) => names(path.resolve(file), path.resolve(file), exportsOf)).join('\n');
  const { outputFiles } = await build({
    ...options,
    stdin: { contents, resolveDir: path.resolve('dist') },
    outfile: target(name),
    bundle: true,
    write: false,
    plugins: [keepApart(name, { groupOf, exportsOf })],
  });
  return [name, outputFiles[0].text];
}

/** What is in another joined file is taken from there, by its name there; what is in none stays where it is. */
function keepApart(own, { groupOf, exportsOf }) {
  return {
    name: 'keep-apart',
    setup(bundle) {
      bundle.onResolve({ filter: /^\.\.?\// }, ({ path: wanted, resolveDir, kind, namespace }) => {
        const file = path.resolve(resolveDir, wanted);
        if (namespace === 'foreign') return { path: relative(file), external: true };
        const group = groupOf.get(file);
        if (group === own && kind === 'import-statement') return { path: file };
        if (group === undefined || kind === 'dynamic-import') return { path: relative(file), external: true };
        return { path: file, namespace: 'foreign', sideEffects: false };
      });
      bundle.onLoad({ filter: /.*/, namespace: 'foreign' }, ({ path: file }) => ({
        contents: stub(file, groupOf.get(file), exportsOf(file)),
        resolveDir: path.dirname(file),
      }));
    },
  };
}

const relative = (file) => {
  const way = path.relative(path.resolve('dist'), file);
  return way.startsWith('.') ? way : `./${way}`;
};

function names(file, from, exportsOf) {
  const all = exportsOf(file).map((name) => `${name} as ${alias(file, name)}`);
  return all.length > 0 ? `export { ${all.join(', ')} } from '${from}';` : `import '${from}';`;
}

/** Stands where a file was. */
function stub(file, group, exported) {
  const way = path.relative(path.dirname(file), target(group));
  const from = way.startsWith('.') ? way : `./${way}`;
  const all = exported.map((name) => `${alias(file, name)} as ${name}`);
  return all.length > 0 ? `export { ${all.join(', ')} } from '${from}';\n` : `import '${from}';\n`;
}
