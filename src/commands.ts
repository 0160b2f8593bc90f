import { banner } from './banner.js';
import { renderFault, renderFaults } from './config/check.js';
import { loadConfig } from './config/configManager.js';
import { readEnvironment, SESSION_KEY, serviceManagerEnvironment, WORKER } from './config/environment.js';
import type { Flags } from './config/flags.js';
import type { Machine } from './config/locate.js';
import type { Settings } from './config/settings.js';
import type { StdioOptions } from './config/stdioFlags.js';
import type { LogWish } from './contracts/logLevels.js';
import type { ToolTurn } from './contracts/toolSwitches.js';
import type { Signals } from './contracts.js';
import { systemClock } from './core/async.js';
import { ConfigError, errorCode } from './core/errors.js';
import type { KeysAction, KeysOptions } from './keysCommand.js';
import { exitAfter, live, openPidFile, openServiceManager, told } from './lifecycle.js';
import { Reloads } from './reloads.js';
import { SecretKeeper } from './secrets/keeper.js';

/** Clients that end a server by a signal wait for two seconds or so, then kill it. Milliseconds. */
const SIGNALLED_MS = 1_000;

/** Loads the configuration for this process. Secret managers are asked for this load alone unless a keeper is handed in; never, where it is null. */
export async function load(flags: Flags, secrets?: SecretKeeper | null): Promise<Settings> {
  return loadConfig({ flags, ...(await thisMachine()), ...(secrets === undefined ? {} : { secrets }) });
}

export async function thisMachine(): Promise<Machine> {
  const { homedir } = await import('node:os');
  return { env: readEnvironment(), cwd: process.cwd(), home: homedir(), platform: process.platform };
}

/** `mcp-drawbridge serve`: runs until a signal, drains, and ends with 0, or 1 where that cut something off. */
export async function runServe(flags: Flags, version: string): Promise<void> {
  const secrets = new SecretKeeper(systemClock);
  const settings = await load(flags, secrets);
  const start = { flags, settings, secrets };
  if (flags.workers !== undefined && flags.workers > 1) return serveTogether(start, flags.workers, version);
  const pidFile = openPidFile(flags.pidFile);
  const { serve } = await import('./serve.js');
  const reloads = new Reloads(() => load(flags, secrets), secrets);
  const serving = await serve(settings, { stderr: process.stderr, version, reload: () => reloads.run() });
  const { url, signals, cut } = serving;
  const manager = serviceManager(signals);
  reloads.attach({ signals, reload: told(manager, url, serving.reload) }, settings);
  const reload = () => reloads.run();
  const stop = () => {
    secrets.close();
    return serving.stop();
  };
  await live({ url, drainMs: settings.server.drainMs, reload, stop, cut }, { pidFile, manager });
  welcome(url, signals, settings);
}

function serviceManager(signals: Signals) {
  return openServiceManager(serviceManagerEnvironment(readEnvironment(), process.pid), signals);
}

/** `mcp-drawbridge stdio`: until the client is done, or a signal; ends with 0. */
export async function runStdio(flags: Flags, options: StdioOptions, version: string): Promise<void> {
  const { stdin, stdout, stderr } = process;
  const { stdioFlags } = await import('./config/stdioFlags.js');
  const given = stdioFlags(flags, options, readEnvironment());
  for (const note of given.notes) stderr.write(`note: ${note}\n`);
  const settings = await load(given.flags);
  const { startStdio } = await import('./stdio.js');
  const ignoreTools = options.ignoreTool ?? [];
  const run = await startStdio(settings, { stdin, stdout, stderr, version, ignoreTools });
  let ending = false;
  const end = (drainMs: number) => {
    // A second signal means it; one that comes while the last calls end cuts them short.
    if (ending) process.exit(0);
    ending = true;
    void run.stop(drainMs).finally(() => process.exit(0));
  };
  const signalled = () => end(Math.min(settings.server.drainMs, SIGNALLED_MS));
  process.on('SIGTERM', signalled);
  process.on('SIGINT', signalled);
  await run.done;
  if (!ending) end(settings.server.drainMs);
}

/** The same for `--workers`: this process only looks after the ones that serve, or is one of those. */
async function serveTogether(start: Start, size: number, version: string): Promise<void> {
  const { settings } = start;
  const { Crew, isWorker } = await import('./workers.js');
  const { openLog, tellListening, tellNotices } = await import('./serve.js');
  if (isWorker()) return serveAsWorker(start, version);
  const pidFile = openPidFile(start.flags.pidFile);
  const { randomBytes } = await import('node:crypto');
  const sessionKey = randomBytes(32).toString('base64url');
  const { log, signals } = openLog(settings, process.stderr, true);
  tellNotices(settings, signals);
  const crew = new Crew(size, (slot) => ({ [WORKER]: slot, [SESSION_KEY]: sessionKey }), {
    clock: systemClock,
    signals,
  });
  const url = await crew.start();
  tellListening(settings, signals, url, size);
  const manager = serviceManager(signals);
  const cut = () => {
    crew.kill();
    signals.emit('server.cut', { workers: size });
    log.flush();
  };
  const stop = () => crew.stop().finally(() => log.flush());
  const reload = told(manager, url, () => crew.reload());
  await live({ url, drainMs: settings.server.drainMs, reload, stop, cut }, { pidFile, manager });
  welcome(url, signals, settings);
}

