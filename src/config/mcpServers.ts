import type { Fault } from '../core/errors.js';
import { isLoopbackHost } from '../wire/loopback.js';
import { isLegalName, legalName } from './names.js';
import { isOn } from './renames.js';
import {
  type Branch,
  branch,
  find,
  isBranch,
  isLeaf,
  type Leaf,
  type Place,
  plain,
  put,
  type Tree,
  textAt,
  warningAt,
  without,
} from './tree.js';

/** A configuration in our own grammar, and what to tell about how it got there. */
export interface Adopted {
  readonly config: Branch;
  readonly faults: readonly Fault[];
}

/** What one entry of a client becomes. */
interface Adoption {
  readonly destination?: Branch;
  readonly credential?: Branch;
  readonly faults: readonly Fault[];
}

const KNOWN = new Set(['url', 'headers', 'type', 'disabled', 'command', 'args', 'env', 'cwd']);
const COMMAND_KEYS = new Set(['command', 'args', 'env', 'cwd']);
const HTTP_TYPES = new Set(['http', 'streamable-http', 'streamableHttp', 'streamable_http']);
const SECRET_HEADER = /authorization|cookie|api-?key|token|secret|password/i;

/**
 * The entries that clients write (`mcpServers`, VS Code's `servers`, or entries of `destinations` without a kind) as
 * destinations and credentials. `sections` are our own root keys: in a client's file any other is only warned about.
 */
export function adoptClientEntries(config: Branch, sections: ReadonlySet<string>): Adopted {
  const faults: Fault[] = [];
  let adopted = withoutForeignKeys(config, sections, faults);
  for (const [name, entry] of clientEntries(config)) {
    const adoption = adoptEntry(entry, config);
    faults.push(...adoption.faults);
    if (adoption.destination) adopted = add(adopted, name, { ...adoption, destination: adoption.destination }, faults);
  }
  return { config: adopted, faults };
}

/** Entries under a name that nobody else has. */
function add(config: Branch, name: string, adoption: Adoption & { destination: Branch }, faults: Fault[]): Branch {
  const { destination, credential } = adoption;
  const destinations = namesIn(config, 'destinations');
  const legal = isLegalName(name) && !destinations.has(name) ? name : legalName(name, destinations);
  if (legal !== name) faults.push(warningAt(destination.place, `is called "${legal}" here`));
  const added = put(config, ['destinations', legal], destination);
  if (!credential) return added;
  const free = legalName(legal, namesIn(config, 'credentials'));
  const reference: Leaf = { place: credential.place, value: free };
  return put(put(added, ['destinations', legal, 'credential'], reference), ['credentials', free], credential);
}

function namesIn(config: Branch, section: string): ReadonlySet<string> {
  const found = config.entries.get(section);
  return new Set(isBranch(found) ? found.entries.keys() : []);
}

function withoutForeignKeys(config: Branch, sections: ReadonlySet<string>, faults: Fault[]): Branch {
  const ours = withoutClientEntries(config);
  if (!config.entries.has('mcpServers')) return ours;
  const foreign = [...ours.entries].filter(([key]) => !sections.has(key));
  faults.push(...foreign.map(([, value]) => warningAt(value.place, 'is ignored: it is not a key of Drawbridge')));
  return without(ours, new Set(foreign.map(([key]) => key)));
}

function withoutClientEntries(config: Branch): Branch {
  const rest = without(config, new Set(['mcpServers']));
  const destinations = rest.entries.get('destinations');
  if (!isBranch(destinations)) return rest;
  const written = [...destinations.entries].filter(([, entry]) => isClientEntry(entry)).map(([name]) => name);
  return put(rest, ['destinations'], without(destinations, new Set(written)));
}

function clientEntries(config: Branch): [string, Tree][] {
  const servers = config.entries.get('mcpServers');
  const destinations = config.entries.get('destinations');
  const inline = isBranch(destinations) ? [...destinations.entries].filter(([, entry]) => isClientEntry(entry)) : [];
  return [...inline, ...(isBranch(servers) ? servers.entries : [])];
}

/** No client names a credential: an entry with one is ours, and forgot its kind. */
function isClientEntry(entry: Tree): boolean {
  if (!isBranch(entry) || entry.entries.has('kind') || entry.entries.has('credential')) return false;
  return entry.entries.has('url') || entry.entries.has('command');
}

