import type { Fault } from '../core/errors.js';
import { meant } from './issues.js';
import {
  type Branch,
  branch,
  faultAt,
  find,
  isBranch,
  isLeaf,
  type Leaf,
  type List,
  type Place,
  placeAt,
  put,
  type Tree,
  textAt,
  warningAt,
} from './tree.js';

/** The destination that `--url` alone makes. */
const AD_HOC = 'target';

const OWN_LIMIT = 'Set maxMemoryMiB of the stdio destination.';

/** The configuration with what the command line forces written into it, so that the same checks judge it. */
export interface Forced {
  readonly config: Branch;
  readonly destination?: string;
  readonly faults: readonly Fault[];
}

/**
 * `--destination` and `--url` (or their old names) applied. `missing` is what to say about a destination that nobody
 * defines: where its service key was looked for. `oneUrl`: a URL is a destination of its own, whatever else there is.
 */
export function applyForced(config: Branch, launch: Branch, missing: string, oneUrl = false): Forced {
  const url = launch.entries.get('url');
  const name = textAt(launch, 'destination');
  const command = launch.entries.get('command');
  const memory = launch.entries.get('maxChildMemory');
  if (command && 'items' in command) return started(config, command, memory, url ?? launch.entries.get('destination'));
  if (memory) return { config, faults: [faultAt(memory.place, 'is about the command behind --', OWN_LIMIT)] };
  if (isLeaf(url) && !isHttpUrl(url)) {
    return { config, faults: [faultAt(url.place, 'must be an absolute http or https URL without user or password')] };
  }
  if (name === undefined && isLeaf(url) && oneUrl)
    return withLogin(adHoc(config, url, launch.entries.get('urlTransport')), url, launch);
  if (name === undefined) return isLeaf(url) ? aim(config, url) : { config, faults: [] };
  const entry = find(config, ['destinations', name]);
  if (!isBranch(entry))
    return { config, faults: [unknownDestination(config, placeAt(launch, ['destination']), name, missing)] };
  const changed = isLeaf(url) ? put(config, ['destinations', name, 'url'], url) : config;
  return { config: changed, destination: name, faults: [] };
}

/** A server that is started by a command, for as long as this process lives. */
function started(config: Branch, { place, items }: List, memory: Tree | undefined, other: Tree | undefined): Forced {
  if (other) {
    const message = 'is another server than the command behind --';
    return { config, faults: [faultAt(other.place, message, 'Leave one of them out.')] };
  }
  const [command, ...args] = items;
  if (!command) return { config, faults: [faultAt(place, 'needs a command: the program and its arguments')] };
  const entry = branch(place, [
    ['kind', { place, value: 'stdio' }],
    ['command', command],
    ['args', { place, items: args }],
    ...(memory ? [['maxMemoryMiB', memory] as const] : []),
  ]);
  return { config: put(config, ['destinations', AD_HOC], entry), destination: AD_HOC, faults: [] };
}

function isHttpUrl({ value }: Leaf): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

/**
 * A URL alone is the target of every service key, which a header then chooses, as in mcp-abap-adt-proxy. Where there
 * are no keys it is a destination of its own, and no credential goes with it: whose it would be, nobody said.
 */
function aim(config: Branch, url: Leaf): Forced {
  const keys = serviceKeys(config);
  if (keys.length === 0) return adHoc(config, url);
  const aimed = keys.reduce((current, name) => put(current, ['destinations', name, 'url'], url), config);
  const message = `is the target of every service key, and sees their tokens: ${keys.join(', ')}`;
  return { config: aimed, faults: [warningAt(url.place, message, 'Name one of them with --destination.')] };
}

function adHoc(config: Branch, url: Leaf, transport?: Tree): Forced {
  const entry = branch(url.place, [
    ['kind', { place: url.place, value: 'http' }],
    ['url', url],
    ...(transport ? [['transport', transport] as const] : []),
  ]);
  return { config: put(config, ['destinations', AD_HOC], entry), destination: AD_HOC, faults: [] };
}

/** Whoever is refused there logs in, unless the start says how to be let in. */
function withLogin({ config, ...forced }: Forced, url: Leaf, launch: Branch): Forced {
  if (find(launch, ['headers', 'authorization'])) return { config, ...forced };
  const { place } = url;
  const said = launch.entries.get('oauth');
  const entry = branch(place, [
    ['kind', { place, value: 'mcp-oauth' }],
    ['origins', { place, items: [{ place, value: new URL(String(url.value)).origin }] }],
    ...(isBranch(said) ? said.entries : []),
  ]);
  const shown = put(config, ['destinations', AD_HOC, 'credential'], { place, value: AD_HOC });
  return { ...forced, config: put(shown, ['credentials', AD_HOC], entry) };
}

function serviceKeys(config: Branch): string[] {
  const destinations = config.entries.get('destinations');
  const names = isBranch(destinations) ? [...destinations.entries.keys()] : [];
  return names.filter((name) => textAt(config, 'destinations', name, 'kind') === 'service-key');
}

function unknownDestination(config: Branch, place: Place, name: string, missing: string): Fault {
  const destinations = config.entries.get('destinations');
  const near = meant(name, isBranch(destinations) ? destinations.entries.keys() : []);
  return faultAt(place, `destination "${name}" is not defined, and ${missing}`, near);
}
