/**
 * `npm run chaos -- --minutes 30`: real processes, real faults, and the ledgers of both ends. Ends with 1 where something was
 * violated. `--seed <n>` repeats the order of a run, `--only <text>` takes the faults whose name holds it, `--keep` leaves the files.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Caller } from './caller.mjs';
import { FAULTS } from './faults.mjs';
import { Ledger } from './ledger.mjs';
import { pick, randomFrom, shuffled } from './random.mjs';
import { judgeFailures, judgeLogs, judgeSizes, judgeTokens, judgeWork } from './verdict.mjs';
import { World } from './world.mjs';

/** As `RHYTHM`, for those who are there to cross a bridge, and not to make a crowd. */
const CALM = { pauseMs: [40, 160], streamMs: [1e8, 1e8], silenceMs: 15_000 };
const QUIET_MS = 600;
const WARM_MS = 5_000;
/** How often two faults come at once. */
const TOGETHER = 0.25;

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Date.now() % 1e9) },
    only: { type: 'string', default: '' },
    keep: { type: 'string' },
  },
});

const seed = Number(options.seed);
const random = randomFrom(seed);
const world = new World();
const ledger = new Ledger();
const rounds = [];

function print(line) {
  process.stdout.write(`${line}\n`);
}

/**
 * One per caller and destination; children, and streams of HTTP+SSE, are reached at one replica, since their sessions live there.
 * Besides those who are served as they speak: some who need a bridge, in both directions, and some who call a federation.
 */
function raiseCallers() {
  const names = [...world.keys.keys()];
  const origin = world.origin;
  const raise = (name, destination, at = origin, more = {}) =>
    new Caller({
      name,
      destination,
      origin: at,
      key: world.keys.get(name),
      random: randomFrom(Math.floor(random() * 1e9)),
      ledger,
      listens: destination === 'sessions' && !more.modern,
      ...more,
    });
  const http = ['sessions', 'plain'].flatMap((destination) => names.map((name) => raise(name, destination)));
  const stdio = world.replicas.map((replica, index) => raise(names[index], 'child', world.originOf(replica)));
  const sse = world.replicas.map((replica, index) => raise(names[index + 2], 'old', world.originOf(replica)));
  const [ada, bob, cyd, dan, eve] = names;
  const bridged = [
    ...[ada, bob].map((name) => raise(name, 'modern', origin, { rhythm: CALM })),
    raise(cyd, 'sessions', origin, { modern: true, rhythm: CALM }),
    raise(dan, 'plain', origin, { modern: true, rhythm: CALM }),
  ];
  const members = ['sessions', 'plain'];
  const federated = [
    raise(eve, 'all', origin, { members, rhythm: CALM }),
    raise(ada, 'all', origin, { members, modern: true, rhythm: CALM }),
  ];
  return [...http, ...stdio, ...sse, ...bridged, ...federated];
}

/** Faults in an order of their own each time, until the time is up; each at least once where there is time for it. */
async function rage(callers) {
  const usable = FAULTS.filter(({ name, needs }) => name.includes(options.only) && !(needs in world.lacks));
  const until = Date.now() + Number(options.minutes) * 60_000;
  for (;;) {
    for (const fault of shuffled(random, usable)) {
      if (Date.now() > until) return;
      await round([fault, ...company(fault, usable)], callers);
    }
  }
}

/** What comes at the same time as a fault, now and then. */
function company({ group }, usable) {
  if (group === undefined || random() > TOGETHER) return [];
  const others = usable.filter((other) => other.group !== undefined && other.group !== group);
  return others.length === 0 ? [] : [pick(random, others)];
}

async function round(faults, callers) {
  const began = Date.now();
  const entries = faults.map((fault) => ({ fault, scope: {}, said: [], began, ended: Number.POSITIVE_INFINITY }));
  rounds.push(...entries);
  await Promise.all(
    entries.map(({ fault, scope, said }) =>
      fault.inject({ world, random, ledger, scope, say: (what) => said.push(what) }),
    ),
  );
  const healed = Date.now();
  await untilWell(faults, callers, healed);
  for (const entry of entries) entry.ended = Date.now();
  tell(entries, healed);
  await trespass(callers);
}

async function untilWell(faults, callers, healed) {
  const recoverMs = faults.reduce((sum, fault) => sum + fault.recoverMs, 0);
  while (!ledger.isWell(callers, healed, QUIET_MS)) {
    if (Date.now() > healed + recoverMs + QUIET_MS) {
      const names = faults.map(({ name }) => name);
      return ledger.note('not recovered in time', { names, recoverMs, last: ledger.failures.at(-1) });
    }
    await sleep(50);
  }
}

