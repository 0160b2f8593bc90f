import { type App, createApp } from './app.js';
import { Lasting } from './callers.js';
import { renderFaults } from './config/check.js';
import type { Settings } from './config/settings.js';
import type { ConfigFault, Operations, Reloaded } from './contracts/operations.js';
import type { ToolTurn } from './contracts/toolSwitches.js';
import type { Clock, Exchange, Signals } from './contracts.js';
import { ConfigError } from './core/errors.js';
import { METRICS_PATH } from './edge/admin.js';
import { RequestIds } from './edge/exchanges.js';
import { createProbes } from './edge/probes.js';
import { EdgeServer, type UnderWay } from './edge/server.js';
import { SseDoor, type SseWays } from './edge/sseDoor.js';
import { type CrewMetrics, createMetering, type Metering } from './metering.js';
import { connectionsAllowed } from './resilience/descriptors.js';
import { MemoryPressure, watchMemory } from './resilience/memoryPressure.js';
import { splitTarget } from './wire/paths.js';

export interface RuntimeDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly version: string;
  readonly operations?: Operations;
  /** Tells this process from its fellow workers. */
  readonly suffix?: string;
  /** What these have counted. */
  readonly crew?: CrewMetrics;
  /** What it shares with its fellow workers, where the configuration has no `sessionKey`. */
  readonly sessionKey?: string;
}

/** Starts what a configuration says and listens. Rejects, with nothing left running, when that can't be had. */
export async function startRuntime(settings: Settings, deps: RuntimeDeps): Promise<Runtime> {
  const runtime = new Runtime(settings, deps);
  await runtime.start();
  return runtime;
}

/** What only a new process can change. */
const FIXED: Readonly<Record<string, (settings: Settings) => unknown>> = {
  'server.host': ({ server }) => server.host,
  'server.port': ({ server }) => server.port,
  'server.admin': ({ server }) => server.admin && `${server.admin.host}:${server.admin.port}`,
  'server.sessionKey': ({ server }) => server.sessionKey,
  'telemetry.logFormat': ({ telemetry }) => telemetry.logFormat,
  'telemetry.metrics': ({ telemetry }) => JSON.stringify(telemetry.metrics),
};

/** The sockets, and the app behind them, which a reload replaces. */
export class Runtime {
  readonly #deps: RuntimeDeps;
  readonly #server: EdgeServer;
  readonly #first: Settings;
  readonly #lasting: Lasting;
  readonly #sse: SseDoor;
  readonly #metering: Metering | undefined;
  readonly #memory: MemoryPressure;
  #stopWatching = () => {};
  #settings: Settings;
  #app: App | undefined;
  /** Replaced, with something still under way. */
  readonly #old = new Set<App>();
  #admin: { readonly url: string; close(): Promise<void> } | undefined;
  #url = '';
  #started = false;

