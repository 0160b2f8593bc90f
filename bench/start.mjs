import { BIN } from './contenders/drawbridge.mjs';
import { median } from './figures.mjs';

/**
 * Milliseconds from a process's start to its first open connection and to its first answer, by contender. `node` is what
 * Node itself takes to do nothing.
 */
export async function measureStart(lab, definitions, { starts }) {
  const measured = definitions.filter(({ command }) => command);
  const samples = new Map(measured.map(({ name }) => [name, { listenMs: [], firstAnswerMs: [] }]));
  const ends = { node: [], version: [] };
  for (let round = 0; round < starts; round += 1) {
    ends.node.push(await lab.runToEnd('node', [process.execPath, '-e', '0']));
    ends.version.push(await lab.runToEnd('version', [process.execPath, BIN, '--version']));
    for (const definition of measured) {
      const contender = await lab.raise(definition);
      for (const [key, values] of Object.entries(samples.get(definition.name))) values.push(contender[key]);
      await lab.dismiss(contender);
    }
  }
  return summarise(samples, ends);
}

function summarise(samples, ends) {
  const figures = { node: { exitMs: median(ends.node) } };
  for (const [name, own] of samples) {
    figures[name] = { listenMs: median(own.listenMs), firstAnswerMs: median(own.firstAnswerMs) };
  }
  if (figures.drawbridge) figures.drawbridge.versionMs = median(ends.version);
  return figures;
}
