/**
 * `npm run soak -- --minutes 10 --connections 1000`: so many clients, each with a session of its own, a stream that it holds
 * (and asks for anew after one to four minutes) and a call twice a minute. Memory after a forced collection, resident size and descriptors
 * of Drawbridge every ten seconds; ends with 1 where their trend rises by more than is allowed. `--report <file>` writes it down.
 */
import fs from 'node:fs';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { median } from '../../bench/figures.mjs';
import { Caller } from './caller.mjs';
import { Ledger } from './ledger.mjs';
import { randomFrom } from './random.mjs';
import { judgeLogs, judgeWork } from './verdict.mjs';
import { World } from './world.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    connections: { type: 'string', default: '1000' },
    report: { type: 'string' },
  },
});
const minutes = Number(options.minutes);
const connections = Number(options.connections);
const EVERY_MS = 10_000;
const RHYTHM = { pauseMs: [20_000, 40_000], streamMs: [60_000, 240_000], silenceMs: 90_000 };
/** What the trend may rise by from the first sample to the last. Sockets come and go, so that their number wavers. */
const ALLOWED = { heapMiB: 4, rssMiB: 48, descriptors: connections / 10 };

/** A machine that others use as well may be late now and then. */
const MOST_FAILED = 0.01;

const random = randomFrom(1);
const world = new World({ alone: true, tokenMs: 120_000, firstByteMs: 60_000 });
const ledger = new Ledger();

function print(line) {
  process.stdout.write(`${line}\n`);
}

function raise(number) {
  const names = [...world.keys.keys()];
  const name = names[number % names.length];
  const seed = Math.floor(random() * 1e9);
  return new Caller({
    name,
    key: world.keys.get(name),
    origin: world.origin,
    destination: 'sessions',
    random: randomFrom(seed),
    ledger,
    listens: true,
    rhythm: RHYTHM,
  });
}

/** Everybody has a session and a stream by the time when everybody has called once, and the code is warm. */
async function begin() {
  const callers = Array.from({ length: connections }, (_, number) => raise(number));
  const end = Date.now() + 120_000;
  while (callers.some(({ session }) => session === undefined)) {
    if (Date.now() > end) throw new Error('not everybody has a session after two minutes');
    await sleep(100);
  }
  await sleep(RHYTHM.pauseMs[1]);
  return callers;
}

async function observe() {
  const samples = [];
  const until = Date.now() + minutes * 60_000;
  while (Date.now() < until) {
    const at = Date.now();
    const sample = { at, ...(await world.measure('one')) };
    samples.push(sample);
    print(`${samples.length * (EVERY_MS / 1000) - 10} s: ${show(sample)}`);
    await sleep(at + EVERY_MS - Date.now());
  }
  return samples;
}

function show({ heapMiB, rssMiB, descriptors }) {
  return `heap ${heapMiB.toFixed(2)} MiB, RSS ${rssMiB.toFixed(0)} MiB, ${descriptors} descriptors`;
}

/** What the samples rise by from the first to the last: the median slope of all pairs (Theil and Sen), which a burst doesn't bend. */
function rise(samples, key) {
  const slopes = samples.flatMap((one, index) =>
    samples.slice(index + 1).map((other) => (other[key] - one[key]) / (other.at - one.at)),
  );
  return median(slopes) * (samples.at(-1).at - samples[0].at);
}

function judge(samples) {
  const rows = Object.entries(ALLOWED).map(([key, allowed]) => {
    const values = samples.map((sample) => sample[key]);
    const rises = rise(samples, key);
    if (rises > allowed) ledger.note('not flat', { key, rises, allowed });
    return [key, values[0], Math.max(...values), values.at(-1), rises, allowed].map(figure).join(' | ');
  });
  return [
    '| | first | most | last | the trend rises by | allowed |',
    '|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${row} |`),
  ];
}

function figure(value) {
  return typeof value === 'number' ? value.toFixed(1) : value;
}

/** Idle connections to servers close by themselves, which the servers here do after 20 seconds. */
async function measureQuiet(descriptors) {
  const end = Date.now() + 60_000;
  for (;;) {
    const after = await world.measure('one');
    if (after.descriptors <= descriptors) return after;
    if (Date.now() > end) {
      ledger.note('descriptors are not back where they were', { descriptors, after });
      return after;
    }
    await sleep(1000);
  }
}

async function perform() {
  await world.open();
  await world.tell('sessions', { tellMs: 10_000 });
  const fresh = await world.measure('one');
  const callers = await begin();
  const samples = await observe();
  await Promise.all(callers.map((caller) => caller.stop()));
  const after = await measureQuiet(fresh.descriptors + 10);
  await world.stopReplicas();
  judgeWork(world, ledger);
  judgeLogs(world, ledger);
  if (ledger.counts.failed > ledger.counts.asked * MOST_FAILED) {
    ledger.note('too many calls failed', { failed: ledger.counts.failed, some: ledger.failures.slice(0, 5) });
  }
  return { fresh, samples, after };
}

function report({ fresh, samples, after }) {
  const { asked, answered, failed, heard } = ledger.counts;
  const faults = [...new Set(ledger.failures.map(({ fault }) => fault))].join(' ');
  return [
    `${connections} connections with a stream each for ${minutes} minutes, ${samples.length} samples; Node ${process.version}, ${os.cpus().length} cores.`,
    '',
    ...judge(samples),
    '',
    `Before the first client: ${show(fresh)}; when the last one had left: ${show(after)}.`,
    `${asked} calls asked, ${answered} answered, ${failed} attempts failed${faults && ` (${faults})`}; ${heard} messages on streams; ${ledger.violations.length} violations.`,
  ].join('\n');
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => void world.close().finally(() => process.exit(1)));
}
try {
  const text = report(await perform());
  print(text);
  if (options.report) fs.writeFileSync(options.report, `${text}\n`);
} catch (error) {
  ledger.note('the soak itself failed', { stack: error.stack });
}
for (const violation of ledger.violations) print(`VIOLATED ${JSON.stringify(violation)}`);
await world.close();
// Callers of a run that broke off would go on.
process.exit(ledger.violations.length > 0 ? 1 : 0);
