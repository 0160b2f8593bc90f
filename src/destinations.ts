import { answerStoreOf, answersFrom, type NamedStore } from './answerStores.js';
import { bridged } from './bridge/bridge.js';
import { childEnvironment } from './config/environment.js';
import type { Entry, Settings } from './config/settings.js';
import type { Toolset, ToolsetDeps, ToolsetUpstreamDeps } from './contracts/tools.js';
import type {
  Clock,
  CredentialDeps,
  CredentialSource,
  Deadlines,
  Expansion,
  Handler,
  KindDeps,
  Logins,
  Signals,
  Upstream,
  Vault,
} from './contracts.js';
import type { Started } from './core/async.js';
import type { Kept, Taken } from './core/kept.js';
import type { Seal } from './core/seal.js';
import { build, kinds } from './kinds.js';
import { networkOf, networkOfCredential, takeDispatchers, takeRest } from './networks.js';
import type { Network } from './wire/network.js';
import { reach } from './wire/reach.js';
import { safeFetch } from './wire/safeFetch.js';

export interface DestinationsDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly started: Started;
  /** Where what a new configuration leaves as it was lives on, its sessions and connections with it. */
  readonly kept: Kept;
  readonly seal: Seal;
  readonly vault: Vault;
  readonly logins: Logins;
  /** Control calls without a network of their own. */
  readonly plainRest: KindDeps['rest'];
  /** True where nothing is translated between the eras. */
  readonly bare?: boolean;
  kindDeps(name: string, baseDir: string): KindDeps;
  member(name: string): Handler | undefined;
  /** Of a destination by its name; see ToolsetUpstreamDeps. */
  failedLate(name: string, ...told: Parameters<ToolsetUpstreamDeps['failedLate']>): void;
}

/** What a configuration's destinations and credentials have become. */
export interface Destinations {
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly sources: ReadonlyMap<string, CredentialSource>;
  /** Lets go of every upstream that isn't one of these: a newer configuration changed or dropped it. */
  retire(wanted: ReadonlyMap<string, Upstream>): Promise<void>;
}

/** Opens every destination and credential of a configuration. What it takes is let go of with `started`. */
export async function openDestinations(settings: Settings, deps: DestinationsDeps): Promise<Destinations> {
  const { destinations, credentials } = await expand(settings, deps.kindDeps, deps.started);
  const sources = new Map<string, CredentialSource>();
  const { connectMs, firstByteMs, idleMs } = settings.resilience;
  const deadlines = { connectMs, firstByteMs, idleMs };
  const { vault, logins } = deps;
  for (const [name, entry] of credentials) {
    const kindDeps = deps.kindDeps(name, entry.baseDir);
    const network = networkOfCredential(settings, name, destinations);
    const dispatchers = await takeDispatchers(connectMs, network, deps);
    const rest = await takeRest(network, deps.plainRest, deps);
    const fetchFor = (server: URL) => safeFetch(server, dispatchers);
    const credentialDeps: CredentialDeps = { ...kindDeps, vault, logins, rest, fetchFor };
    sources.set(name, await build<CredentialSource, CredentialDeps>(kinds.credentials, entry, credentialDeps));
  }
  const taken: Taken<Upstream>[] = [];
  const upstreams = new Map<string, Upstream>();
  for (const [name, entry] of destinations) {
    const personal = sources.get(String(entry.options.credential))?.scope === 'caller';
    const own = { ...deadlines, ...deadlinesOf(settings.destinations.get(name)) };
    const network = networkOf(settings, entry);
    const store = answerStoreOf(settings, entry);
    const upstream = await openUpstream({ name, entry, deadlines: own, personal, network, store }, deps);
    taken.push(upstream);
    upstreams.set(name, upstream.value);
  }
  return { upstreams, sources, retire: (wanted) => retire(taken, new Set(wanted.values())) };
}

/** Where a destination has its own. */
function deadlinesOf(written: Entry | undefined): Partial<Deadlines> {
  const { connectMs, firstByteMs, idleMs } = written?.common?.resilience ?? {};
  return {
    ...(connectMs === undefined ? {} : { connectMs }),
    ...(firstByteMs === undefined ? {} : { firstByteMs }),
    ...(idleMs === undefined ? {} : { idleMs }),
  };
}