function tell(entries, healed) {
  const [{ began }] = entries;
  const failed = ledger.failures.filter((failure) => failure.until >= began);
  const wellMs = Math.max(0, ...failed.map((failure) => failure.until - healed));
  const codes = [...new Set(failed.map(({ fault }) => fault))].join(' ');
  const what = entries.map(({ fault, said }) => [fault.name, ...said].join(': ')).join(', and ');
  print(`${what} (${healed - began} ms): ${failed.length} failed${codes && ` with ${codes}`}, well after ${wellMs} ms`);
}

/** Somebody else's session, and a key that nobody has. */
async function trespass(callers) {
  const holders = callers.filter(({ destination, session }) => destination === 'sessions' && session !== undefined);
  const one = pick(random, holders);
  const other = holders.find(({ name }) => name !== one?.name);
  if (!one || !other) return;
  ledger.trespassed(one.name, await one.trespass(other));
  ledger.strange(one.name, await one.stranger());
}

async function measureAll() {
  const sizes = {};
  for (const name of world.replicas) sizes[name] = await world.measure(name);
  return sizes;
}

/** Sockets to servers that nobody uses any more close by themselves, so that they are waited for. */
async function measureQuiet(before) {
  const end = Date.now() + 20_000;
  for (;;) {
    const sizes = await measureAll();
    const back = Object.entries(before).every(([name, was]) => sizes[name].descriptors <= was.descriptors + 2);
    if (back || Date.now() > end) return sizes;
    await sleep(500);
  }
}

/** What everything takes when it has been used, and isn't any more. */
async function warmUp() {
  const callers = raiseCallers();
  await sleep(WARM_MS);
  await Promise.all(callers.map((caller) => caller.stop()));
  await sleep(6_000);
  return measureAll();
}

async function perform() {
  await world.open();
  for (const lack of Object.values(world.lacks)) print(`left out: ${lack}`);
  const before = await warmUp();
  const began = Date.now();
  const callers = raiseCallers();
  while (!ledger.isWell(callers, began, 0)) await sleep(50);
  await rage(callers);
  await Promise.all(callers.map((caller) => caller.stop()));
  const after = await measureQuiet(before);
  judgeSizes(before, after, ledger);
  const ends = await world.stopReplicas();
  for (const end of ends) if (end.code !== 0) ledger.note('a replica did not end well', end);
  const orphans = world.orphans();
  if (orphans.length > 0) ledger.note('processes outlive those who started them', { orphans });
  const work = { ...judgeWork(world, ledger), tokenRequests: judgeTokens(world, ledger) };
  judgeFailures(ledger, rounds);
  judgeLogs(world, ledger);
  return { before, after, work };
}

function report({ before, after, work }) {
  for (const [name, was] of Object.entries(before)) {
    const is = after[name];
    const show = ({ heapMiB, rssMiB, descriptors }) =>
      `heap ${heapMiB.toFixed(1)} MiB, RSS ${rssMiB.toFixed(0)} MiB, ${descriptors} descriptors`;
    print(`replica ${name}: ${show(was)} before, ${show(is)} after`);
  }
  const { asked, answered, failed, heard } = ledger.counts;
  print(
    `${rounds.length} faults; ${asked} calls asked, ${answered} answered, ${failed} attempts failed, ${heard} messages heard`,
  );
  print(`unsafe: ${work.unsafeAsked} asked, ${work.unsafeDone} done; ${work.tokenRequests} token requests`);
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => void world.close().finally(() => process.exit(1)));
}
print(`seed ${seed}`);
let crashed;
try {
  report(await perform());
} catch (error) {
  crashed = error;
}
for (const violation of ledger.violations) print(`VIOLATED ${JSON.stringify(violation)}`);
if (options.keep !== undefined) {
  fs.writeFileSync(path.join(world.folder, 'failures.json'), JSON.stringify(ledger.failures, null, 1));
  fs.cpSync(world.folder, path.resolve(options.keep), { recursive: true });
}
await world.close();
if (crashed) print(`the suite itself failed: ${crashed.stack}`);
print(`${ledger.violations.length} violations; again with --seed ${seed}`);
// Callers of a run that broke off would go on.
process.exit(crashed || ledger.violations.length > 0 ? 1 : 0);
