import fs from 'node:fs';
import path from 'node:path';

/** What the servers' ledgers say: whose session was used by whom, and what must not be done twice. */
export function judgeWork(world, ledger) {
  const entries = ['sessions', 'plain', 'modern', 'old', 'stdio'].flatMap((name) => world.entries(name));
  judgeOwners(entries, ledger);
  const done = new Map();
  for (const { call, safe } of entries) if (!safe) done.set(call, (done.get(call) ?? 0) + 1);
  for (const [call, times] of done) {
    if (times > 1) ledger.note('an unsafe call was done twice', { call, times });
  }
  for (const [call, { answered }] of ledger.unsafe) {
    if (answered && !done.has(call)) ledger.note('an unsafe call was answered, and never done', { call });
  }
  return { unsafeAsked: ledger.unsafe.size, unsafeDone: done.size };
}

function judgeOwners(entries, ledger) {
  const owners = new Map();
  for (const { session, caller, call } of entries) {
    // A server of 2026-07-28 has none.
    if (session === undefined) continue;
    const owner = owners.get(session) ?? caller;
    owners.set(session, owner);
    if (owner !== caller) ledger.note("a call reached another caller's session", { owner, caller, call });
  }
}

/** Failures that no fault excuses, or that outlived their excuse. `rounds`: what was done when, with its scope. */
export function judgeFailures(ledger, rounds) {
  for (const failure of ledger.failures) {
    const met = rounds.filter(({ began, ended }) => failure.until >= began && failure.at <= ended);
    if (met.some(({ fault, scope }) => !fault.spares(failure, scope))) continue;
    ledger.note('a call failed without an excuse', { ...failure, during: met.map(({ fault }) => fault.name) });
  }
}

/** The provider takes a refresh token until the next one is shown, so that none that a living process holds is ever refused. */
export function judgeTokens(world, ledger) {
  const requests = world.entries('provider');
  for (const { at, grant } of requests.filter(({ refused }) => refused)) {
    ledger.note('a login was lost', { at, grant });
  }
  return requests.length;
}

const UNWANTED = /exchange\.failed|"code":"INTERNAL"|[Uu]nhandled|MaxListeners|Warning:|\n\s+at .*\(.*:\d+:\d+\)/;

/** What the replicas wrote: nothing of it may be a secret, or a fault of their own. */
export function judgeLogs(world, ledger) {
  const issued = world.entries('provider').flatMap(({ token, refreshToken }) => [token, refreshToken]);
  const secrets = [...world.keys.values(), ...Object.values(world.secrets), ...issued].filter(Boolean);
  for (const name of world.replicas) {
    const log = world.log(name);
    for (const secret of secrets) {
      if (log.includes(secret)) ledger.note('a secret is in the log', { name, secret: `${secret.slice(0, 8)}…` });
    }
    const lines = log.split('\n').filter(Boolean);
    const odd = lines.filter((line) => UNWANTED.test(line) || !isJson(line));
    for (const line of odd.slice(0, 5)) ledger.note('the log tells a fault', { name, line: line.slice(0, 600) });
  }
  const left = fs.readdirSync(world.folder).filter((file) => /core|heapsnapshot|report\./.test(path.basename(file)));
  if (left.length > 0) ledger.note('a process left a dump', { left });
}

/** Room that code and caches may take once; a leak of one object per call is well beyond it. */
const HEAP_MIB = 10;
const DESCRIPTORS = 6;

export function judgeSizes(before, after, ledger) {
  for (const [name, was] of Object.entries(before)) {
    const is = after[name];
    if (is.heapMiB - was.heapMiB > HEAP_MIB) ledger.note('memory is not back where it was', { name, was, is });
    if (is.descriptors - was.descriptors > DESCRIPTORS)
      ledger.note('descriptors are not back where they were', { name, was, is });
  }
}

function isJson(line) {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
