import { figuresOf, median } from '../figures.mjs';
import { measureRounds, verify, warmUp } from '../rounds.mjs';

/** Calls that one user has under way where there is one only. */
const AT_ONCE = 16;

/** A tool of the process beside the same answer from a server behind it. */
export async function measureToolset(lab, scenario, definitions, pace) {
  const load = { ...scenario, kind: 'closed' };
  const contenders = [];
  for (const definition of definitions.filter(({ role }) => role === scenario.role)) {
    contenders.push(await lab.raise(definition));
  }
  await verify(lab, contenders, [load]);
  for (const contender of contenders) await warmUp(lab, contender, load, pace.warmMs);
  const samples = await measureRounds(lab, load, contenders, pace);
  for (const contender of contenders) await lab.dismiss(contender);
  return figuresOf(load, samples);
}

/** What opening an app and two calls on it cost the tenant, each the mean of all users. Throws where an open app is opened again. */
export async function measureReuse(lab, { users }) {
  const qlik = await lab.openQlik(users + 1);
  const [first, ...others] = qlik.users;
  // The first of all finds code that never ran.
  await walk(qlik, first);
  const walks = [];
  for (const user of others) walks.push(await walk(qlik, user));
  await qlik.close();
  const figures = {};
  for (const step of Object.keys(walks[0])) figures[step] = meansOf(walks.map((each) => each[step]));
  const { tokenRequests, sockets, openDocs } = figures['second call'];
  if (tokenRequests + sockets + openDocs > 0)
    throw new Error('the second call did not use what the first one had opened');
  return figures;
}

/** Every user with an app open on one process, against one user with several calls under way. */
export async function measureUsers(lab, { users }, _definitions, pace) {
  return {
    '1-user': await measureCrowd(lab, 1, AT_ONCE, pace),
    [`${users}-users`]: await measureCrowd(lab, users, 1, pace),
  };
}

async function walk(qlik, user) {
  await qlik.count();
  const opened = await qlik.order({ op: 'open', user });
  const steps = { 'opening the app': { callMs: opened.ms, ...(await qlik.count()) } };
  for (const name of ['first call', 'second call']) {
    const { ms } = await qlik.order({ op: 'call', user, handle: opened.handle });
    steps[name] = { callMs: ms, ...(await qlik.count()) };
  }
  return steps;
}

/** Times are medians: one slow call says nothing about the others. */
function meansOf(samples) {
  const mean = (key) => samples.reduce((sum, sample) => sum + sample[key], 0) / samples.length;
  const counts = ['tokenRequests', 'sockets', 'openDocs', 'engineCalls'].map((key) => [key, mean(key)]);
  return { callMs: median(samples.map(({ callMs }) => callMs)), ...Object.fromEntries(counts) };
}

async function measureCrowd(lab, users, connections, { warmMs, rounds, roundMs }) {
  const qlik = await lab.openQlik(users);
  for (const user of qlik.users) await settle(qlik, user, connections);
  await qlik.order({ op: 'closed', ms: warmMs });
  await qlik.count();
  const runs = [];
  for (let round = 0; round < rounds; round += 1) runs.push(await runLoad(qlik, roundMs));
  const { sockets, tokenRequests, openSockets } = await qlik.count();
  await qlik.order({ op: 'close' });
  await qlik.close();
  if (openSockets !== users) throw new Error(`${users} users have ${openSockets} sockets`);
  const [[, figures]] = Object.entries(figuresOf({ kind: 'closed' }, new Map([['', runs]])));
  return { ...figures, tokenRequests, sockets, openSockets };
}

async function settle(qlik, user, count) {
  const { handle } = await qlik.order({ op: 'open', user });
  await qlik.order({ op: 'call', user, handle });
  await qlik.order({ op: 'connect', user, handle, count });
}

async function runLoad(qlik, ms) {
  const before = qlik.usage();
  const run = await qlik.order({ op: 'closed', ms });
  const after = qlik.usage();
  return { ...run, cpuUs: after.cpuUs - before.cpuUs, rssMiB: after.rssMiB };
}
