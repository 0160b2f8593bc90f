import { type Callers, createCallers, type Lasting } from './callers.js';
import type { Entry, Settings } from './config/settings.js';
import type {
  Clock,
  CredentialSource,
  Expansion,
  Handler,
  KindDeps,
  Signals,
  Stage,
  Upstream,
  UpstreamDeps,
} from './contracts.js';
import { Running, Started } from './core/async.js';
import { GatewayError } from './core/errors.js';
import { createAuthBroker } from './credentials/authBroker.js';
import type { Doors } from './edge/server.js';
import type { SseDoor, SseWays } from './edge/sseDoor.js';
import { asMcpTarget } from './edge/ssePaths.js';
import { isPreflight, preflightReply } from './gateway/cors.js';
import { createGuard } from './gateway/guard.js';
import { createObserve } from './gateway/observe.js';
import { passthrough } from './gateway/passthrough.js';
import { compile, type StageName } from './gateway/pipeline.js';
import { createProxyClient, type Protection } from './gateway/proxyClient.js';
import { createIntercept, createRead, createRoute } from './gateway/stages.js';
import { build, kinds } from './kinds.js';
import { createManagement } from './management.js';
import { Circuit, type CircuitState } from './resilience/circuitBreaker.js';
import { RetryBudget } from './resilience/retry.js';
import type { RoutingTable } from './router/requestInterceptor.js';
import { route } from './router/router.js';
import { createMemoryStore } from './stores/memory.js';
import { createDispatchers } from './wire/dispatchers.js';
import { createRest } from './wire/rest.js';

/** What is running for one configuration. A reload makes a new one and lets the old one go. */
export interface App {
  readonly doors: Doors;
  /** The management API, wherever it is served; undefined where callers aren't known. */
  readonly admin: Doors['admin'];
  readonly upstreams: ReadonlyMap<string, Upstream>;
  circuitState(destination: string): CircuitState;
  /** Resolves when no exchange is under way. */
  idle(): Promise<void>;
  /** Lets go of everything at once; whoever replaces an app waits for `idle` first. */
  close(): Promise<void>;
}

export interface AppDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** True once the process stops: new work is refused. */
  draining(): boolean;
  /** What outlives this app. */
  readonly lasting: Lasting;
  /** Absent for a process that has no door for HTTP. */
  readonly sse?: SseDoor;
  readonly version: string;
}

/** The composition root: the only place that knows every room. Rejects with nothing left running. */
export async function createApp(settings: Settings, deps: AppDeps): Promise<App> {
  const started = new Started();
  try {
    return await assemble(settings, deps, started);
  } catch (error) {
    await started.stop();
    throw error;
  }
}

async function assemble(settings: Settings, deps: AppDeps, started: Started): Promise<App> {
  const rest = createRest();
  started.add(() => rest.close());
  const dispatchers = createDispatchers(settings.resilience.connectMs);
  started.add(() => dispatchers.close());
  const kindDeps = (name: string, baseDir: string): KindDeps => ({ ...deps, name, baseDir, rest });
  const { destinations, credentials } = await expand(settings, kindDeps, started);
  const sources = new Map<string, CredentialSource>();
  for (const [name, entry] of credentials) {
    sources.set(name, await build<CredentialSource, KindDeps>(kinds.credentials, entry, kindDeps(name, entry.baseDir)));
  }
  const upstreams = new Map<string, Upstream>();
  const members = new Map<string, Handler>();
  const member = (name: string) => members.get(name);
  for (const [name, entry] of destinations) {
    const upstreamDeps = { ...kindDeps(name, entry.baseDir), deadlines: settings.resilience, dispatchers, member };
    const upstream = await build<Upstream, UpstreamDeps>(kinds.destinations, entry, upstreamDeps);
    started.add(() => upstream.close());
    upstreams.set(name, upstream);
  }
  const store = createMemoryStore({ onFull: (maxKeys) => deps.signals.emit('store.full', { maxKeys }) });
  started.add(() => store.close());
  const broker = createAuthBroker({ ...deps, sources, store });
  started.add(() => broker.close());
  const protections = new Map([...upstreams.keys()].map((name) => [name, protect(name, settings, deps)]));
  for (const { circuit } of protections.values()) started.add(() => circuit.close());
  const running = new Running();
  const callers = await createCallers(settings, { ...deps, kindDeps, started, sources });

  const doors = compileDoors(settings, deps, { broker, upstreams, protections, running, callers, members });
  const { admin, ...withoutAdmin } = doors;
  return {
    doors: settings.server.admin ? withoutAdmin : doors,
    admin,
    idle: () => running.idle(),
    upstreams,
    circuitState: (destination) => protections.get(destination)?.circuit.state ?? 'closed',
    close: () => started.stop(),
  };
}

type Parts = {
  broker: ReturnType<typeof createAuthBroker>;
  upstreams: ReadonlyMap<string, Upstream>;
  protections: ReadonlyMap<string, Protection>;
  running: Running;
  callers: Callers;
  /** Filled here: each destination as a federation calls it. */
  members: Map<string, Handler>;
};

