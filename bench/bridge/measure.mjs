import { figuresOf, median } from '../figures.mjs';
import { rotated } from '../rounds.mjs';

/** The figures of a closed loop with so many calls in flight on every contender of a role. Contenders take turns. */
export async function measureBridges(lab, scenario, definitions, pace) {
  const bridges = await lab.openBridges();
  const contenders = [];
  for (const definition of playing(definitions, scenario)) {
    contenders.push(await bridges.raise(definition, scenario.answers));
  }
  const samples = new Map(contenders.map(({ name }) => [name, []]));
  /** Whoever can't bear the load is left out, with a word, and the others are measured. */
  const play = async (contender, ms) => {
    try {
      return await runLoad(bridges, scenario, contender, ms);
    } catch (error) {
      process.stderr.write(`left out: ${error.message}\n`);
      samples.delete(contender.name);
      return undefined;
    }
  };
  for (const contender of contenders) await play(contender, pace.warmMs);
  for (let round = 0; round < pace.rounds; round += 1) {
    for (const contender of rotated(contenders, round).filter(({ name }) => samples.has(name))) {
      const run = await play(contender, pace.roundMs);
      if (run) samples.get(contender.name).push(run);
    }
  }
  for (const contender of contenders) await bridges.dismiss(contender);
  await bridges.close();
  return figuresOf({ kind: 'closed', added: scenario.added }, samples);
}

/** Milliseconds from a bridge's start to its first answer and to its first answered call, by contender. */
export async function measureBridgeStart(lab, scenario, definitions, { starts }) {
  const bridges = await lab.openBridges();
  const measured = playing(definitions, scenario).filter(({ command }) => command);
  const samples = new Map(measured.map(({ name }) => [name, []]));
  for (let round = 0; round < starts; round += 1) {
    for (const definition of rotated(measured, round)) {
      const contender = await bridges.raise(definition);
      samples.get(definition.name).push(contender);
      await bridges.dismiss(contender);
    }
  }
  await bridges.close();
  return Object.fromEntries([...samples].map(([name, runs]) => [name, startOf(runs)]));
}

async function runLoad(bridges, { inFlight }, { name, usage }, ms) {
  const before = usage();
  const run = await bridges.order({ op: 'closed', name, inFlight, ms });
  const after = usage();
  return { ...run, cpuUs: after.cpuUs - before.cpuUs, rssMiB: after.rssMiB };
}

/** The direct way plays only where the load and the server speak the same transport. */
function playing(definitions, { role, added }) {
  return definitions.filter((definition) => definition.role === role || (added && !definition.command));
}

function startOf(runs) {
  const of = (key) => median(runs.map((run) => run[key]));
  return { firstAnswerMs: of('firstAnswerMs'), firstCallMs: of('firstCallMs') };
}
