import type { Fault } from '../core/errors.js';
import { meant } from './issues.js';
import { checkAnswerStore } from './loginRules.js';
import { checkMemberships } from './memberships.js';
import { type Branch, faultAt, find, isBranch, isLeaf, type Leaf, plain, textAt } from './tree.js';

/** Names that lead nowhere, and credentials that a destination's URL may not see. */
export function checkReferences(config: Branch): Fault[] {
  const destinations = [...(section(config, 'destinations')?.entries ?? [])];
  return [
    ...checkName(config, ['server', 'defaultDestination'], 'destinations'),
    ...checkPassthrough(config),
    ...checkName(config, ['resilience', 'circuitBreaker', 'store'], 'stores'),
    ...destinations.flatMap(([name]) => [
      ...checkCredential(config, name),
      ...checkFallback(config, name),
      ...checkAnswerStore(config, name),
    ]),
    ...[...(section(config, 'credentials')?.entries.keys() ?? [])].flatMap((name) => checkVouching(config, name)),
    ...checkMemberships(config),
    ...checkNetworks(config),
    ...checkLogLevels(config),
  ];
}

function checkCredential(config: Branch, destination: string): Fault[] {
  const path = ['destinations', destination, 'credential'];
  const faults = checkName(config, path, 'credentials');
  const credential = textAt(config, ...path);
  return faults.length > 0 || credential === undefined ? faults : checkOrigin(config, destination, credential);
}

/** Whoever takes the place of a destination is another one that speaks MCP. */
function checkFallback(config: Branch, destination: string): Fault[] {
  const list = find(config, ['destinations', destination, 'fallback']);
  if (list === undefined || isBranch(list) || isLeaf(list)) return [];
  return list.items.filter(isLeaf).flatMap(({ place, value }, index) => {
    const name = String(value);
    if (name === destination) return [faultAt(place, `"${name}" can't take its own place`)];
    if (textAt(config, 'destinations', name, 'kind') === 'web') {
      return [faultAt(place, `destination "${name}" is of kind "web"`, 'Only an MCP server can take its place.')];
    }
    return checkName(config, ['destinations', destination, 'fallback', String(index)], 'destinations');
  });
}

/** A credential's own calls go the way of the destinations that show it: it must be one way. */
function checkNetworks(config: Branch): Fault[] {
  const ways = new Map<string, string>();
  return [...(section(config, 'destinations')?.entries ?? [])].flatMap(([name, entry]) => {
    const credential = textAt(config, 'destinations', name, 'credential');
    if (credential === undefined) return [];
    const network = find(entry, ['network']);
    const way = JSON.stringify(network ? plain(network) : {});
    const other = ways.get(credential) ?? way;
    ways.set(credential, other);
    if (other === way) return [];
    const message = `credential "${credential}" is shown by destinations that are reached in different ways`;
    return [
      faultAt((network ?? entry).place, message, 'Give each of them a credential of its own, or the same network.'),
    ];
  });
}

/** A level for a name that nobody has would change nothing, and say nothing. */
function checkLogLevels(config: Branch): Fault[] {
  const levels = find(config, ['telemetry', 'logLevels']);
  if (!isBranch(levels)) return [];
  const known = [...(section(config, 'destinations')?.entries.keys() ?? [])];
  return [...levels.entries]
    .filter(([name]) => !known.includes(name))
    .map(([name, { place }]) => {
      const list = known.length > 0 ? `Known: ${known.join(', ')}.` : 'Define it in destinations.';
      return faultAt(place, `there is no destination "${name}"`, meant(name, known) ?? list);
    });
}

/** The broker refuses it at run time too; here it is said before anybody waits for a call. */
function checkOrigin(config: Branch, destination: string, credential: string): Fault[] {
  const written = find(config, ['credentials', credential, 'origins']);
  const origins = written ? plain(written) : defaultOrigins(config, credential);
  if (!Array.isArray(origins)) return [];
  return urlsOf(config, destination).flatMap(({ place, value }) => {
    const origin = originOf(value);
    if (origin === undefined || origins.some((each) => originOf(each) === origin)) return [];
    const hint = `Add it to credentials.${credential}.origins, if ${origin} may see that credential.`;
    return [faultAt(place, `credential "${credential}" does not list the origin ${origin}`, hint)];
  });
}

/** The one URL, or those of a pool, with weights or without. */
function urlsOf(config: Branch, destination: string): Leaf[] {
  const several = find(config, ['destinations', destination, 'urls']);
  const listed = several && !isBranch(several) && !isLeaf(several) ? several.items : [];
  const members = listed.map((item) => (isBranch(item) ? item.entries.get('url') : item));
  return [find(config, ['destinations', destination, 'url']), ...members]
    .filter((url) => url !== undefined)
    .filter(isLeaf);
}

/** The entries of `identity` that a credential believes. */
function checkVouching(config: Branch, credential: string): Fault[] {
  const list = find(config, ['credentials', credential, 'identity']);
  if (list === undefined || isBranch(list) || isLeaf(list)) return [];
  const known = [...(section(config, 'identity')?.entries.keys() ?? [])];
  return list.items
    .filter(isLeaf)
    .filter(({ value }) => typeof value === 'string' && !known.includes(value))
    .map(({ place, value }) => {
      const listed = known.length > 0 ? `Known: ${known.join(', ')}.` : 'Define it in identity.';
      return faultAt(place, `there is no identity "${value}"`, meant(String(value), known) ?? listed);
    });
}

/** A tenant's credential is for the tenant where nothing else is written. */
function defaultOrigins(config: Branch, credential: string): unknown {
  const path = ['credentials', credential];
  const tenant = textAt(config, ...path, 'tenant');
  return textAt(config, ...path, 'kind') === 'qlik' && tenant !== undefined ? [tenant] : undefined;
}

function originOf(value: unknown): string | undefined {
  return typeof value === 'string' && URL.canParse(value) ? new URL(value).origin : undefined;
}

function checkPassthrough(config: Branch): Fault[] {
  const path = ['server', 'passthrough'];
  const faults = checkName(config, path, 'destinations');
  const name = textAt(config, ...path);
  if (faults.length > 0 || name === undefined) return faults;
  if (textAt(config, 'destinations', name, 'kind') === 'web') return [];
  const place = (find(config, path) ?? config).place;
  return [
    faultAt(
      place,
      `destination "${name}" is not of kind "web"`,
      'Only a web destination passes requests through unchanged.',
    ),
  ];
}

/** The text at `path` must be the name of an entry of `target`. */
function checkName(config: Branch, path: string[], target: 'destinations' | 'credentials' | 'stores'): Fault[] {
  const name = textAt(config, ...path);
  const entries = section(config, target)?.entries ?? new Map<string, unknown>();
  if (name === undefined || entries.has(name)) return [];
  const known = [...entries.keys()];
  const list = known.length > 0 ? `Known: ${known.join(', ')}.` : `Define it in ${target}.`;
  const place = (find(config, path) ?? config).place;
  return [faultAt(place, `there is no ${target.slice(0, -1)} "${name}"`, meant(name, known) ?? list)];
}

function section(config: Branch, name: string): Branch | undefined {
  const found = config.entries.get(name);
  return isBranch(found) ? found : undefined;
}