async function retire(taken: readonly Taken<Upstream>[], wanted: ReadonlySet<Upstream>): Promise<void> {
  await Promise.all(taken.filter(({ value }) => !wanted.has(value)).map((upstream) => upstream.release()));
}

interface Opening {
  readonly name: string;
  readonly entry: Entry;
  readonly deadlines: Deadlines;
  readonly personal: boolean;
  readonly network: Network;
  /** Where its toolset keeps answers. */
  readonly store: NamedStore | undefined;
}

/** An upstream of one configuration, or the one that the configuration before had, where nothing about it has changed. */
async function openUpstream(
  { name, entry, deadlines, personal, network, store }: Opening,
  deps: DestinationsDeps,
): Promise<Taken<Upstream>> {
  const { kept, started, member } = deps;
  const dispatchers = await takeDispatchers(deadlines.connectMs, network, deps);
  const kindDeps = deps.kindDeps(name, entry.baseDir);
  const rest = await takeRest(network, deps.plainRest, deps);
  const upstreamDeps: ToolsetUpstreamDeps = {
    ...kindDeps,
    rest,
    openToolset: (kind, options, url = new URL(`toolset:${name}`)) =>
      build<Toolset, ToolsetDeps>(
        kinds.toolsets,
        { kind, options: options as Entry['options'], baseDir: entry.baseDir },
        {
          ...kindDeps,
          rest,
          url,
          shared: !personal,
          ...reachedBy(network, deadlines),
          ...answersFrom(store, name, deps),
        },
      ),
    childEnv: childEnvironment(),
    deadlines,
    dispatchers,
    personal,
    member,
    failedLate: (exchange, failure) => deps.failedLate(name, exchange, failure),
  };
  const { common: _, ...made } = entry;
  const wish = ['upstream', name, made, deadlines, personal, network.key, store];
  const upstream = await kept.take(wish, async () => {
    const built = await build<Upstream, ToolsetUpstreamDeps>(kinds.destinations, entry, upstreamDeps);
    return deps.bare ? built : bridged(built, deps);
  });
  started.add(() => upstream.release());
  return upstream;
}

/** What opens sockets of its own goes the same way as `rest` does. */
function reachedBy(network: Network, { connectMs }: Deadlines): Pick<ToolsetDeps, 'reach'> {
  return network.isPlain ? {} : { reach: (url) => reach(url, network, { timeoutMs: connectMs }) };
}

interface Expanded {
  readonly destinations: ReadonlyMap<string, Entry>;
  readonly credentials: ReadonlyMap<string, Entry>;
}

/** Writes out the destinations that stand for an upstream and its credential. */
async function expand(
  settings: Settings,
  kindDeps: (name: string, baseDir: string) => KindDeps,
  started: Started,
): Promise<Expanded> {
  const destinations = new Map<string, Entry>();
  const credentials = new Map(settings.credentials);
  for (const [name, entry] of settings.destinations) {
    if (!(entry.kind in kinds.shorthands)) {
      destinations.set(name, withDefaults(entry, settings));
      continue;
    }
    const expansion = await build<Expansion, KindDeps>(kinds.shorthands, entry, kindDeps(name, entry.baseDir));
    started.add(() => expansion.close?.());
    const { kind, ...options } = expansion.destination;
    // A colon can't stand in a configured name, so this one is free.
    const credential = `${name}:own`;
    if (expansion.credential) {
      const { kind: credentialKind, ...credentialOptions } = expansion.credential;
      credentials.set(credential, { kind: credentialKind, options: credentialOptions, baseDir: entry.baseDir });
    }
    const own = expansion.credential ? { credential } : {};
    destinations.set(name, withDefaults({ kind, options: { ...options, ...own }, baseDir: entry.baseDir }, settings));
  }
  return { destinations, credentials };
}

/** Default headers by flag replace the destination's own of the same name, however that is written: flags beat the file. */
function withDefaults(entry: Entry, settings: Settings): Entry {
  if (entry.kind !== 'http' || settings.defaultHeaders.length === 0) return entry;
  const byFlag = new Set(settings.defaultHeaders.map(([name]) => name));
  const own = Object.entries(entry.options.headers ?? {}).filter(([name]) => !byFlag.has(name.toLowerCase()));
  const headers = Object.fromEntries([...own, ...settings.defaultHeaders]);
  return { ...entry, options: { ...entry.options, headers } };
}
