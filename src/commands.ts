import { banner } from './banner.js';
import { renderFaults } from './config/check.js';
import { loadConfig } from './config/configManager.js';
import { readEnvironment } from './config/environment.js';
import type { Flags } from './config/flags.js';
import type { Settings } from './config/settings.js';
import { FileWatcher } from './config/watcher.js';
import { ConfigError, errorCode } from './core/errors.js';
import type { Serving } from './serve.js';

/** Loads the configuration for this process. */
async function load(flags: Flags): Promise<Settings> {
  const { homedir } = await import('node:os');
  return loadConfig({ flags, env: readEnvironment(), cwd: process.cwd(), home: homedir(), platform: process.platform });
}

/** `mcp-drawbridge serve`: runs until a signal, drains, and ends with 0. */
export async function runServe(flags: Flags): Promise<void> {
  const settings = await load(flags);
  const { serve } = await import('./serve.js');
  const serving = await serve(settings, { stderr: process.stderr });
  if (settings.telemetry.logFormat !== 'json' && serving.signals.enabled('server.listening')) {
    process.stderr.write(banner(serving.url, firstDestination(settings)));
  }
  reloadOnChange(serving, flags, settings.files);
  stopOnSignals(serving);
}

/** A changed file, or SIGHUP, is a new configuration. Reloads follow one another, never overtake. */
function reloadOnChange(serving: Serving, flags: Flags, files: readonly string[]): void {
  let last: Promise<void> = Promise.resolve();
  const reload = () => {
    last = last.then(() => serving.reload(() => loadAndWatch(flags, watcher)));
  };
  const watcher = new FileWatcher(reload);
  watcher.watch(files);
  process.on('SIGHUP', reload);
}

/** A refused configuration is watched as well, since the repair may come in a file that it was the first to name. */
async function loadAndWatch(flags: Flags, watcher: FileWatcher): Promise<Settings> {
  try {
    const settings = await load(flags);
    watcher.watch(settings.files);
    return settings;
  } catch (error) {
    if (error instanceof ConfigError) watcher.watch(error.files);
    throw error;
  }
}

/** `mcp-drawbridge check`: silent faults are worse than none, so a whole configuration is said to be whole. */
export async function runCheck(flags: Flags): Promise<void> {
  const settings = await load(flags);
  for (const notice of settings.notices) process.stderr.write(`note: ${notice}\n`);
  process.stdout.write(
    `The configuration is valid: ${settings.destinations.size} destinations, ${settings.credentials.size} credentials.\n`,
  );
}

function firstDestination(settings: Settings): string | undefined {
  return settings.forced.destination ?? settings.server.defaultDestination ?? settings.destinations.keys().next().value;
}

/** The first signal drains; a second one means it, and ends the process at once. */
function stopOnSignals(serving: Serving): void {
  let stopping = false;
  const stop = () => {
    if (stopping) process.exit(1);
    stopping = true;
    serving.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
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
