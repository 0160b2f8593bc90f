import { explain, isConfigFault, load, thisMachine } from './commands.js';
import { readEnvironment } from './config/environment.js';
import type { Flags } from './config/flags.js';
import type { LoginOptions } from './config/loginFlags.js';
import type { Settings } from './config/settings.js';
import type { Signals } from './contracts.js';
import { systemClock } from './core/async.js';
import { ConfigError } from './core/errors.js';
import type { LoginAction } from './loginCommands.js';

export interface LoginCommandOptions {
  /** A destination of the configuration, or a URL. */
  readonly target?: string;
  readonly json: boolean;
  readonly yes: boolean;
  readonly login: LoginOptions;
}

/** `mcp-drawbridge login|logout|status|token`: ends the process, whatever still waits for a browser. */
export async function runLoginCommand(
  action: LoginAction,
  options: LoginCommandOptions,
  flags: Flags,
  version: string,
): Promise<void> {
  try {
    await loginCommand(action, options, flags, version);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(isConfigFault(error) ? 2 : 1);
  }
}

async function loginCommand(
  action: LoginAction,
  { target, json, yes, login }: LoginCommandOptions,
  flags: Flags,
  version: string,
): Promise<void> {
  const [{ LogManager }, { createSignals }, commands] = await Promise.all([
    import('./telemetry/logManager.js'),
    import('./telemetry/signals.js'),
    import('./loginCommands.js'),
  ]);
  const { stdin, stdout, stderr } = process;
  const log = new LogManager({ level: 'warn', format: stderr.isTTY ? 'pretty' : 'json', stream: stderr });
  const signals = onlyOfLogins(createSignals(log));
  const deps = { clock: systemClock, signals, version, stdin, stdout, stderr };
  try {
    if (action === 'status') {
      const settings = flags.config || flags.overlay ? await load({ ...flags, persist: true }) : undefined;
      const [{ tokenFolder }, vaults] = await Promise.all([import('./config/launch.js'), import('./vaults.js')]);
      const vault = settings
        ? await vaults.openVault(settings, deps)
        : vaults.openFileVault(tokenFolder(await thisMachine()), deps);
      return await commands.runStatus(vault, { json, ...(settings ? { only: credentialsOf(settings) } : {}) }, deps);
    }
    const settings = await load(await targetFlags(target ?? '', flags, login));
    log.hide(settings.hidden);
    if (action === 'token') return await commands.runToken(settings, yes, deps);
    await (action === 'login' ? commands.runLogin(settings, deps) : commands.runLogout(settings, deps));
  } finally {
    log.flush();
  }
}

/** The command says itself how it went; where its tokens can't be kept or read, nobody else would say so. */
function onlyOfLogins(signals: Signals): Signals {
  const told = (name: string) => name.startsWith('vault.') || name === 'login.lost';
  return {
    emit: (name, fields) => (told(name) ? signals.emit(name, fields) : undefined),
    enabled: (name) => told(name) && signals.enabled(name),
  };
}

/** Those of destinations that bring their own included. */
function credentialsOf({ credentials, destinations }: Settings): ReadonlySet<string> {
  return new Set([...credentials.keys(), ...[...destinations.keys()].map((name) => `${name}:own`)]);
}

/** `mcp-drawbridge doctor`: 0 where nothing failed, 1 where a step did, 2 where the configuration is at fault. */
export async function runDoctorCommand(
  { target, json, login }: Omit<LoginCommandOptions, 'yes'>,
  flags: Flags,
  version: string,
): Promise<void> {
  const { LogManager } = await import('./telemetry/logManager.js');
  const { createSignals } = await import('./telemetry/signals.js');
  const { runDoctor } = await import('./doctor.js');
  const { stdout, stderr } = process;
  const log = new LogManager({ level: 'error', format: stderr.isTTY ? 'pretty' : 'json', stream: stderr });
  try {
    const settings = await load(
      target === undefined ? { ...flags, persist: true } : await targetFlags(target, flags, login),
    );
    const only = target === undefined ? {} : { only: settings.forced.destination ?? target };
    const deps = { clock: systemClock, signals: createSignals(log), version, stdout };
    const ok = await runDoctor(settings, { json, ...only }, deps);
    log.flush();
    process.exit(ok ? 0 : 1);
  } catch (error) {
    if (json && error instanceof ConfigError)
      stdout.write(`${JSON.stringify({ ok: false, destinations: [], faults: error.faults }, null, 2)}\n`);
    stderr.write(`${explain(error)}\n`);
    process.exit(isConfigFault(error) ? 2 : 1);
  }
}

/** A URL is what it is for `stdio`; a destination is one of the configuration that `serve` would take. */
async function targetFlags(target: string, flags: Flags, login: LoginOptions): Promise<Flags> {
  const { callback, stdioFlags } = await import('./config/stdioFlags.js');
  if (/^https?:/i.test(target)) {
    const given = stdioFlags({ ...flags, url: target, persist: true }, { ...login, idle: [] }, readEnvironment());
    return given.flags;
  }
  return { browser: 'system', ...flags, ...callback(flags, login), destination: target, persist: true };
}
