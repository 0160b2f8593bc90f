import { browserEnvironment } from './config/environment.js';
import type { Settings } from './config/settings.js';
import type { Clock, Logins, Signals, Vault } from './contracts.js';
import type { Started } from './core/async.js';
import type { Kept } from './core/kept.js';
import { openInBrowser } from './edge/browser.js';
import { BrowserLogins } from './edge/logins.js';
import { openVault, vaultWish } from './vaults.js';

export interface LoginsDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly kept: Kept;
  readonly started: Started;
  /** Told where a person must go, besides. */
  readonly tellLogin?: (url: URL) => void;
}

/** Where tokens are kept, and how people log in for them; both outlive a reload. */
export async function openLogins(
  settings: Settings,
  { clock, signals, kept, started, tellLogin }: LoginsDeps,
): Promise<{ readonly vault: Vault; readonly logins: Logins }> {
  const { browser, host, port, path, waitMs, mcpRemote } = settings.login;
  const vault = await kept.take<Vault>(vaultWish(settings), () => openVault(settings, { clock, signals }));
  started.add(() => vault.release());
  const open = (url: URL) => {
    tellLogin?.(url);
    if (browser === 'system') openInBrowser(url, browserEnvironment());
  };
  if (mcpRemote) {
    const { findLoginTarget, memoryOf } = await import('./oauthMemory.js');
    const { takeOver } = await import('./credentials/mcpRemoteLogin.js');
    if (findLoginTarget(settings)) await takeOver(memoryOf(settings, vault.value), mcpRemote);
  }
  const logins = new BrowserLogins({ clock, signals, host, port, path, waitMs, open });
  return { vault: vault.value, logins };
}
