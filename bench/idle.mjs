import { setTimeout as sleep } from 'node:timers/promises';
import { median } from './figures.mjs';

const CALL = { kind: 'closed', workload: 'call', connections: 32 };
/** Answers are out by then and sockets quiet. */
const SETTLE_MS = 100;

/** KiB per held stream of every contender by name, each time in a fresh process. */
export async function measureIdle(lab, { streams }, definitions, { idleRounds, warmMs }, warmUp) {
  const figures = {};
  for (const definition of definitions.filter(({ command }) => command)) {
    const samples = [];
    for (let round = 0; round < idleRounds; round += 1) {
      const contender = await lab.raise(definition, { probe: true });
      await warmUp(lab, contender, CALL, warmMs / 4);
      samples.push(await measureOne(lab, contender, streams));
      await lab.dismiss(contender);
    }
    figures[definition.name] = summarise(samples);
  }
  return figures;
}

async function measureOne(lab, contender, streams) {
  const before = await memory(contender);
  await lab.order({ op: 'connect', ...contender.target('idle'), count: streams });
  const after = await memory(contender);
  await lab.order({ op: 'close' });
  const heap = after.heapKiB === undefined ? {} : { heapKiBPerStream: (after.heapKiB - before.heapKiB) / streams };
  return { ...heap, rssKiBPerStream: ((after.rssMiB - before.rssMiB) * 1024) / streams, rssMiB: after.rssMiB };
}

/** The heap first: collecting it is what makes the resident size settle. */
async function memory(contender) {
  await sleep(SETTLE_MS);
  const bytes = await contender.heapBytes();
  return { heapKiB: bytes === undefined ? undefined : bytes / 1024, rssMiB: contender.usage().rssMiB };
}

function summarise(samples) {
  return Object.fromEntries(Object.keys(samples[0]).map((key) => [key, median(samples.map((sample) => sample[key]))]));
}
