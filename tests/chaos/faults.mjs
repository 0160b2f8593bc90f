import { setTimeout as sleep } from 'node:timers/promises';
import { between, pick } from './random.mjs';
import { SERVERS } from './world.mjs';

const MEMBERS = ['sessions', 'plain'];
/** What a server of HTTP+SSE would answer with isn't what its caller reads. */
const ANSWERING = SERVERS.filter((name) => name !== 'old');
const HOUR_MS = 3_600_000;
/** The circuit breaker of the suite waits a second; two rounds of that, a retry's pause, and a busy machine. */
const SOON_MS = 6_000;

/** Troubles that a server of HTTP+SSE can have, too. */
const STREAMING = new Set(['slow', 'reset', 'silence', 'sick']);

/** True for calls that have nothing to do with the server that was aimed at, be it by way of a federation. */
function isElsewhere({ destination, member }, { server }) {
  return destination !== server && member !== server;
}

/** Those who call the very replica that stops, and not by way of HAProxy. A call that was under way ends well. */
const DIRECT = new Set(['child', 'old']);
function findsNobody({ destination, fault, until }, since) {
  return DIRECT.has(destination) && until >= since && /^(ECONNREFUSED|DRAINING)$/.test(fault);
}

/**
 * What is done to the processes. `inject` resolves when the fault is over. `spares(failure)`: true for calls that must not
 * fail even while it lasts. `group`: those of different groups may come at once; those of none come alone.
 * `recoverMs`: so long after its end nothing may fail any more. `needs`: what the machine must have.
 */
export const FAULTS = [
  ...[
    ['a server is killed, and back', MEMBERS],
    ['a server behind a bridge is killed, and back', ['modern']],
    ['a server of HTTP+SSE is killed, and back', ['old']],
  ].map(([name, servers]) => ({
    name,
    group: 'server',
    recoverMs: SOON_MS,
    async inject({ world, random, say, scope }) {
      const server = aim(scope, pick(random, servers));
      say(server);
      await world.end(server);
      await sleep(between(random, 200, 2500));
      await world.start(server);
    },
    spares: isElsewhere,
  })),
  {
    name: 'a server hangs',
    group: 'server',
    recoverMs: SOON_MS,
    async inject({ world, random, say, scope }) {
      const server = aim(scope, pick(random, SERVERS));
      say(server);
      world.signal(server, 'SIGSTOP');
      await sleep(between(random, 1000, 4000));
      world.signal(server, 'SIGCONT');
    },
    spares: isElsewhere,
  },
  ...[
    ['slow', 'a server is slow', 1],
    ['reset', 'streams are reset midway', 0.5],
    ['silence', 'connections are reset when the work is done', 0.5],
    ['noise', 'a server answers noise', 0.5],
    ['html', 'a server answers web pages', 0.5],
    ['torn', 'answers are torn', 0.5],
    ['sick', 'a server answers 502', 0.5],
  ].map(([trouble, name, share]) => ({
    name,
    group: 'server',
    recoverMs: SOON_MS,
    async inject({ world, random, say, scope }) {
      const server = aim(scope, pick(random, STREAMING.has(trouble) ? SERVERS : ANSWERING));
      say(server);
      await world.tell(server, { trouble, share, seed: between(random, 1, 1e9) });
      await sleep(between(random, 1000, 3000));
      await world.tell(server, { trouble: undefined, share: 0 });
    },
    // What is only slow is in time, and late is no failure.
    spares: (failure, scope) => trouble === 'slow' || isElsewhere(failure, scope),
  })),
  {
    name: 'the provider is killed, and back',
    group: 'provider',
    recoverMs: 12_000,
    async inject({ world, random }) {
      await world.end('provider');
      await sleep(between(random, 1000, 4000));
      await world.start('provider');
    },
    spares: ({ fault, destination }) =>
      destination === 'child' || !/^(CREDENTIAL_UNAVAILABLE|CIRCUIT_OPEN)$/.test(fault),
  },
  {
    name: 'a server takes the old tokens no more',
    group: 'tokens',
    recoverMs: SOON_MS,
    async inject({ world, random, say }) {
      const server = pick(random, SERVERS);
      say(server);
      await world.tell(server, { notBefore: Date.now() });
      await sleep(1000);
    },
    spares: () => true,
  },
  {
    name: 'Redis is killed, and back empty',
    group: 'redis',
    needs: 'redis',
    recoverMs: SOON_MS,
    async inject({ world, random }) {
      await world.end('redis');
      await sleep(between(random, 500, 3000));
      await world.start('redis');
    },
    spares: () => true,
  },
  {
    name: 'Redis hangs',
    group: 'redis',
    needs: 'redis',
    recoverMs: SOON_MS,
    async inject({ world, random }) {
      world.signal('redis', 'SIGSTOP');
      await sleep(between(random, 500, 3000));
      world.signal('redis', 'SIGCONT');
    },
    spares: () => true,
  },
  ...[HOUR_MS, -HOUR_MS].map((clock) => ({
    name: `the clock jumps an hour ${clock > 0 ? 'ahead' : 'back'}, and is put right`,
    group: 'clock',
    recoverMs: SOON_MS,
    async inject({ world, random, say }) {
      const replica = pick(random, world.replicas);
      say(replica);
      await world.tell(replica, { clock });
      await sleep(between(random, 1000, 3000));
      await world.tell(replica, { clock: 0 });
    },
    spares: () => true,
  })),
  {
    name: 'the disk of the kept tokens is full',
    needs: 'disk',
    recoverMs: SOON_MS,
    async inject({ world }) {
      world.fillDisk();
      // A token's life, so that at least one renewal finds it full.
      await sleep(13_000);
      world.emptyDisk();
    },
    spares: () => true,
  },
  {
    name: 'a storm of reloads, some of them bad',
    recoverMs: SOON_MS,
    inject: storm,
    spares: () => true,
  },
  {
    name: 'a replica is stopped under load, and back',
    needs: 'haproxy',
    recoverMs: SOON_MS,
    async inject({ world, random, say, ledger, scope }) {
      const replica = aim(scope, pick(random, world.replicas), 'replica');
      say(replica);
      scope.since = Date.now();
      const { code, signal } = await world.end(replica, 'SIGTERM');
      const cut = cutBy(world.log(replica));
      if (cut.calls > 0 || code !== (cut.streams > 0 ? 1 : 0))
        ledger.note('a replica that was told to stop did not end well', { replica, code, signal, cut });
      await sleep(300);
      await world.start(replica);
    },
    spares: (failure, { since }) => !findsNobody(failure, since),
  },
  {
    name: 'a replica is killed, and back',
    needs: 'haproxy',
    recoverMs: SOON_MS,
    async inject({ world, random, say }) {
      const replica = pick(random, world.replicas);
      say(replica);
      await world.end(replica);
      await sleep(between(random, 300, 2000));
      await world.start(replica);
    },
    spares: () => false,
  },
  {
    name: 'the children of a stdio server are killed',
    group: 'children',
    recoverMs: SOON_MS,
    async inject({ world, say }) {
      const children = world.orphans();
      say(`${children.length} of them`);
      for (const pid of children) process.kill(Number(pid), 'SIGKILL');
      await sleep(200);
    },
    spares: ({ destination }) => destination !== 'child',
  },
];

