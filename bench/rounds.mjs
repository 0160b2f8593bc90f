import { WORKLOADS } from './workloads.mjs';

/** Throws where a contender changes an answer: it would be measured at something else. */
export async function verify(lab, contenders, scenarios) {
  for (const workload of workloadsOf(scenarios).filter((name) => WORKLOADS[name].answer)) {
    for (const contender of contenders) {
      const unchanged = await blaming(contender, workload, () =>
        lab.order({ op: 'verify', ...contender.target(workload) }),
      );
      if (!unchanged) throw new Error(`${contender.name} changes the answer to ${workload}`);
    }
  }
}

/** One connection alone would take minutes to bring as many calls as V8 wants to see. */
const WARM_CONNECTIONS = 32;

/** So much of a scenario's load on a contender that what it is measured at is compiled. */
export async function warmUp(lab, contender, scenario, ms) {
  const { kind, connections } = scenario;
  const load =
    kind === 'stream'
      ? scenario
      : { ...scenario, kind: 'closed', connections: Math.max(connections, WARM_CONNECTIONS) };
  await runLoad(lab, load, contender, ms);
}

/** The samples of every contender by name. Contenders take turns, so that whatever else the machine does meets them alike. */
export async function measureRounds(lab, scenario, contenders, { rounds, roundMs, openMs }) {
  const ms = scenario.kind === 'open' ? openMs : roundMs;
  const samples = new Map(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of rotated(contenders, round)) {
      samples.get(contender.name).push(await runLoad(lab, scenario, contender, ms));
    }
  }
  return samples;
}

/** One run of a scenario's load, and what it cost the contender. */
function runLoad(lab, { kind, workload, connections, rate }, contender, ms) {
  return blaming(contender, workload, async () => {
    try {
      await lab.order({ op: 'connect', ...contender.target(workload), count: connections });
      const before = contender.usage();
      const run = await lab.order({ op: kind, rate, ms });
      const after = contender.usage();
      return { ...run, cpuUs: after.cpuUs - before.cpuUs, rssMiB: after.rssMiB };
    } finally {
      await lab.order({ op: 'close' });
    }
  });
}

/** Says in an error whose it is. */
async function blaming(contender, workload, work) {
  try {
    return await work();
  } catch (cause) {
    throw new Error(`${contender.name}, ${workload}: ${cause.message}`, { cause });
  }
}

function workloadsOf(scenarios) {
  return [...new Set(scenarios.map(({ workload }) => workload).filter(Boolean))];
}

/** Nobody always follows the same neighbour. */
export function rotated(list, by) {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}
