import { browserEnvironment } from './config/environment.js';
import type { Entry, Settings } from './config/settings.js';
import type { Clock, Signals, Vault } from './contracts.js';
import { build, kinds } from './kinds.js';
import { openKeychain } from './stores/keychain.js';
import type { VaultDeps } from './stores/redisVault.js';
import { FileVault, MemoryVault } from './stores/vault.js';

interface Deps {
  readonly clock: Clock;
  readonly signals: Signals;
}

/** All that a vault depends on: another wish is another vault. */
export function vaultWish({ login, stores }: Settings): readonly unknown[] {
  const { folder, persist, store, keychain } = login;
  return ['vault', store === undefined ? (persist ? folder : null) : [store, stores.get(store)], keychain];
}

/** Where logins are kept: in the store that the configuration names, on disk, or as long as this process. */
export async function openVault({ login, stores }: Settings, deps: Deps): Promise<Vault> {
  const { folder, persist, store, keychain } = login;
  if (store !== undefined) {
    return build<Vault, VaultDeps>(kinds.vaults, stores.get(store) as Entry, { ...deps, name: store });
  }
  return persist ? openFileVault(folder, deps, keychain) : new MemoryVault();
}

/** `wantKeychain`: its key is moved to the system's keychain; where it is there already, nobody has to say so. */
export function openFileVault(folder: string, { clock, signals }: Deps, wantKeychain = false): FileVault {
  const keychain = openKeychain({ platform: process.platform, env: browserEnvironment() });
  return new FileVault(folder, { clock, signals, keychain, wantKeychain });
}
