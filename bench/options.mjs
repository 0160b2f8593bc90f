import { parseArgs } from 'node:util';
import { CONTENDERS, QUICK_PROXIES } from './contenders/contenders.mjs';
import { SCENARIOS } from './scenarios.mjs';

/**
 * Milliseconds. Many short rounds: a machine that others use, too, changes its speed from second to second. One of the open
 * loop has to be long enough for a p99.
 */
const FULL = { rounds: 15, roundMs: 100, openMs: 400, warmMs: 6000, idleRounds: 1, starts: 7 };
const QUICK = { rounds: 7, roundMs: 180, openMs: 300, warmMs: 4000, idleRounds: 1, starts: 2 };

export const USAGE = `npm run bench -- [options]
  --quick              under one minute: fewer scenarios, contenders and rounds
  --only <names>       contenders, separated by commas: ${CONTENDERS.map(({ name }) => name).join(', ')}
  --scenario <names>   scenarios, separated by commas: ${Object.keys(SCENARIOS).join(', ')}; stdio means all of stdio-* and sidecar-*, qlik all of toolset-* and qlik-*
  --rounds <n>         rounds per scenario (${FULL.rounds}; ${QUICK.rounds} with --quick)
  --check              compare the ratios with the written report's instead of writing one
  --out <folder>       where REPORT.md and report.json are written (bench/)
`;

/** The command line as `{ help, check, out, pace, contenders, scenarios, command }`; throws an Error that names what is wrong. */
export function readOptions(args, folder) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      scenario: { type: 'string' },
      rounds: { type: 'string' },
      check: { type: 'boolean', default: false },
      out: { type: 'string', default: folder },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const usual = values.quick ? QUICK : FULL;
  const standard = Object.keys(SCENARIOS).filter((name) => !values.quick || SCENARIOS[name].quick);
  return {
    help: values.help,
    check: values.check,
    out: values.out,
    pace: { ...usual, rounds: values.rounds === undefined ? usual.rounds : count(values.rounds) },
    contenders: contendersOf(values),
    scenarios: values.scenario === undefined ? standard : chosen(spelledOut(values.scenario), Object.keys(SCENARIOS)),
    command: ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
  };
}

function contendersOf({ only, quick }) {
  if (only === undefined && quick) {
    return CONTENDERS.filter((contender) => contender.role !== undefined || QUICK_PROXIES.includes(contender));
  }
  return CONTENDERS.filter(({ name }) => chosen(only, CONTENDERS.map(nameOf)).includes(name));
}

/** A group's name stands for its scenarios. */
function spelledOut(list) {
  const membersOf = (name) => Object.keys(SCENARIOS).filter((member) => SCENARIOS[member].group === name);
  return list
    .split(',')
    .map((name) => membersOf(name.trim()).join() || name)
    .join();
}

function nameOf({ name }) {
  return name;
}

function chosen(list, known) {
  if (list === undefined) return known;
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${unknown} is none of ${known.join(', ')}`);
  return names;
}

function count(text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 100) throw new Error('--rounds must be a number from 1 to 100');
  return value;
}
