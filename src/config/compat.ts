import type { Fault } from '../core/errors.js';
import { emptyLayer, type Layer, stack } from './layer.js';
import { countFirst, ourLevel, type Rename, rewrite } from './renames.js';
import { type Branch, branch, faultAt, isBranch, type Tree, warningAt, without } from './tree.js';

interface FlatKey extends Rename {
  /** What the notice says where the path alone doesn't tell it. */
  readonly now?: string;
}

/** The flat keys of mcp-abap-adt-proxy that mean something here. */
const FLAT_KEYS: Readonly<Record<string, FlatKey>> = {
  httpPort: { to: ['server', 'port'] },
  httpHost: { to: ['server', 'host'] },
  maxRetries: {
    to: ['resilience', 'retry', 'attempts'],
    change: countFirst,
    now: 'resilience.retry.attempts, which counts the first attempt too',
  },
  retryDelay: { to: ['resilience', 'retry', 'baseMs'] },
  requestTimeout: { to: ['resilience', 'firstByteMs'] },
  circuitBreakerThreshold: { to: ['resilience', 'circuitBreaker', 'failures'] },
  circuitBreakerTimeout: { to: ['resilience', 'circuitBreaker', 'resetMs'] },
  logLevel: { to: ['telemetry', 'logLevel'], change: ourLevel },
  btpDestination: {
    to: ['destination'],
    launch: true,
    now: '--destination (or server.defaultDestination, where a request may choose another)',
  },
  targetUrl: { to: ['url'], launch: true, now: '--url (or the url of a destination)' },
  envFile: { to: ['envFile'], launch: true, now: '--env-file' },
  defaultHeaders: { to: ['headers'], launch: true, now: '--header (or the headers of a destination)' },
  transport: { to: ['transport'], launch: true, now: '--transport' },
  unsafe: { to: ['persist'], launch: true, now: '--persist' },
  browser: { to: ['browser'], launch: true, now: '--browser' },
  browserAuthPort: { to: ['browserAuthPort'], launch: true, now: '--browser-auth-port' },
};

/** Flat keys without a meaning yet: nothing listens for HTTP+SSE that they could open or close. */
const IDLE_KEYS = new Set(['ssePort', 'sseHost', 'sseAllowedOrigins', 'sseAllowedHosts', 'sseEnableDnsProtection']);

/** A file's layer: old flat keys under their new names, which win where both are written. Each is told once. */
export function fromFile(root: Branch): Layer {
  const isOld = (key: string) => Object.hasOwn(FLAT_KEYS, key) || IDLE_KEYS.has(key);
  const old = [...root.entries].filter(([key]) => isOld(key));
  const renamed = old.reduce((layer, [key, value]) => rename(layer, key, value), emptyLayer(root.place));
  const kept = without(root, new Set(old.map(([key]) => key)));
  return stack(renamed, { config: serversAsMcpServers(kept), launch: branch(root.place), faults: [] });
}

function rename(layer: Layer, key: string, value: Tree): Layer {
  const flat = FLAT_KEYS[key];
  if (!flat || !Object.hasOwn(FLAT_KEYS, key))
    return tell(layer, [warningAt(value.place, 'has no effect: SSE is not in this version yet')]);
  const notice = warningAt(value.place, `is now ${flat.now ?? flat.to.join('.')}`);
  if (key !== 'defaultHeaders' || !isBranch(value)) return tell(rewrite(layer, flat, value), [notice]);
  return tell(rewrite(layer, flat, lowerCaseKeys(value)), [notice, ...authorizationFaults(value)]);
}

function tell(layer: Layer, faults: readonly Fault[]): Layer {
  return { ...layer, faults: [...layer.faults, ...faults] };
}

/** So that layers replace each other's headers however they are written. */
function lowerCaseKeys(headers: Branch): Branch {
  return branch(
    headers.place,
    [...headers.entries].map(([name, value]) => [name.toLowerCase(), value] as const),
  );
}

function authorizationFaults(headers: Branch): Fault[] {
  return [...headers.entries]
    .filter(([name]) => name.toLowerCase() === 'authorization')
    .map(([, value]) =>
      faultAt(value.place, 'Authorization is not allowed here', 'Configure a credential of kind "static".'),
    );
}

/** VS Code writes `servers` for what every other client calls `mcpServers`. */
function serversAsMcpServers(root: Branch): Branch {
  const servers = root.entries.get('servers');
  if (!servers) return root;
  const rest = without(root, new Set(['servers']));
  return branch(rest.place, [['mcpServers', servers], ...rest.entries]);
}
