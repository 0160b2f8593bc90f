import { emptyLayer, type Layer } from './layer.js';
import { commaList, countFirst, levelIfOn, ourLevel, type Rename, rewrite } from './renames.js';

/** The process's variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The variables of this process; the only place that reads them. Live, since Windows ignores the case of their names. */
export function readEnvironment(): Environment {
  return process.env;
}

/** Without these a program finds neither its files nor its home, and is shown wrong; none of them is ours. */
const FOR_CHILDREN = 'HOME LANG LC_ALL LOGNAME PATH SHELL TERM TMPDIR TZ USER'.split(' ');
const FOR_CHILDREN_OF_WINDOWS =
  'APPDATA COMSPEC HOMEDRIVE HOMEPATH LOCALAPPDATA PATH PATHEXT PROCESSOR_ARCHITECTURE PROGRAMFILES SYSTEMDRIVE SYSTEMROOT TEMP TMP USERNAME USERPROFILE'.split(
    ' ',
  );

/** What a process that we start needs of our environment, and nothing else of it: credentials stay here. */
export function childEnvironment(env: Environment = process.env, platform = process.platform): Record<string, string> {
  const names = platform === 'win32' ? FOR_CHILDREN_OF_WINDOWS : FOR_CHILDREN;
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = env[name];
      // A function that a shell exported is code.
      return value === undefined || value.startsWith('()') ? [] : [[name, value]];
    }),
  );
}

/** Without these a browser finds no screen, and not the window that is open already. */
const FOR_BROWSERS =
  'BROWSER DBUS_SESSION_BUS_ADDRESS DESKTOP_SESSION DISPLAY WAYLAND_DISPLAY WSL_DISTRO_NAME WSL_INTEROP XAUTHORITY XDG_CONFIG_DIRS XDG_CURRENT_DESKTOP XDG_DATA_DIRS XDG_RUNTIME_DIR XDG_SESSION_TYPE'.split(
    ' ',
  );

/** What a person's browser needs of our environment, and nothing else of it. */
export function browserEnvironment(env: Environment = process.env): Record<string, string> {
  const shown = FOR_BROWSERS.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  return { ...childEnvironment(env), ...Object.fromEntries(shown) };
}

/** Given by the process that started this one as one of several. */
export const WORKER = 'DRAWBRIDGE_WORKER';
/** The same: a secret that all of them share. */
export const SESSION_KEY = 'DRAWBRIDGE_SESSION_KEY';

/** What systemd tells a service about how it wants to be told things (sd_notify(3), sd_watchdog_enabled(3)). */
export interface ServiceManagerEnvironment {
  /** What the program needs that does the telling. */
  readonly env: Readonly<Record<string, string>>;
  /** Between two signs of life, at the longest; absent where nobody waits for any. Milliseconds. */
  readonly watchdogMs?: number;
}

/** Undefined where no service manager listens. */
export function serviceManagerEnvironment(env: Environment, pid: number): ServiceManagerEnvironment | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec = '', WATCHDOG_PID: watched, PATH = '' } = env;
  if (!socket) return undefined;
  const meant = /^[1-9]\d{0,15}$/.test(usec) && (!watched || watched === String(pid));
  return { env: { PATH, NOTIFY_SOCKET: socket }, ...(meant ? { watchdogMs: Number(usec) / 1000 } : {}) };
}

const LOG_LEVEL = ['telemetry', 'logLevel'];

/** The variables that set something: the usual ones about proxies, and those of mcp-abap-adt-proxy; where two lead to one place, the later wins. */
const VARIABLES: Readonly<Record<string, Rename>> = {
  HTTP_PROXY: { to: ['network', 'httpProxy'] },
  http_proxy: { to: ['network', 'httpProxy'] },
  HTTPS_PROXY: { to: ['network', 'httpsProxy'] },
  https_proxy: { to: ['network', 'httpsProxy'] },
  NO_PROXY: { to: ['network', 'noProxy'], change: commaList },
  no_proxy: { to: ['network', 'noProxy'], change: commaList },
  MCP_HTTP_PORT: { to: ['server', 'port'] },
  MCP_HTTP_HOST: { to: ['server', 'host'] },
  MCP_HTTP_ALLOWED_ORIGINS: { to: ['server', 'allowedOrigins'], change: commaList },
  MCP_HTTP_ALLOWED_HOSTS: { to: ['server', 'allowedHosts'], change: commaList },
  MCP_TRANSPORT: { to: ['transport'], launch: true },
  MCP_PROXY_UNSAFE: { to: ['persist'], launch: true },
  MCP_PROXY_MAX_RETRIES: { to: ['resilience', 'retry', 'attempts'], change: countFirst },
  MCP_PROXY_RETRY_DELAY: { to: ['resilience', 'retry', 'baseMs'] },
  MCP_PROXY_REQUEST_TIMEOUT: { to: ['resilience', 'firstByteMs'] },
  MCP_PROXY_CIRCUIT_BREAKER_THRESHOLD: { to: ['resilience', 'circuitBreaker', 'failures'] },
  MCP_PROXY_CIRCUIT_BREAKER_TIMEOUT: { to: ['resilience', 'circuitBreaker', 'resetMs'] },
  DEBUG: { to: LOG_LEVEL, change: levelIfOn('debug') },
  MCP_PROXY_DEBUG: { to: LOG_LEVEL, change: levelIfOn('debug') },
  MCP_PROXY_VERBOSE: { to: LOG_LEVEL, change: levelIfOn('debug') },
  LOG_LEVEL: { to: LOG_LEVEL, change: ourLevel },
};

/** What the environment sets. An empty variable says nothing. */
export function fromEnvironment(env: Environment, cwd: string): Layer {
  const place = (path: string) => ({ file: 'environment', path, baseDir: cwd });
  return Object.entries(VARIABLES).reduce(
    (layer, [name, rename]) => {
      const value = env[name];
      return value ? rewrite(layer, rename, { place: place(name), value }) : layer;
    },
    emptyLayer(place('')),
  );
}
