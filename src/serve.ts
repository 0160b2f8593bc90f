import type { Settings } from './config/settings.js';
import type { LogLevels, LogWish } from './contracts/logLevels.js';
import type { Operations, Reloaded } from './contracts/operations.js';
import type { ToolTurn } from './contracts/toolSwitches.js';
import type { Clock, Signals } from './contracts.js';
import { systemClock } from './core/async.js';
import { isLoopbackBind } from './gateway/guard.js';
import type { CrewMetrics } from './metering.js';
import { startRuntime } from './runtime.js';
import { LogManager } from './telemetry/logManager.js';
import { createSignals } from './telemetry/signals.js';

/** A running proxy. */
export interface Serving {
  /** Where it listens, such as `http://127.0.0.1:3001`. */
  readonly url: string;
  readonly signals: Signals;
  /**
   * Takes another configuration, whole or not at all: running exchanges end under the old one. Where it has faults, or
   * can't be started, the running one stays and the log says why. Address and port need a new process.
   */
  reload(load: () => Promise<Settings>): Promise<Reloaded>;
  /** What the log keeps. */
  readonly log: LogLevels;
  /** Switches tools as another process did, where they are the same. */
  turnTools(turn: ToolTurn): void;
  /** Refuses new work, lets running work finish for `drainMs`, and frees everything. True when nothing had to be cut. */
  stop(): Promise<boolean>;
  /** Says what is lost by ending at once. */
  cut(): void;
}

export interface ServeDeps {
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly clock?: Clock;
  /** Of this program, for what it says of itself. */
  readonly version?: string;
  /** One of several processes on one port, by its number: what all have in common is told by whoever started them. */
  readonly member?: string;
  /** Asks the others for what they have counted. */
  readonly crew?: CrewMetrics;
  /** What the processes of one port share. */
  readonly sessionKey?: string;
  /** Loads the configuration anew, where the management API is told to. */
  readonly reload?: () => Promise<Reloaded>;
  /** Told when the management API changes what is logged; undefined: back to what is configured. */
  readonly tellLog?: (wish: LogWish | undefined) => void;
  /** Told when it switches tools. */
  readonly tellTurn?: (turn: ToolTurn) => void;
}

/** Starts the HTTP proxy. Rejects when the port can't be had or a kind can't start. */
export async function serve(settings: Settings, deps: ServeDeps): Promise<Serving> {
  const clock = deps.clock ?? systemClock;
  const { log, signals } = openLog(settings, deps.stderr, deps.member !== undefined);
  if (!deps.member) tellNotices(settings, signals);
  const { crew, member, sessionKey, version = '' } = deps;
  const shared = {
    ...(member === undefined ? {} : { suffix: member }),
    ...(sessionKey === undefined ? {} : { sessionKey }),
    ...(crew === undefined ? {} : { crew }),
  };
  const operations = operationsOf(log.rules, deps);
  const runtime = await startRuntime(settings, { clock, signals, version, operations, ...shared });
  const { url } = runtime;
  if (!deps.member) tellListening(settings, signals, url);
  setImmediate(warmUp);
  return {
    url,
    signals,
    log: log.rules,
    turnTools: (turn) => runtime.turnTools(turn),
    reload: (load) =>
      runtime.reload(
        async () => {
          const loaded = await load();
          log.hide(loaded.hidden);
          return loaded;
        },
        ({ telemetry }) => log.rules.configure({ level: telemetry.logLevel, destinations: telemetry.logLevels }),
      ),
    stop: async () => {
      const clean = await runtime.stop();
      log.flush();
      return clean;
    },
    cut: () => {
      signals.emit('server.cut', { ...runtime.underWay });
      log.flush();
    },
  };
}

const WARM_TURNS = 20_000;

/**
 * Has `process.nextTick`, which every request calls a dozen times, compiled before there are any: Node 20's is left with a slow
 * path for good where V8 first sees it in the midst of other work, as often as not (ADR 10).
 */
function warmUp(): void {
  for (let turn = 0; turn < WARM_TURNS; turn++) process.nextTick(nothing);
}

function nothing(): void {}

function operationsOf(rules: LogLevels, { reload, tellLog, tellTurn }: ServeDeps): Operations {
  const log: LogLevels = {
    read: () => rules.read(),
    set: (wish) => {
      rules.set(wish);
      tellLog?.(wish);
    },
    reset: () => {
      rules.reset();
      tellLog?.(undefined);
    },
  };
  return { log, ...(reload ? { reload } : {}), ...(tellTurn ? { tellTurn } : {}) };
}

/** The log that a configuration asks for, and the signals that write to it. `shared`: other processes write there too. */
export function openLog(settings: Settings, stderr: ServeDeps['stderr'], shared = false) {
  const { logLevel: level, logLevels: levels } = settings.telemetry;
  const format = settings.telemetry.logFormat ?? (stderr.isTTY ? 'pretty' : 'json');
  const log = new LogManager({ level, levels, format, stream: stderr, shared });
  log.hide(settings.hidden);
  return { log, signals: createSignals(log) };
}

/** What an operator should know of the configuration. */
export function tellNotices(settings: Settings, signals: Signals): void {
  for (const notice of settings.notices) signals.emit('config.notice', { notice });
}

/** Where it listens, and who can reach it there. */
export function tellListening(settings: Settings, signals: Signals, url: string, workers?: number): void {
  if (!isLoopbackBind(settings.server.host) && settings.identity.size === 0) {
    signals.emit('server.exposed', { host: settings.server.host });
  }
  signals.emit('server.listening', { url, workers, destinations: [...settings.destinations.keys()] });
}