function compileDoors(settings: Settings, deps: AppDeps, parts: Parts): Doors {
  const { broker, upstreams, protections, running, callers } = parts;
  const { server, resilience } = settings;
  const table = routingTable(settings, parts);
  const protection = (destination: string) => protections.get(destination) as Protection;
  const first = {
    observe: createObserve({
      ...deps,
      clientAddress: callers.clientAddress,
      running,
      ...(callers.record ? { record: callers.record } : {}),
      upstreamBroke: (destination) => protections.get(destination)?.circuit.count('bad'),
    }),
    guard: createGuard(server, deps.draining),
  };
  const stages = {
    ...first,
    ...callers.stages,
    intercept: createIntercept(table),
    read: createRead(server.maxBodyBytes),
    route: createRoute(upstreams),
  };
  const proxyClient = createProxyClient({ ...deps, broker, retry: resilience.retry, protection });
  const terminal = callers.terminal(passthrough(proxyClient));
  for (const upstream of upstreams.values())
    parts.members.set(upstream.name, asMember(upstream, compile('member', stages, terminal)));
  const limitAddress = callers.stages.limitAddress;
  const through = (terminal: Handler) =>
    compile('admin', { ...first, ...(limitAddress ? { limitAddress } : {}) }, terminal);
  return {
    mcp: compile('mcp', stages, terminal),
    stdio: compile('stdio', stages, terminal),
    web: compile('web', stages, passthrough()),
    ...(deps.sse ? { sse: sseWays(deps.sse, settings, { stages, terminal, table }) } : {}),
    ...(callers.known ? { metadata: through(metadata(callers)) } : {}),
    ...(callers.known ? { admin: createManagement({ ...deps, ...parts, settings, through }) } : {}),
  };
}

function routingTable({ server, forced }: Settings, { upstreams, callers }: Parts): RoutingTable {
  return {
    upstreams,
    suggest: !callers.known,
    ...(forced.destination === undefined ? {} : { forced: forced.destination }),
    ...(server.defaultDestination === undefined ? {} : { defaultDestination: server.defaultDestination }),
    ...(server.passthrough === undefined ? {} : { passthrough: server.passthrough }),
  };
}

/** HTTP+SSE names its destinations by paths of its own; what is said there goes the way of everything else. */
function sseWays(
  door: SseDoor,
  { server, forced }: Settings,
  { stages, terminal, table }: { stages: Stages; terminal: Handler; table: RoutingTable },
): SseWays {
  const intercept = createIntercept(table, (request) => ({
    target: asMcpTarget(request.target),
    header: (name) => request.header(name),
  }));
  const prefix = server.publicUrl?.pathname.replace(/\/$/, '') ?? '';
  return {
    open: compile('sse', { ...stages, intercept }, door.opening({ prefix, maxBodyBytes: server.maxBodyBytes })),
    post: compile('post', { ...stages, join: door.join }, door.say),
    message: compile('message', stages, door.admitting(terminal)),
    refuse: (exchange, error) =>
      stages.observe(exchange, () => {
        throw error;
      }),
    atRoot: forced.sseAtRoot === true,
  };
}

type Stages = Partial<Record<StageName, Stage>> & { readonly observe: Stage };

/** The way to a destination whose name nobody had to say: its own permissions and limits hold all the same. */
function asMember(upstream: Upstream, chain: Handler): Handler {
  const decision = { strategy: upstream.strategy, destination: upstream.name, by: 'member' } as const;
  return (exchange) => {
    exchange.decision = decision;
    exchange.route = route(decision, exchange.request, new Map([[upstream.name, upstream]]));
    return chain(exchange);
  };
}

/** RFC 9728 documents; whoever has none to show has nothing there. */
function metadata(callers: Callers): Handler {
  return (exchange) => {
    // A client in a browser asks with `MCP-Protocol-Version`, and so has to ask before.
    if (isPreflight(exchange.request)) return preflightReply(exchange.request);
    const document = callers.wellKnown(exchange);
    if (!document) throw new GatewayError('NOT_FOUND', 'there is no such document');
    const body = Buffer.from(JSON.stringify(document));
    const headers = ['content-type', 'application/json', 'content-length', String(body.length)];
    return { status: 200, headers, body, origin: 'gateway' };
  };
}

function protect(name: string, settings: Settings, deps: AppDeps): Protection {
  const circuit = new Circuit(name, settings.resilience.circuitBreaker, deps.clock, deps.signals);
  return { circuit, budget: new RetryBudget(deps.clock) };
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
  if ((entry.kind !== 'http' && entry.kind !== 'sse') || settings.defaultHeaders.length === 0) return entry;
  const byFlag = new Set(settings.defaultHeaders.map(([name]) => name));
  const own = Object.entries(entry.options.headers ?? {}).filter(([name]) => !byFlag.has(name.toLowerCase()));
  const headers = Object.fromEntries([...own, ...settings.defaultHeaders]);
  return { ...entry, options: { ...entry.options, headers } };
}