  constructor(settings: Settings, deps: RuntimeDeps) {
    this.#first = settings;
    this.#settings = settings;
    this.#metering = createMetering(settings.telemetry.metrics, deps, () => this.#current.readings());
    this.#deps = this.#metering ? { ...deps, signals: this.#metering.metrics.listen(deps.signals) } : deps;
    this.#lasting = new Lasting(this.#deps, deps.suffix, settings.server.sessionKey ?? deps.sessionKey);
    const probe = createProbes(() => ({
      starting: !this.#started,
      draining: this.#server.draining,
      ...this.#current,
    }));
    this.#memory = new MemoryPressure(this.#deps);
    this.#sse = new SseDoor({
      clock: deps.clock,
      ids: new RequestIds(),
      ways: () => this.#current.doors.sse as SseWays,
    });
    const allowed = connectionsAllowed();
    this.#server = new EdgeServer({
      ...this.#deps,
      doors: () => this.#current.doors,
      probe,
      sse: this.#sse,
      maxConnections: () => this.#settings.server.maxConnections ?? allowed,
    });
  }

  /** Where it listens. */
  get url(): string {
    return this.#url;
  }

  /** What runs at this moment. */
  get underWay(): UnderWay {
    return this.#server.underWay;
  }

  /** Everything is there before anybody is told that it is: upstreams, listener, the management API's own. */
  async start(): Promise<void> {
    const app = await this.#create(this.#settings);
    this.#use(app);
    const { host, port } = this.#settings.server;
    try {
      this.#url = await this.#server.listen(host, port);
      await this.#listenForAdmin();
      this.#stopWatching = watchMemory((use) => this.#memory.observe(use));
      this.#started = true;
      app.warmUp();
    } catch (error) {
      // The management API's port may be the one that can't be had.
      if (this.#url !== '') await this.#server.drain(0);
      await app.close();
      throw error;
    }
  }

  /** What became of it; `took` is told of a configuration before anything else is. Never rejects. */
  async reload(load: () => Promise<Settings>, took: (settings: Settings) => void = () => {}): Promise<Reloaded> {
    try {
      const next = await load();
      const app = await this.#create(next);
      const old = this.#current;
      this.#use(app);
      this.#settings = next;
      // What they may see is the new configuration's to say; and the old one isn't idle before they are gone.
      this.#lasting.calls.release();
      took(next);
      void this.#retire(old);
      app.warmUp();
      return this.#tellTaken(next);
    } catch (error) {
      const known = error instanceof ConfigError;
      this.#deps.signals.emit('config.refused', { faults: known ? renderFaults(error.faults) : String(error) });
      return { taken: false, faults: known ? error.faults : [unforeseen(error)] };
    }
  }

  /** Where this configuration has no such tools, nothing changes. */
  turnTools(turn: ToolTurn): void {
    this.#current.turnTools(turn);
  }

  #tellTaken(next: Settings): Reloaded {
    const { signals } = this.#deps;
    const restart = this.#notApplied(next);
    const fixed = restart.map(
      (key) => `${key} has changed: it takes a new process, this one goes on as it was started`,
    );
    const notices = [...next.notices, ...fixed];
    for (const notice of notices) signals.emit('config.notice', { notice });
    const destinations = [...next.destinations.keys()];
    signals.emit('config.reloaded', { destinations, ...(restart.length > 0 ? { restart } : {}) });
    return { taken: true, destinations, restart, notices };
  }

  async stop(): Promise<boolean> {
    const { drainMs } = this.#settings.server;
    const { clock, signals } = this.#deps;
    const until = clock.monotonic() + drainMs;
    signals.emit('server.draining', { drainMs, ...this.underWay });
    const drained = this.#server.drain(drainMs, (left) => {
      const leftMs = Math.max(0, Math.round(until - clock.monotonic()));
      signals.emit('server.still-draining', { ...left, leftMs });
    });
    this.#lasting.calls.release();
    const cut = await drained;
    const clean = cut === undefined;
    await this.#admin?.close();
    await this.#current.close();
    this.#lasting.close();
    this.#stopWatching();
    signals.emit('server.stopped', cut ? { clean, cutCalls: cut.calls, cutStreams: cut.streams } : { clean });
    return clean;
  }

  /** Where it wants one, the management API has its own listener, and isn't served by the other. */
  async #listenForAdmin(): Promise<void> {
    const { admin } = this.#settings.server;
    if (!admin || !(this.#current.admin ?? this.#current.metrics)) return;
    const { listenAdmin } = await import('./edge/app.js');
    this.#admin = await listenAdmin((request, response) => {
      const app = this.#current;
      const forMetrics = splitTarget(request.url ?? '')[0] === METRICS_PATH;
      const listener = forMetrics ? (app.metrics ?? app.admin) : (app.admin ?? app.metrics);
      if (listener) listener(request, response);
      else response.destroy();
    }, admin);
    this.#deps.signals.emit('admin.listening', { url: this.#admin.url });
  }

  /**
   * What a configuration that was replaced has under way gets `drainMs`. Past that, what the current one doesn't have is
   * let go of: a client may keep a stream open for days, to this destination or another.
   */
  async #retire(old: App): Promise<void> {
    this.#old.add(old);
    const idle = new AbortController();
    const late = this.#deps.clock.sleep(this.#settings.server.drainMs, idle.signal).catch(() => {});
    await Promise.race([old.idle(), late]);
    idle.abort();
    await Promise.all([...this.#old].map((app) => app.retire(this.#current.upstreams)));
    await old.idle();
    this.#old.delete(old);
    await old.close();
  }

  #notApplied(next: Settings): string[] {
    const changed = Object.entries(FIXED).filter(([, value]) => value(next) !== value(this.#first));
    return changed.map(([key]) => key);
  }

  #use(app: App): void {
    this.#app = app;
    this.#lasting.members = app.members;
  }

  #create(settings: Settings): Promise<App> {
    const metering = this.#metering ? { metering: this.#metering } : {};
    const draining = () => this.#server.draining;
    const overloaded = (exchange: Exchange) => this.#server.overloaded(exchange, this.#memory.refuses());
    const lasting = { lasting: this.#lasting, sse: this.#sse, ownUrl: () => this.#url };
    return createApp(settings, { ...this.#deps, ...metering, draining, overloaded, ...lasting });
  }

  get #current(): App {
    if (!this.#app) throw new Error('the runtime has not been started');
    return this.#app;
  }
}

/** A kind that can't start, say: it is checked only so far before. */
function unforeseen(error: unknown): ConfigFault {
  const message = error instanceof Error ? error.message : String(error);
  return { file: '', path: '', message, severity: 'fault' };
}
