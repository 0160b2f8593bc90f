import type { Fault } from '../core/errors.js';
import { meant } from './issues.js';
import { type Branch, faultAt, find, isBranch, type Place, plain, textAt } from './tree.js';

interface Member {
  readonly name: string;
  readonly place: Place;
}

/** Members of federations that aren't there, that speak no MCP, or that lead back to the federation. */
export function checkMemberships(config: Branch): Fault[] {
  const destinations = find(config, ['destinations']);
  const known = isBranch(destinations) ? [...destinations.entries.keys()] : [];
  const federations = new Map(known.filter(isFederation(config)).map((name) => [name, membersOf(config, name)]));
  return [...federations].flatMap(([name, members]) =>
    members.flatMap((member) => faultOf(config, known, name, member, federations) ?? []),
  );
}

function isFederation(config: Branch): (name: string) => boolean {
  return (name) => textAt(config, 'destinations', name, 'kind') === 'federation';
}

/** Of either form: a list of names, or an object by name. What is neither is left to the schema. */
function membersOf(config: Branch, federation: string): Member[] {
  const path = ['destinations', federation, 'members'];
  const tree = find(config, path);
  const value = tree && plain(tree);
  const placeOf = (key: string) => (find(config, [...path, key]) ?? tree ?? config).place;
  if (Array.isArray(value)) {
    return value.flatMap((name, index) => (typeof name === 'string' ? [{ name, place: placeOf(String(index)) }] : []));
  }
  return isBranch(tree) ? [...tree.entries.keys()].map((name) => ({ name, place: placeOf(name) })) : [];
}

function faultOf(
  config: Branch,
  known: readonly string[],
  federation: string,
  { name, place }: Member,
  federations: ReadonlyMap<string, readonly Member[]>,
): Fault | undefined {
  if (!known.includes(name)) {
    return faultAt(place, `there is no destination "${name}"`, meant(name, known) ?? `Known: ${known.join(', ')}.`);
  }
  if (textAt(config, 'destinations', name, 'kind') === 'web') {
    return faultAt(place, `destination "${name}" is of kind "web"`, 'Only an MCP server can be a member.');
  }
  const back = wayBack(name, federation, federations);
  if (!back) return undefined;
  const message =
    name === federation
      ? `"${name}" is a member of itself`
      : `"${name}" leads back to "${federation}" (${back.join(' → ')})`;
  return faultAt(place, message, 'Federations may have federations as members, but not in a circle.');
}

/** From one federation to another by way of members. */
function wayBack(
  from: string,
  to: string,
  federations: ReadonlyMap<string, readonly Member[]>,
  seen = new Set<string>(),
): string[] | undefined {
  if (from === to) return [to];
  if (seen.has(from)) return undefined;
  seen.add(from);
  for (const { name } of federations.get(from) ?? []) {
    const rest = wayBack(name, to, federations, seen);
    if (rest) return [from, ...rest];
  }
  return undefined;
}
