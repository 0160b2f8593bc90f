import { pairedRatio, quietRatio } from './figures.mjs';

const BARE = 'bare-undici';
const PRODUCTION = 'drawbridge-production';
const BRIDGE = 'drawbridge-stdio';
const SIDECAR = 'drawbridge-sidecar';

/** How far a ratio may be above the committed one before `--check` fails: processor time and memory repeat well, tails don't. */
const TOLERANCE = {
  cpuUsPerRequest: 0.1,
  cpuUsPerEvent: 0.15,
  heapKiBPerStream: 0.05,
  addedP50Us: 0.25,
  addedP99Us: 0.75,
  addedEventP50Us: 0.3,
  versionMs: 0.3,
  rps: 0.25,
  rssMiB: 0.1,
  firstAnswerMs: 0.25,
};

/** The figures that this project is judged by, each over the same figure of another contender in the same run. */
const RATIOS = [
  { scenario: 'json-32', figure: 'cpuUsPerRequest', of: PRODUCTION, over: BARE, target: 1.35 },
  { scenario: 'json-32', figure: 'cpuUsPerRequest', of: PRODUCTION, over: 'http-proxy-middleware', target: 0.65 },
  { scenario: 'open-1000', figure: 'addedP50Us', of: PRODUCTION, over: BARE, target: 1.5 },
  { scenario: 'open-1000', figure: 'addedP99Us', of: PRODUCTION, over: BARE, target: 2 },
  { scenario: 'idle-5000', figure: 'heapKiBPerStream', of: PRODUCTION, over: BARE, target: 1.15 },
  { scenario: 'json-32', figure: 'cpuUsPerRequest', of: 'drawbridge-callers', over: 'drawbridge-blind', target: 1.15 },
  { scenario: 'json-32', figure: 'cpuUsPerRequest', of: 'drawbridge-callers', over: PRODUCTION },
  { scenario: 'json-32', figure: 'cpuUsPerRequest', of: 'drawbridge', over: BARE },
  { scenario: 'json64k-32', figure: 'cpuUsPerRequest', of: PRODUCTION, over: BARE },
  { scenario: 'sse-32', figure: 'cpuUsPerRequest', of: PRODUCTION, over: BARE },
  { scenario: 'json2026-32', figure: 'cpuUsPerRequest', of: PRODUCTION, over: BARE },
  { scenario: 'list-32', figure: 'cpuUsPerRequest', of: PRODUCTION, over: BARE },
  { scenario: 'stream', figure: 'addedEventP50Us', of: PRODUCTION, over: BARE },
  { scenario: 'stream', figure: 'cpuUsPerEvent', of: PRODUCTION, over: BARE },
  { scenario: 'idle-1000', figure: 'heapKiBPerStream', of: PRODUCTION, over: BARE },
  // Less is better, here too: six times its calls per second is a sixth of it over ours.
  { scenario: 'stdio-64', figure: 'rps', of: 'mcp-remote', over: BRIDGE, target: 0.167 },
  { scenario: 'stdio-1', figure: 'addedP50Us', of: BRIDGE, over: 'mcp-remote', target: 0.25 },
  { scenario: 'stdio-start', figure: 'firstAnswerMs', of: BRIDGE, over: 'mcp-remote', target: 0.5 },
  { scenario: 'stdio-64', figure: 'rssMiB', of: BRIDGE, over: 'mcp-remote', target: 0.65 },
  { scenario: 'sidecar-32', figure: 'cpuUsPerRequest', of: SIDECAR, over: 'mcp-proxy', target: 0.25 },
  { scenario: 'sidecar-32', figure: 'cpuUsPerRequest', of: SIDECAR, over: 'supergateway-sidecar', target: 0.25 },
  { scenario: 'stdio-64', figure: 'rps', of: 'supergateway-stdio', over: BRIDGE },
  { scenario: 'stdio-64', figure: 'cpuUsPerRequest', of: BRIDGE, over: 'bare-lines' },
  { scenario: 'stdio-1', figure: 'addedP50Us', of: BRIDGE, over: 'bare-lines' },
  { scenario: 'stdio-start', figure: 'firstAnswerMs', of: BRIDGE, over: 'bare-lines' },
  { scenario: 'sidecar-32', figure: 'cpuUsPerRequest', of: SIDECAR, over: 'bare-spawn' },
  { scenario: 'toolset-32', figure: 'cpuUsPerRequest', of: 'drawbridge-toolset', over: 'drawbridge-http' },
  // Less is better: calls per second of a server behind the proxy over those of the tool in it.
  { scenario: 'toolset-32', figure: 'rps', of: 'drawbridge-http', over: 'drawbridge-toolset' },
  { scenario: 'qlik-200', figure: 'cpuUsPerRequest', of: '200-users', over: '1-user' },
];

/**
 * `{ value, quiet?, target?, tolerance }` by the ratio's name, of all ratios whose figures were measured: from the rounds, by
 * scenario, where they have the figure, else from the figures themselves.
 */
export function ratiosOf(scenarios, rounds = {}) {
  const ratios = {};
  for (const { scenario, figure, of, over, target } of RATIOS) {
    const paired = pairedRatio(rounds[scenario], figure, of, over);
    const value = quotient(
      paired ?? scenarios[scenario]?.[of]?.[figure],
      paired ? 1 : scenarios[scenario]?.[over]?.[figure],
    );
    if (value === undefined) continue;
    const quiet = quotient(quietRatio(rounds[scenario], figure, of, over), 1);
    ratios[`${scenario} ${figure} ${of} / ${over}`] = { value, quiet, target, tolerance: TOLERANCE[figure] };
  }
  return ratios;
}

/** Undefined where there is nothing to divide by, such as a latency that noise made less than none. */
function quotient(value, by) {
  return value > 0 && by > 0 ? Math.round((value / by) * 1000) / 1000 : undefined;
}

/** Every ratio that both runs have, with `failed` where it grew beyond its tolerance. */
export function compare(committed, measured) {
  return Object.entries(measured)
    .filter(([name]) => committed[name])
    .map(([name, { value, tolerance }]) => {
      const before = committed[name].value;
      return { name, before, now: value, tolerance, failed: value > before * (1 + tolerance) };
    });
}