function adoptEntry(entry: Tree, config: Branch): Adoption {
  if (!isBranch(entry)) return skipped(entry.place, 'is ignored: it is no object');
  if (isOn(entry.entries.get('disabled'))) return { faults: [] };
  if (startsOurselves(entry, config)) return skipped(entry.place, 'is ignored: it starts Drawbridge itself');
  const type = textAt(entry, 'type') ?? 'http';
  if (entry.entries.has('command') || type === 'stdio') return adoptCommand(entry);
  if (type !== 'sse' && !HTTP_TYPES.has(type))
    return skipped(entry.place, `is ignored: type "${type}" is not in this version yet`);
  return adoptUrl(entry, type === 'sse' ? 'sse' : 'http');
}

function skipped(place: Place, message: string): Adoption {
  return { faults: [warningAt(place, message)] };
}

/** The keys that both have in common mean the same. */
function adoptCommand(entry: Branch): Adoption {
  if (!entry.entries.has('command')) return skipped(entry.place, 'is ignored: it has neither url nor command');
  const own = [...entry.entries].filter(([key]) => COMMAND_KEYS.has(key));
  const kind: Leaf = { place: entry.place, value: 'stdio' };
  return { destination: branch(entry.place, [['kind', kind], ...own]), faults: unknownKeys(entry) };
}

function unknownKeys(entry: Branch): Fault[] {
  const unknown = [...entry.entries].filter(([key]) => !KNOWN.has(key));
  return unknown.map(([, value]) => warningAt(value.place, 'is ignored: it is not a key that is known here'));
}

function adoptUrl(entry: Branch, transport: 'http' | 'sse'): Adoption {
  const url = entry.entries.get('url');
  if (!url) return skipped(entry.place, 'is ignored: it has neither url nor command');
  const faults = unknownKeys(entry);
  const headers = entry.entries.get('headers');
  const secret = isBranch(headers) ? secretHeader(headers) : undefined;
  const others = isBranch(headers) && secret ? without(headers, new Set([secret[0]])) : headers;
  const kind: Leaf = { place: entry.place, value: transport };
  const destination = branch(entry.place, [
    ['kind', kind],
    ['url', url],
    ...(others ? [['headers', others] as const] : []),
  ]);
  const credential = secret && staticCredential(secret, url);
  return { destination, ...(credential && { credential }), faults };
}

/** `Authorization` first, then whatever else is called like a secret. */
function secretHeader(headers: Branch): [string, Tree] | undefined {
  const found = [...headers.entries].filter(([name]) => SECRET_HEADER.test(name));
  return found.find(([name]) => name.toLowerCase() === 'authorization') ?? found[0];
}

/** Shown to the entry's own origin and to no other. A URL that is none gets its fault from the destination. */
function staticCredential([name, value]: [string, Tree], url: Tree): Branch | undefined {
  const text = String(plain(url));
  if (!URL.canParse(text)) return undefined;
  const leaf = (content: string): Leaf => ({ place: value.place, value: content });
  const origins: Tree = { place: url.place, items: [{ place: url.place, value: new URL(text).origin }] };
  return branch(value.place, [
    ['kind', leaf('static')],
    ['header', leaf(name)],
    ['value', value],
    ['origins', origins],
  ]);
}

/** By its command, or by a URL that is the address this very process listens on. */
function startsOurselves(entry: Branch, config: Branch): boolean {
  const command = [entry.entries.get('command'), entry.entries.get('args')].flatMap((part) =>
    part ? plain(part) : [],
  );
  if (command.some((word) => /(^|[\\/@])mcp-drawbridge($|[@./\\])/.test(String(word)))) return true;
  const url = textAt(entry, 'url');
  if (url === undefined || !URL.canParse(url)) return false;
  const { protocol, hostname, port } = new URL(url);
  return protocol === 'http:' && isOurHost(hostname, config) && (port || '80') === ourPort(config);
}

function isOurHost(hostname: string, config: Branch): boolean {
  return isLoopbackHost(hostname) || hostname === textAt(config, 'server', 'host');
}

function ourPort(config: Branch): string {
  const port = find(config, ['server', 'port']);
  return isLeaf(port) ? String(port.value) : '3001';
}
