/** `npm run bench:page`: writes the figures of bench/report.json between their marks in docs/performance.md. */
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SCENARIOS } from './scenarios.mjs';

const PAGE = new URL('../docs/performance.md', import.meta.url);
const REPORT = new URL('./report.json', import.meta.url);
const MARKED = /<!-- figures: ([\w-]+) -->\n.*?<!-- end of figures -->/gs;

const MISSING = '–';
const PRODUCTION = 'drawbridge-production';
/** How busy a core may be before what waits for it shows in latencies. */
const SHARE_OF_A_CORE = 0.6;
const LISTENERS = 10_000;

/** What stands between the marks, by their names. */
const FIGURES = {
  made: ({ command, machine }) => `Made by \`${command}\` on ${machine}.`,
  ratios: (report) => ratios(report, undefined),
  call: (report) =>
    table(report, 'json-32', [
      ['CPU µs/request', 'json-32', 'cpuUsPerRequest', 1],
      ['requests/s', 'json-32', 'rps'],
      ['RSS MiB', 'json-32', 'rssMiB'],
    ]),
  latency: (report) =>
    table(report, 'open-1000', [
      ['added p50 µs', 'open-1000', 'addedP50Us'],
      ['added p99 µs', 'open-1000', 'addedP99Us'],
    ]),
  'other-calls': (report) =>
    table(report, 'json64k-32', [
      ['64 KiB of JSON', 'json64k-32', 'cpuUsPerRequest'],
      ['one event', 'sse-32', 'cpuUsPerRequest'],
      ['2026-07-28', 'json2026-32', 'cpuUsPerRequest'],
      ['`tools/list`', 'list-32', 'cpuUsPerRequest'],
      ['one connection', 'json-1', 'cpuUsPerRequest'],
      ['256 connections', 'json-256', 'cpuUsPerRequest'],
    ]),
  'bridge-ratios': (report) => ratios(report, 'stdio'),
  bridges: (report) =>
    table(report, 'stdio-64', [
      ['calls/s', 'stdio-64', 'rps'],
      ['CPU µs/call', 'stdio-64', 'cpuUsPerRequest'],
      ['RSS MiB', 'stdio-64', 'rssMiB'],
      ['added p50 µs', 'stdio-1', 'addedP50Us'],
      ['first answer ms', 'stdio-start', 'firstAnswerMs'],
    ]),
  sidecars: (report) =>
    table(report, 'sidecar-32', [
      ['calls/s', 'sidecar-32', 'rps'],
      ['CPU µs/call', 'sidecar-32', 'cpuUsPerRequest'],
      ['RSS MiB', 'sidecar-32', 'rssMiB'],
    ]),
  'toolset-ratios': (report) => ratios(report, 'qlik'),
  tenant: (report) =>
    table(report, 'qlik-reuse', [
      ['token requests', 'qlik-reuse', 'tokenRequests'],
      ['sockets opened', 'qlik-reuse', 'sockets'],
      ['`OpenDoc`', 'qlik-reuse', 'openDocs'],
      ['engine calls', 'qlik-reuse', 'engineCalls'],
    ]),
  users: (report) =>
    table(report, 'qlik-200', [
      ['calls/s', 'qlik-200', 'rps'],
      ['RSS MiB', 'qlik-200', 'rssMiB'],
      ['open sockets at the tenant', 'qlik-200', 'openSockets'],
      ['sockets opened anew', 'qlik-200', 'sockets'],
    ]),
  streams: (report) =>
    table(report, 'stream', [
      ['CPU µs/event', 'stream', 'cpuUsPerEvent', 1],
      ['added p50 µs', 'stream', 'addedEventP50Us'],
      ['heap KiB/stream', 'idle-5000', 'heapKiBPerStream', 1],
      ['RSS KiB/stream', 'idle-5000', 'rssKiBPerStream', 1],
    ]),
  start: (report) =>
    table(report, 'start', [
      ['listening ms', 'start', 'listenMs'],
      ['first answer ms', 'start', 'firstAnswerMs'],
      ['`--version` ms', 'start', 'versionMs'],
      ['`node -e 0` ms', 'start', 'exitMs'],
    ]),
  workers: (report) =>
    table(report, 'scale-64', [
      ['requests/s', 'scale-64', 'rps'],
      ['CPU µs/request', 'scale-64', 'cpuUsPerRequest'],
      ['RSS MiB', 'scale-64', 'rssMiB'],
    ]),
  sizing,
};

