import fs from 'node:fs';
import path from 'node:path';
import { SCENARIOS } from './scenarios.mjs';

const COLUMNS = {
  cpuUsPerRequest: 'CPU µs/request',
  cpuUsPerEvent: 'CPU µs/event',
  rps: 'requests/s',
  eventsPerSecond: 'events/s',
  p50Us: 'p50 µs',
  p99Us: 'p99 µs',
  addedP50Us: 'added p50 µs',
  addedP99Us: 'added p99 µs',
  eventP50Us: 'event p50 µs',
  eventP99Us: 'event p99 µs',
  addedEventP50Us: 'added p50 µs',
  addedEventP99Us: 'added p99 µs',
  firstEventP50Us: 'first event p50 µs',
  addedFirstEventP50Us: 'added first event p50 µs',
  unanswered: 'unanswered',
  heapKiBPerStream: 'heap KiB/stream',
  rssKiBPerStream: 'RSS KiB/stream',
  rssMiB: 'RSS MiB',
  tokenRequests: 'token requests',
  sockets: 'sockets opened',
  openDocs: '`OpenDoc`',
  engineCalls: 'engine calls',
  callMs: 'ms',
  openSockets: 'open sockets at the tenant',
  listenMs: 'listening ms',
  firstAnswerMs: 'first answer ms',
  firstCallMs: 'first call ms',
  versionMs: '`--version` ms',
  exitMs: '`node -e 0` ms',
};

const MARGINS = ({ pinned, pace }) => `
## How it was measured

Everything runs on this machine, over loopback. ${pinned ? 'The load and the upstream share one core, the contender has another to itself (`taskset`).' : 'Nothing was pinned to a core.'}
Contenders take turns round by round; a figure is the median over rounds: ${pace.rounds} of ${pace.roundMs} ms (open loop: ${pace.openMs} ms), after ${pace.warmMs} ms of load over 32 connections or more on each that V8 compiles, and a quarter of that for each further workload. A ratio is the median of the ratios of each round, where rounds have the figure: both sides of one were measured within seconds. *Quiet*: the same of each side's best quarter of rounds, since what else a machine does, on the other thread of the same core too, only adds to processor time.
Every contender's answers were compared with the upstream's, byte for byte, before it was measured.

- **CPU** is that of the contender's whole process tree, as the kernel's scheduler counts it (\`schedstat\`).
- **Closed loop**: each connection sends its next request at the last byte of the answer before. Latencies at a full core are queues, not costs: read CPU and requests per second.
- **Open loop**: a fixed rate; a latency starts when its request was due, whether or not a connection was free (no coordinated omission). A thread keeps the time; how late the
  load itself was stands as \`latenessP50Us\` and \`latenessP99Us\` in \`report.json\`, and in every contender's latency alike. *Added* is the difference to the direct way.
- **Streams**: the upstream writes the time into each event; all processes of a machine share that clock.
- **Memory**: a fresh process per figure${pace.idleRounds > 1 ? `, median of ${pace.idleRounds}` : ''}; *heap* is \`heapUsed\` + \`external\` after a forced collection, Node only. Sizes of several processes are added up, shared pages too.
- **stdio**: the load writes lines into a bridge's stdin and reads its stdout, or calls an HTTP server in front of a stdio one; what it calls answers at once. CPU and memory
  are those of the bridge's own process, without its child. *First answer* is that to \`initialize\`, asked for at the start.
- **Qlik**: the tenant is the mock of \`mcp-drawbridge/testing\`, a process of its own, on the load's core; callers prove who they are by signed tokens, and each is shown to the tenant as a user of their own
  (impersonation). What the tenant was asked is counted there. With 200 users it is the tenant that is busy: read CPU, memory and sockets. *Sockets opened* and the rest: per call.
- **Start**: from spawning to the first accepted connection, and to the first answered \`tools/call\`, asked for every 2 ms; median of ${pace.starts}. For the production configuration that includes its first token.
`;

/** Writes REPORT.md and report.json into the folder. */
export function writeReport(folder, report, setup) {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  fs.writeFileSync(path.join(folder, 'REPORT.md'), markdown(report, setup));
}

/** The figures of the run that was written there. */
export function readReport(folder) {
  const file = path.join(folder, 'report.json');
  if (!fs.existsSync(file)) throw new Error(`there is no ${file} to compare with`);
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}

function markdown(report, setup) {
  const parts = [
    '# What a proxy in front of an MCP server costs\n',
    `\`${report.command}\` on ${report.machine}.\n`,
    ratios(report.ratios),
    ...Object.entries(report.scenarios).map(([name, figures]) => scenario(name, figures)),
    '## Contenders\n',
    contenders(setup),
  ];
  return `${parts.join('\n')}${MARGINS(setup)}`;
}

function ratios(measured) {
  const rows = Object.entries(measured).map(([name, { value, quiet, target }]) => {
    const [scenarioName, figure, ...pair] = name.split(' ');
    return [
      scenarioName,
      COLUMNS[figure],
      pair.join(' '),
      value.toFixed(2),
      quiet?.toFixed(2) ?? '–',
      ...verdict(value, target),
    ];
  });
  return `## Ratios\n\n${table(['scenario', 'figure', 'of / over', 'ratio', 'quiet', 'target', ''], rows)}`;
}

function verdict(value, target) {
  if (target === undefined) return ['', ''];
  return [`≤ ${target}`, value <= target ? 'met' : '**missed**'];
}

function scenario(name, figures) {
  const keys = Object.keys(COLUMNS).filter((key) => Object.values(figures).some((row) => row[key] !== undefined));
  const rows = Object.entries(figures).map(([contender, row]) => [contender, ...keys.map((key) => readable(row[key]))]);
  const heading = `## ${SCENARIOS[name].title} (\`${name}\`)`;
  return `${heading}\n\n${table(['', ...keys.map((key) => COLUMNS[key])], rows)}`;
}

function contenders({ present, skipped }) {
  const rows = present.map(({ name, version, about }) => [name, version, about]);
  const words = skipped.map(({ name, get }) => `Skipped: ${name} (not installed: \`${get}\`).\n`);
  return `${table(['contender', 'version', 'configuration'], rows)}${words.length > 0 ? '\n' : ''}${words.join('')}`;
}

function readable(value) {
  if (value === undefined) return '–';
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 });
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |\n`;
  const isNumeric = (column) => rows.every((cells) => /^[\d.,–-]*$/.test(cells[column]));
  return line(head) + line(head.map((_, column) => (isNumeric(column) ? '---:' : '---'))) + rows.map(line).join('');
}
