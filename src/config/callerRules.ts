import type { Fault } from '../core/errors.js';
import { PermissionsError } from '../policy/roles.js';
import { entriesOf } from './entries.js';
import { type Branch, faultAt, find, isBranch, type Place, placeAt, textAt } from './tree.js';

/** What is wrong with the rules about callers beyond their grammar: rules that nobody can meet, conditions that can't be compiled, a store that isn't there. */
export async function checkCallerRules(config: Branch, permissions: object | undefined): Promise<Fault[]> {
  const stores = entriesOf(config, 'stores').map(([name]) => name);
  const store = textAt(config, 'quotas', 'store');
  const lost =
    store === undefined || stores.includes(store)
      ? []
      : [faultAt(placeOf(config, ['quotas', 'store']), `there is no store "${store}"`, 'Define it in stores.')];
  return [...lost, ...misnamed(config), ...unmet(config, permissions), ...(await conditions(config, permissions))];
}

/** What objects are made of, `__proto__` besides, which no file may have: a rule under such a name might be one that nobody enforces. */
const TREACHEROUS = new Set(['constructor', 'prototype']);

function misnamed(config: Branch): Fault[] {
  return ['roles', 'tenants', 'scopes'].flatMap((section) => {
    const written = find(config, ['permissions', section]);
    if (!isBranch(written)) return [];
    return [...written.entries]
      .filter(([name]) => TREACHEROUS.has(name))
      .map(([name, { place }]) => faultAt(place, `${name} can't be a name here`, 'Choose another name.'));
  });
}

function unmet(config: Branch, permissions: object | undefined): Fault[] {
  if (permissions === undefined || entriesOf(config, 'identity').length > 0) return [];
  const hint = 'Configure identity, such as { "local": { "kind": "anonymous" } } for the people of this machine.';
  return [faultAt(placeOf(config, ['permissions']), 'nobody can have a role where callers are not known', hint)];
}

/** Compiled once here, so that a mistake is told with all other faults, and once more where they are used. */
async function conditions(config: Branch, permissions: object | undefined): Promise<Fault[]> {
  if (permissions === undefined) return [];
  const { createPermissions } = await import('../policy/permissions.js');
  try {
    await createPermissions(permissions as Parameters<typeof createPermissions>[0]);
    return [];
  } catch (error) {
    if (!(error instanceof PermissionsError)) throw error;
    const section = find(config, ['permissions']) ?? config;
    return error.faults.map(({ path, message }) => faultAt(placeAt(section, path.map(String)), message));
  }
}

function placeOf(config: Branch, path: string[]): Place {
  return (find(config, path) ?? config).place;
}
