import type { Fault } from '../core/errors.js';
import { entriesOf } from './entries.js';
import { type Branch, faultAt, find, textAt } from './tree.js';

/** What is wrong with where logins are kept: a store that isn't there, or one that would see what it keeps. */
export function checkLoginRules(config: Branch): Fault[] {
  return checkSealed(config, ['logins', 'store'], 'logins');
}

/** The same of where a destination's toolset keeps answers. */
export function checkAnswerStore(config: Branch, destination: string): Fault[] {
  if (textAt(config, 'destinations', destination, 'kind') !== 'toolset') return [];
  return checkSealed(config, ['destinations', destination, 'options', 'cache', 'store'], 'answers');
}

function checkSealed(config: Branch, path: string[], what: string): Fault[] {
  const store = textAt(config, ...path);
  if (store === undefined) return [];
  const entry = entriesOf(config, 'stores').find(([name]) => name === store)?.[1];
  const { place } = find(config, path) ?? config;
  if (!entry) return [faultAt(place, `there is no store "${store}"`, 'Define it in stores.')];
  if (find(entry, ['vaultKey'])) return [];
  const hint = `Add stores.${store}.vaultKey: 32 random characters or more, the same for every replica.`;
  return [faultAt(place, `the store has no key to seal ${what} with`, hint)];
}
