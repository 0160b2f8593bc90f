import os from 'node:os';
import { figuresOf } from './figures.mjs';
import { measureRounds, warmUp } from './rounds.mjs';

const BASE = 'drawbridge-production';

/** The production configuration with one process and with one per core, on a machine that nobody has shared out. */
export async function measureScale(pinned, scenario, definitions, pace) {
  const base = definitions.find(({ name }) => name === BASE);
  if (!base) return {};
  const lab = await pinned.openUnpinned();
  const load = { ...scenario, kind: 'closed' };
  const crews = [];
  for (const workers of [1, os.availableParallelism()]) crews.push(await lab.raise(crewOf(base, workers)));
  for (const crew of crews) await warmUp(lab, crew, load, pace.warmMs);
  const figures = figuresOf(load, await measureRounds(lab, load, crews, pace));
  for (const crew of crews) await lab.dismiss(crew);
  return figures;
}

function crewOf(base, workers) {
  const command = (place) => [...base.command(place), '--workers', String(workers)];
  return { ...base, name: `drawbridge-workers-${workers}`, command };
}
