import { createApp } from './app.js';
import { Lasting } from './callers.js';
import type { Settings } from './config/settings.js';
import type { Handler } from './contracts.js';
import { systemClock } from './core/async.js';
import { ConfigError } from './core/errors.js';
import { globs } from './core/glob.js';
import { StdioDoor } from './edge/stdio.js';
import { answersWithList, filterReply } from './gateway/listFilter.js';
import { LogManager } from './telemetry/logManager.js';
import { createSignals } from './telemetry/signals.js';
import { jsonReply } from './wire/messages.js';

export interface StdioRunDeps {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly version: string;
  /** Globs of tools that are neither listed nor called, in any case. */
  readonly ignoreTools: readonly string[];
}

/** A server on stdin and stdout that is reached through a destination. */
export interface StdioRun {
  /** Resolves when the client is done. */
  readonly done: Promise<void>;
  /** Lets what is under way end for at most so long, and frees everything. */
  stop(drainMs: number): Promise<void>;
}

/** A circuit that opened is tried again after this at most: the one caller waits, and nobody else is there to be protected. Milliseconds. */
const RESET_MS = 1_000;

/** Starts the door. Rejects with a ConfigError where the settings don't say which destination is meant. */
export async function startStdio(given: Settings, deps: StdioRunDeps): Promise<StdioRun> {
  const clock = systemClock;
  const settings = forOwner(given);
  const destination = destinationOf(settings);
  const { logLevel: level, logLevels: levels, logFormat } = settings.telemetry;
  const format = logFormat ?? (deps.stderr.isTTY ? 'pretty' : 'json');
  const log = new LogManager({ level, levels, format, stream: deps.stderr });
  log.hide(settings.hidden);
  const signals = createSignals(log);
  for (const notice of settings.notices) signals.emit('config.notice', { notice });
  const { version } = deps;
  const common = { clock, signals, version };
  const app = await createApp(settings, { ...common, draining: () => false, lasting: new Lasting(common) });
  const door = new StdioDoor({
    handler: withoutTools(app.doors.stdio as Handler, deps.ignoreTools),
    clock,
    target: `/mcp/${destination}`,
    agent: `mcp-drawbridge/${version}`,
    input: deps.stdin,
    output: deps.stdout,
  });
  const done = door.serve();
  app.warmUp();
  return {
    done,
    stop: async (drainMs) => {
      await door.close(drainMs);
      await app.close();
      log.flush();
    },
  };
}

/** Whoever starts the program owns what it uses: there is nobody to be told apart, and nobody to be kept from anything. */
export function forOwner(settings: Settings): Settings {
  const { resilience } = settings;
  const { resetMs } = resilience.circuitBreaker;
  const circuitBreaker = { ...resilience.circuitBreaker, resetMs: Math.min(resetMs, RESET_MS) };
  return { ...settings, identity: new Map(), permissions: undefined, resilience: { ...resilience, circuitBreaker } };
}

export function destinationOf({ forced, server, destinations }: Settings): string {
  const [only, ...others] = destinations.keys();
  const name = forced.destination ?? server.defaultDestination ?? only;
  if (name !== undefined && (others.length === 0 || name !== only || forced.destination || server.defaultDestination))
    return name;
  const hint = `Name one with --destination: ${[...destinations.keys()].join(', ')}.`;
  const message = name === undefined ? 'there is no destination' : 'several destinations are configured';
  throw new ConfigError([{ file: 'flags', path: '--destination', message, hint, severity: 'fault' }]);
}

const INTERNAL_ERROR = -32603;

/** A chain in which those tools don't exist. */
function withoutTools(handler: Handler, patterns: readonly string[]): Handler {
  if (patterns.length === 0) return handler;
  const matches = globs(patterns.map((pattern) => pattern.toLowerCase()));
  const mayUse = (method: string, name: string) => method !== 'tools/call' || !matches(name.toLowerCase());
  return (exchange) => {
    const { call } = exchange;
    if (!call) return handler(exchange);
    if (call.method === 'tools/call' && !mayUse('tools/call', call.name ?? '')) {
      const error = { code: INTERNAL_ERROR, message: `the tool "${call.name}" is hidden by --ignore-tool` };
      return jsonReply({ jsonrpc: '2.0', id: call.id, error });
    }
    if (!answersWithList(call)) return handler(exchange);
    const reply = handler(exchange);
    return reply instanceof Promise ? reply.then((later) => filterReply(later, mayUse)) : filterReply(reply, mayUse);
  };
}
