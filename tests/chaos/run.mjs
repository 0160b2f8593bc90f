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
import { judgeFailures, judgeLogs, judgeSizes, judgeWork } from './verdict.mjs';
import { World } from './world.mjs';

const QUIET_MS = 600;
const WARM_MS = 5_000;

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
const until = Date.now() + Number(options.minutes) * 60_000;
const world = new World();
const ledger = new Ledger();
const rounds = [];

function print(line) {
  process.stdout.write(`${line}\n`);
}

/** One per caller and destination; children are called at one replica, since their sessions live there. */
function raiseCallers() {
  const names = [...world.keys.keys()];
  const origin = world.origin;
  const raise = (name, destination, at) =>
    new Caller({
      name,
      destination,
      origin: at,
      key: world.keys.get(name),
      random: randomFrom(Math.floor(random() * 1e9)),
      ledger,
      listens: destination === 'sessions',
    });
  const http = ['sessions', 'plain'].flatMap((destination) => names.map((name) => raise(name, destination, origin)));
  const stdio = world.replicas.map((replica, index) => raise(names[index], 'child', world.originOf(replica)));
  return [...http, ...stdio];
}

/** Faults in an order of their own each time, until the time is up; each at least once where there is time for it. */
async function rage(callers) {
  const usable = FAULTS.filter(({ name, needs }) => name.includes(options.only) && !(needs in world.lacks));
  for (;;) {
    for (const fault of shuffled(random, usable)) {
      if (Date.now() > until) return;
      await round(fault, callers);
    }
  }
}

async function round(fault, callers) {
  const scope = {};
  const said = [];
  const began = Date.now();
  const entry = { fault, scope, began, ended: Number.POSITIVE_INFINITY };
  rounds.push(entry);
  await fault.inject({ world, random, ledger, scope, say: (what) => said.push(what) });
  const healed = Date.now();
  const end = healed + fault.recoverMs;
  while (!ledger.isWell(callers, healed, QUIET_MS)) {
    if (Date.now() > end + QUIET_MS) {
      ledger.note('not recovered in time', {
        fault: fault.name,
        recoverMs: fault.recoverMs,
        last: ledger.failures.at(-1),
      });
      break;
    }
    await sleep(50);
  }
  entry.ended = Date.now();
  const failed = ledger.failures.filter((failure) => failure.until >= began);
  const recoveredMs = Math.max(0, ...failed.map((failure) => failure.until - healed));
  entry.recoveredMs = recoveredMs;
  const codes = [...new Set(failed.map((failure) => failure.fault))].join(' ');
  const what = [fault.name, ...said].join(': ');
  print(
    `${what} — ${healed - began} ms, ${failed.length} failed${codes && ` (${codes})`}, well ${recoveredMs} ms after`,
  );
  await trespass(callers);
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
  const callers = raiseCallers();
  while (!ledger.isWell(callers, 1, 0)) await sleep(50);
  await rage(callers);
  await Promise.all(callers.map((caller) => caller.stop()));
  const after = await measureQuiet(before);
  judgeSizes(before, after, ledger);
  const ends = await world.stopReplicas();
  for (const end of ends) if (end.code !== 0) ledger.note('a replica did not end well', end);
  const orphans = world.orphans();
  if (orphans.length > 0) ledger.note('processes outlive those who started them', { orphans });
  const work = judgeWork(world, ledger);
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
  print(`unsafe: ${work.unsafeAsked} asked, ${work.unsafeDone} done, each once`);
}

print(`seed ${seed}`);
let crashed;
try {
  report(await perform());
} catch (error) {
  crashed = error;
}
for (const violation of ledger.violations) print(`VIOLATED ${JSON.stringify(violation)}`);
if (options.keep !== undefined) fs.cpSync(world.folder, path.resolve(options.keep), { recursive: true });
await world.close();
if (crashed) print(`the suite itself failed: ${crashed.stack}`);
print(`${ledger.violations.length} violations; again with --seed ${seed}`);
process.exitCode = crashed || ledger.violations.length > 0 ? 1 : 0;
