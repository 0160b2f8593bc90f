import type { Settings } from './config/settings.js';
import type { Clock, Logins, Signals, Vault } from './contracts.js';
import type { Started } from './core/async.js';
import type { Kept } from './core/kept.js';
import { openInBrowser } from './edge/browser.js';
import { BrowserLogins } from './edge/logins.js';
import { FileVault, MemoryVault } from './stores/vault.js';

export interface LoginsDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly kept: Kept;
  readonly started: Started;
}

/** Where tokens are kept, and how people log in for them; both outlive a reload. */
export async function openLogins(
  { login }: Settings,
  { clock, signals, kept, started }: LoginsDeps,
): Promise<{ readonly vault: Vault; readonly logins: Logins }> {
  const { folder, persist, browser, host, port, waitMs } = login;
  const vault = await kept.take<Vault>(['vault', persist ? folder : null], () =>
    persist ? new FileVault(folder, { clock, signals }) : new MemoryVault(),
  );
  started.add(() => vault.release());
  const open = browser === 'none' ? () => {} : openInBrowser;
  const logins = new BrowserLogins({ clock, signals, host, port, path: '/oauth/callback', waitMs, open });
  return { vault: vault.value, logins };
}
