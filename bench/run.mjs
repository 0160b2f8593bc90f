/** `npm run bench`: starts the upstream, the load and the contenders, measures them side by side and writes the report. */
import { fileURLToPath } from 'node:url';
import { measureBridgeStart, measureBridges } from './bridge/measure.mjs';
import { shareCores } from './cores.mjs';
import { figuresOf } from './figures.mjs';
import { measureIdle } from './idle.mjs';
import { Lab } from './lab.mjs';
import { describeMachine } from './machine.mjs';
import { readOptions, USAGE } from './options.mjs';
import { Processes } from './processes.mjs';
import { compare, ratiosOf } from './ratios.mjs';
import { readReport, writeReport } from './report.mjs';
import { measureRounds, verify, warmUp } from './rounds.mjs';
import { measureScale } from './scale.mjs';
import { SCENARIOS } from './scenarios.mjs';
import { measureStart } from './start.mjs';
import { measureReuse, measureToolset, measureUsers } from './toolset/measure.mjs';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));

/** Scenarios with processes of their own, by kind. */
const APART = {
  idle: (lab, scenario, definitions, pace) => measureIdle(lab, scenario, definitions, pace, warmUp),
  start: (lab, _scenario, definitions, pace) => measureStart(lab, definitions, pace),
  scale: (lab, scenario, definitions, pace) => measureScale(lab, scenario, definitions, pace),
  bridge: measureBridges,
  bridgeStart: measureBridgeStart,
  toolset: measureToolset,
  qlikReuse: measureReuse,
  qlikUsers: measureUsers,
};

await main();

async function main() {
  const options = readOptionsOrExit();
  if (options.help) return say(USAGE);
  // Debian keeps servers out of an ordinary user's path.
  process.env.PATH += ':/usr/local/sbin:/usr/sbin';
  const processes = new Processes({ PATH: process.env.PATH });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => processes.stopAll().finally(() => process.exit(130)));
  }
  try {
    // Before anything is measured: without it there is nothing to compare with.
    const committed = options.check ? readReport(options.out) : undefined;
    const found = whoIsHere(options);
    const cores = shareCores();
    const { figures, rounds } = await measureAll(new Lab(processes, cores), found.present, options);
    const setup = { ...found, pinned: cores.pinned, pace: options.pace };
    conclude(figures, ratiosOf(figures, rounds), setup, options, committed);
  } catch (error) {
    say(`${error.message}\n`);
    process.exitCode = 1;
  } finally {
    await processes.stopAll();
  }
}

function readOptionsOrExit() {
  try {
    return readOptions(process.argv.slice(2), FOLDER);
  } catch (error) {
    say(`${error.message}\n\n${USAGE}`);
    return process.exit(2);
  }
}

function whoIsHere({ contenders }) {
  const known = contenders.map((contender) => ({ ...contender, version: contender.version() }));
  const present = known.filter(({ version }) => version !== undefined);
  const skipped = known.filter(({ version }) => version === undefined);
  for (const { name, get } of skipped) say(`skipped: ${name} is not installed (${get})\n`);
  return { present, skipped };
}

async function measureAll(lab, definitions, { scenarios: names, pace }) {
  const chosen = names.map((name) => SCENARIOS[name]);
  await lab.open();
  const proxies = definitions.filter(({ role }) => role === undefined);
  const contenders = await raiseAll(lab, proxies, chosen);
  const figures = {};
  const rounds = {};
  const warm = warmer(lab, contenders, pace);
  for (const name of names.filter((candidate) => !APART[SCENARIOS[candidate].kind])) {
    await attempt(name, async () => {
      await warm(SCENARIOS[name]);
      rounds[name] = await measureRounds(lab, SCENARIOS[name], contenders, pace);
      figures[name] = figuresOf(SCENARIOS[name], rounds[name]);
    });
  }
  for (const contender of contenders) await lab.dismiss(contender);
  for (const name of names.filter((candidate) => APART[SCENARIOS[candidate].kind])) {
    const players = SCENARIOS[name].role === undefined ? proxies : definitions;
    await attempt(name, async () => {
      figures[name] = await APART[SCENARIOS[name].kind](lab, SCENARIOS[name], players, pace);
    });
  }
  return { figures, rounds };
}

/** One scenario that can't be measured takes none of the others with it; the run has failed all the same. */
async function attempt(name, measure) {
  say(`${name}\n`);
  try {
    await measure();
  } catch (error) {
    say(`${name} is left out: ${error.message}\n`);
    process.exitCode = 1;
  }
}

/** Those that stay up while they take turns; none where no scenario needs them. */
async function raiseAll(lab, definitions, scenarios) {
  const together = scenarios.filter(({ kind }) => !APART[kind]);
  if (together.length === 0) return [];
  const contenders = [];
  for (const definition of definitions) contenders.push(await lab.raise(definition));
  await verify(lab, contenders, together);
  return contenders;
}

/** Once for each workload, right before it is measured: V8 would else be measured at compiling, longer where there is more. */
function warmer(lab, contenders, { warmMs }) {
  const warm = new Set();
  return async (scenario) => {
    if (warm.has(scenario.workload)) return;
    // Most of what a further workload needs, the first one has warmed.
    const ms = warm.size === 0 ? warmMs : warmMs / 4;
    for (const contender of contenders.filter(({ isNode }) => isNode)) await warmUp(lab, contender, scenario, ms);
    warm.add(scenario.workload);
  };
}

function conclude(scenarios, ratios, setup, { out, command }, committed) {
  if (committed) return judge(committed, ratios, setup.pace);
  const versions = { node: process.version, ...Object.fromEntries(setup.present.map(nameAndVersion)) };
  const { pinned, pace } = setup;
  const report = { machine: describeMachine(), versions, command, pinned, pace, scenarios: rounded(scenarios), ratios };
  writeReport(out, report, setup);
  for (const [name, { value, quiet, target }] of Object.entries(ratios)) {
    say(`${value.toFixed(2)}${remarks(quiet, target)}  ${name}\n`);
  }
  say(`written to ${out}\n`);
}

function remarks(quiet, target) {
  const words = [
    ...(quiet === undefined ? [] : [`quiet ${quiet.toFixed(2)}`]),
    ...(target === undefined ? [] : [`target ${target}`]),
  ];
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}

function nameAndVersion({ name, version }) {
  return [name, version];
}

function judge(committed, ratios, pace) {
  const lines = compare(committed.ratios, ratios);
  // A process that was warmed up for less time is slower, some more so than others.
  if (JSON.stringify(committed.pace) !== JSON.stringify(pace)) say(`unlike the written run: ${committed.command}\n`);
  for (const { name, before, now, tolerance, failed } of lines) {
    say(
      `${failed ? 'WORSE' : 'ok   '}  ${before.toFixed(2)} -> ${now.toFixed(2)}  (tolerance ${tolerance * 100} %)  ${name}\n`,
    );
  }
  if (lines.length === 0) say('nothing to compare: the written report has none of these ratios\n');
  if (lines.length === 0 || lines.some(({ failed }) => failed)) process.exitCode = 1;
}

/** Three digits after the point are more than any of it is known to. */
function rounded(figures) {
  return JSON.parse(
    JSON.stringify(figures, (_, value) => (typeof value === 'number' ? Math.round(value * 1000) / 1000 : value)),
  );
}

function say(text) {
  process.stdout.write(text);
}