/**
 * The page with a report's figures between its marks.
 * @throws Error for a mark that names no figures, or a report without them
 */
export function filled(page, report) {
  return page.replaceAll(MARKED, (_, name) => {
    if (!FIGURES[name]) throw new Error(`${name} is none of ${Object.keys(FIGURES).join(', ')}`);
    return `<!-- figures: ${name} -->\n${FIGURES[name](report)}\n<!-- end of figures -->`;
  });
}

/** The ratios of a group's scenarios, or of those that are in none. */
function ratios(report, group) {
  const rows = Object.entries(report.ratios)
    .map(([name, ratio]) => ({ ...ratio, words: name.split(' ') }))
    .filter(({ words: [scenario] }) => SCENARIOS[scenario].group === group)
    .map(({ words: [scenario, figure, ...pair], value, quiet, target }) => [
      `\`${scenario}\``,
      `\`${figure}\``,
      pair.join(' '),
      value.toFixed(2),
      quiet?.toFixed(2) ?? '',
      target === undefined ? '' : `≤ ${target}`,
    ]);
  return lines(['scenario', 'figure', 'of / over', 'ratio', 'quiet', 'target'], 3, rows);
}

/** Everybody of a scenario who has one of the figures, and all that columns `[title, scenario, figure, digits]` say of them. */
function table({ scenarios }, who, columns) {
  const rows = Object.keys(scenarios[who])
    .map((name) => [name, ...columns.map(([, ...place]) => cell(scenarios, name, place))])
    .filter(([, ...cells]) => cells.some((text) => text !== MISSING));
  return lines(['', ...columns.map(([title]) => title)], 1, rows);
}

function cell(scenarios, name, [scenario, figure, digits = 0]) {
  const value = scenarios[scenario]?.[name]?.[figure];
  return value === undefined ? MISSING : number(value, digits);
}

function number(value, digits = 0) {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A table of which so many columns are text. */
function lines(heads, texts, rows) {
  const rule = heads.map((_, column) => (column < texts ? '---' : '---:'));
  return [heads, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function sizing({ scenarios }) {
  const { cpuUsPerRequest, rssMiB } = scenarios['json-32'][PRODUCTION];
  const large = scenarios['json64k-32'][PRODUCTION].cpuUsPerRequest;
  const silent = scenarios['json-32'].drawbridge.cpuUsPerRequest;
  const kiB = scenarios['idle-5000'][PRODUCTION].rssKiBPerStream;
  const calls = Math.floor(((1e6 / cpuUsPerRequest) * SHARE_OF_A_CORE) / 100) * 100;
  return [
    `- **Processor**: a core at ${SHARE_OF_A_CORE * 100} % carries about ${number(calls)} small calls a second on this machine (\`json-32\`: ${number(cpuUsPerRequest)} µs each). 64 KiB of answer cost ${number(large)} µs.`,
    `- **Memory**: about ${number(rssMiB)} MiB under load, and ${number(kiB)} KiB for each stream that is held open (\`idle-5000\`). ${number(LISTENERS)} editors that listen need ${number((kiB * LISTENERS) / 1024 ** 2, 1)} GiB more.`,
    `- **Log**: one line of about 350 bytes per call. At \`--log-level error\` the same call costs ${number(silent)} µs instead of ${number(cpuUsPerRequest)} (without a credential).`,
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  fs.writeFileSync(PAGE, filled(fs.readFileSync(PAGE, 'utf8'), JSON.parse(fs.readFileSync(REPORT, 'utf8'))));
}