/** What the last stop cut: a stream may stay open for as long as its caller likes, a call must not. */
function cutBy(log) {
  const stopped = log.split('\n').findLast((line) => line.includes('"server.stopped"'));
  const { cutCalls: calls = 0, cutStreams: streams = 0 } = JSON.parse(stopped ?? '{"cutCalls":1}');
  return { calls, streams };
}

function aim(scope, name, what = 'server') {
  scope[what] = name;
  return name;
}

const TORN = '{"destinations": {';
const WRONG = { kind: 'http', url: 'not a url' };

/** Some twenty a second; the last one is good, and must be the one that holds. */
async function storm({ world, random, ledger }) {
  const until = Date.now() + between(random, 1500, 3000);
  for (let number = 0; Date.now() < until; number += 1) {
    const roll = random();
    if (roll < 0.2) world.writeConfiguration({}, TORN);
    else if (roll < 0.4) world.writeConfiguration({ destinations: { wrong: WRONG } });
    else
      world.writeConfiguration({
        baseMs: 50 + number,
        destinations: { [`storm-${number}`]: { kind: 'http', url: world.originOf('one') } },
      });
    if (roll > 0.8) for (const name of world.replicas) world.signal(name, 'SIGHUP');
    await sleep(between(random, 10, 80));
  }
  const last = `last-${between(random, 1, 1e6)}`;
  world.writeConfiguration({ destinations: { [last]: { kind: 'http', url: 'http://127.0.0.1:1/mcp' } } });
  const isTaken = (name) =>
    world
      .log(name)
      .split('\n')
      .findLast((line) => line.includes('"config.reloaded"'))
      ?.includes(`"${last}"`);
  const end = Date.now() + 5000;
  while (Date.now() < end && !world.replicas.every(isTaken)) await sleep(50);
  for (const name of world.replicas) {
    if (!isTaken(name)) ledger.note('the last configuration of a storm was not taken', { replica: name, last });
  }
  world.writeConfiguration();
  await sleep(200);
}
