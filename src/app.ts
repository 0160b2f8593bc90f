import { createCallers, type Lasting } from './callers.js';
import type { Settings } from './config/settings.js';
import type { Operations } from './contracts/operations.js';
import type { ToolTurn } from './contracts/toolSwitches.js';
import type {
  AuthBroker,
  Clock,
  CredentialSource,
  Exchange,
  Handler,
  KindDeps,
  Signals,
  Upstream,
} from './contracts.js';
import { Running, Started } from './core/async.js';
import { createAuthBroker } from './credentials/authBroker.js';
import { openDestinations } from './destinations.js';
import { compileDoors, type Parts } from './doors.js';
import type { Doors } from './edge/server.js';
import type { SseDoor } from './edge/sseDoor.js';
import { openLogins, type TellLogin } from './logins.js';
import { turnTools } from './management.js';
import { type Metering, readingsOf } from './metering.js';
import { ownNetwork, takeRest } from './networks.js';
import { countLate, openProtections, type Protections } from './protections.js';
import type { CircuitState } from './resilience/circuitBreaker.js';
import { createMemoryStore } from './stores/memory.js';
import type { Readings } from './telemetry/destinationMetrics.js';
import { openTracing } from './tracing.js';
import { WarmUps } from './warmUps.js';

/** What is running for one configuration. A reload makes a new one and lets the old one go. */
export interface App {
  readonly doors: Doors;
  /** The management API, wherever it is served; undefined where callers aren't known. */
  readonly admin: Doors['admin'];
  /** `/metrics`, wherever it is served; undefined where nothing is counted. */
  readonly metrics: Doors['metrics'];
  /** What there is to be read for the metrics. */
  readings(): Readings;
  /** Each destination as a federation calls it. */
  readonly members: ReadonlyMap<string, Handler>;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly sources: ReadonlyMap<string, CredentialSource>;
  circuitState(destination: string): CircuitState;
  /** Where there are no such tools, nothing changes. */
  turnTools(turn: ToolTurn): void;
  /** Has destinations read ahead, behind everything else; to be called once there may be callers. Returns at once. */
  warmUp(): void;
  /** Resolves when no exchange is under way. */
  idle(): Promise<void>;
  /** Lets go of the upstreams that aren't among these, and of the streams that clients hold open to them. */
  retire(wanted: App['upstreams']): Promise<void>;
  /** Lets go of everything at once; whoever replaces an app waits for `idle` first. */
  close(): Promise<void>;
}

export interface AppDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  /** True once the process stops: new work is refused. */
  draining(): boolean;
  /** True for what there is neither memory nor a connection for; absent: there always is. */
  overloaded?(exchange: Exchange): boolean;
  /** What outlives this app. */
  readonly lasting: Lasting;
  readonly version: string;
  /** What an operator may do to the process by the management API. */
  readonly operations?: Operations;
  /** Told where a person must go to log in; absent: only the call is. */
  readonly tellLogin?: TellLogin;
  /** Where this process is reached, once it listens; absent where it has no door for HTTP. */
  readonly ownUrl?: () => string;
  /** Absent for a process that has no door for HTTP. */
  readonly sse?: SseDoor;
  /** True: nothing is translated between the eras, so that every answer is the server's own. */
  readonly bare?: boolean;
  /** Where what passes is counted; absent where nothing is. */
  readonly metering?: Metering;
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
  const { clock, signals, lasting } = deps;
  const keeping = { clock, signals, kept: lasting.kept, started };
  const rest = await takeRest(ownNetwork(settings), lasting.rest, keeping);
  const kindDeps = (name: string, baseDir: string): KindDeps => ({ clock, signals, name, baseDir, rest });
  const tracer = await openTracing(settings, { ...deps, started });
  const { vault, logins, ...people } = await openLogins(settings, { ...deps, ...keeping });
  const { upstreams, sources, retire } = await openDestinations(settings, {
    ...deps,
    ...keeping,
    seal: lasting.seal,
    vault,
    logins,
    plainRest: lasting.rest,
    kindDeps,
    member: (name) => lasting.members.get(name),
    failedLate: (name, exchange, failure) => countLate(lasting.protections.get(name), exchange, failure),
  });
  const broker = openBroker(sources, deps, started);
  const { protections, listen } = await openProtections(upstreams.keys(), settings, keeping);
  const callers = await createCallers(settings, { clock, signals, lasting, kindDeps, started, sources });

  const parts = {
    broker,
    upstreams,
    protections,
    running: new Running(),
    callers,
    ...(hasPeople(sources) ? { people } : {}),
    ...(tracer ? { tracer } : {}),
  };
  return running({ settings, deps, parts, sources, retire, listen, started });
}

interface Assembled extends Pick<App, 'sources' | 'retire'>, Pick<Protections, 'listen'> {
  readonly settings: Settings;
  readonly deps: AppDeps;
  readonly parts: Parts;
  readonly started: Started;
}

function running({ settings, deps, parts, sources, retire, listen, started }: Assembled): App {
  const { members, ...doors } = compileDoors(settings, deps, parts);
  const { admin, metrics, ...open } = doors;
  listen();
  deps.lasting.protections = parts.protections;
  const warmUps = new WarmUps(settings, { ...deps, ...parts, sources, started, warmed: deps.lasting.warmed });
  return {
    doors: settings.server.admin ? open : doors,
    admin,
    metrics,
    readings: () => readingsOf(parts, deps.lasting),
    members,
    idle: () => parts.running.idle(),
    retire,
    upstreams: parts.upstreams,
    sources,
    circuitState: (destination) => parts.protections.get(destination)?.breakers.whole.state ?? 'closed',
    turnTools: (turn) => void turnTools(turn, parts),
    warmUp: () => warmUps.begin(),
    close: () => started.stop(),
  };
}

/** A person takes longer than a machine: whoever waits for one says so. */
function hasPeople(sources: App['sources']): boolean {
  return [...sources.values()].some(({ patienceMs }) => patienceMs !== undefined);
}

function openBroker(sources: App['sources'], { clock, signals }: AppDeps, started: Started): AuthBroker {
  const store = createMemoryStore({ onFull: (maxKeys) => signals.emit('store.full', { maxKeys }) });
  started.add(() => store.close());
  const broker = createAuthBroker({ clock, signals, sources, store });
  started.add(() => broker.close());
  return broker;
}