/** What one of them is told by the management API, the others are told as well. */
async function serveAsWorker({ flags, settings, secrets }: Start, version: string): Promise<void> {
  const { obey, resign, tellOthers } = await import('./workers.js');
  const { serve } = await import('./serve.js');
  const { CrewMember } = await import('./crewMetrics.js');
  const crew = new CrewMember();
  const { [WORKER]: member = '', [SESSION_KEY]: sessionKey = '' } = readEnvironment();
  const reloads = new Reloads(() => load(flags, secrets), secrets);
  const reload = async () => {
    const told = await reloads.run();
    if (told.taken) tellOthers({ share: 'reload' });
    return told;
  };
  const tellLog = (wish: LogWish | undefined) => tellOthers({ share: 'log', ...(wish ? { wish } : {}) });
  const tellTurn = (turn: ToolTurn) => tellOthers({ share: 'tools', turn });
  const deps = { stderr: process.stderr, version, member, sessionKey, crew, reload, tellLog, tellTurn };
  const serving = await serve(settings, deps).catch(resign);
  reloads.attach(serving, settings);
  const stop = () => {
    secrets.close();
    exitAfter(serving.stop());
  };
  const turnTools = (turn: ToolTurn) => serving.turnTools(turn);
  obey(serving.url, { reload: () => reloads.run(), stop, turnTools }, serving.log);
  crew.join();
}

/** For people at a terminal. */
function welcome(url: string, signals: Signals, settings: Settings): void {
  if (settings.telemetry.logFormat === 'json' || !signals.enabled('server.listening')) return;
  process.stderr.write(banner(url, firstDestination(settings)));
}

/** What a process was started with. */
interface Start {
  readonly flags: Flags;
  readonly settings: Settings;
  readonly secrets: SecretKeeper;
}

/**
 * `mcp-drawbridge check`: silent faults are worse than none, so a whole configuration is said to be whole. It calls nobody,
 * unless it is told to ask the secret managers.
 */
export async function runCheck(flags: Flags, resolveSecrets: boolean): Promise<void> {
  const settings = await load(flags, resolveSecrets ? undefined : null).catch(orTellWarnings);
  if (!settings) return;
  for (const notice of settings.notices) process.stderr.write(`note: ${notice}\n`);
  process.stdout.write(
    `The configuration is valid: ${settings.destinations.size} destinations, ${settings.credentials.size} credentials.\n`,
  );
}

/** A section that can't be judged without a secret has no fault, and no settings either. */
function orTellWarnings(error: unknown): undefined {
  if (!(error instanceof ConfigError) || error.faults.some(({ severity }) => severity === 'fault')) throw error;
  for (const warning of error.faults) process.stderr.write(`note: ${renderFault(warning)}\n`);
  process.stdout.write('The configuration has no fault, as far as can be told without its secrets.\n');
}

/** `mcp-drawbridge keys …`, on the keys of the configuration's file. */
export async function runKeysCommand(action: KeysAction, options: KeysOptions, flags: Flags): Promise<void> {
  const settings = await load(flags);
  const { openKeyRing } = await import('./identity/keyRing.js');
  const { openLog } = await import('./serve.js');
  const { runKeys } = await import('./keysCommand.js');
  const { log, signals } = openLog(settings, process.stderr);
  const { stdout, stderr } = process;
  const keys = openKeyRing(settings.keyFile, { clock: systemClock, signals });
  await runKeys(action, options, { keys, clock: systemClock, stdout, stderr }).finally(() => log.flush());
}

function firstDestination(settings: Settings): string | undefined {
  return settings.forced.destination ?? settings.server.defaultDestination ?? settings.destinations.keys().next().value;
}

/** True for what the user can mend by changing the configuration or the command. */
export function isConfigFault(error: unknown): boolean {
  return error instanceof ConfigError;
}

/** A failure in words, for people: never a stack trace. */
export function explain(error: unknown): string {
  if (error instanceof ConfigError) return renderFaults(error.faults);
  if (errorCode(error) === 'EADDRINUSE') return 'the port is in use: choose another with --port, or 0 for any free one';
  if (errorCode(error) === 'EACCES') return 'the port may not be opened: choose one above 1023 with --port';
  return error instanceof Error ? error.message : String(error);
}
