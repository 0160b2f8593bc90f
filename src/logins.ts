import { browserEnvironment } from './config/environment.js';
import type { Settings } from './config/settings.js';
import type { Clock, Logins, Signals, Vault } from './contracts.js';
import type { Started } from './core/async.js';
import type { Kept } from './core/kept.js';
import { openInBrowser } from './edge/browser.js';
import { CALLBACK_PATH } from './edge/loginPaths.js';
import { BrowserLogins } from './edge/logins.js';
import { PendingLogins } from './edge/pendingLogins.js';
import { openVault, vaultWish } from './vaults.js';

export interface LoginsDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly kept: Kept;
  readonly started: Started;
  /** Told where a person must go, besides; whoever asks for that means it. */
  readonly tellLogin?: TellLogin;
  /** Where this process is reached, once it listens; absent: it has no door for HTTP. */
  readonly ownUrl?: () => string;
}

/** `arrive` takes the address at which a browser ended that can't come back by itself. */
export type TellLogin = (url: URL, arrive: PendingLogins['arrive']) => void;

export interface OpenedLogins {
  readonly vault: Vault;
  readonly logins: Logins;
  readonly pending: PendingLogins;
  /** The redirect URI at the public address, where browsers come back to that. */
  readonly callback?: URL;
}

/** Where tokens are kept, and how people log in for them; both outlive a reload. */
export async function openLogins(
  settings: Settings,
  { clock, signals, kept, started, tellLogin, ownUrl }: LoginsDeps,
): Promise<OpenedLogins> {
  const { persist, store, browser, host, port, path, waitMs, mcpRemote } = settings.login;
  const vault = await kept.take<Vault>(vaultWish(settings), () => openVault(settings, { clock, signals }));
  started.add(() => vault.release());
  const shared = persist || store !== undefined;
  const pending = await kept.take(
    ['logins', ...vaultWish(settings)],
    () => new PendingLogins({ clock, vault: vault.value, shared }),
  );
  started.add(() => pending.release());
  if (mcpRemote) {
    const { findLoginTarget, memoryOf } = await import('./oauthMemory.js');
    const { takeOver } = await import('./credentials/mcpRemoteLogin.js');
    if (findLoginTarget(settings)) await takeOver(memoryOf(settings, vault.value), mcpRemote);
  }
  const open = (url: URL, quiet: boolean) => {
    tellLogin?.(url, (said) => pending.value.arrive(said));
    if (browser === 'system' && !quiet) void openInBrowser(url, browserEnvironment());
  };
  const callback = callbackOf(settings, ownUrl);
  // Whoever asks to be told is there, and means to log in.
  const present = tellLogin !== undefined;
  const common = { clock, signals, pending: pending.value, host, port, path, waitMs, present, open };
  const logins = new BrowserLogins({
    ...common,
    pages: () => pagesOf(settings, ownUrl),
    ...(callback ? { publicCallback: callback } : {}),
  });
  return { vault: vault.value, logins, pending: pending.value, ...(callback ? { callback } : {}) };
}

/** An operator who names a port means it: that is where clients are registered. */
function callbackOf({ server, login }: Settings, ownUrl: LoginsDeps['ownUrl']): URL | undefined {
  const { publicUrl } = server;
  if (!ownUrl || !publicUrl || login.port !== undefined) return undefined;
  return new URL(publicUrl.pathname.replace(/\/$/, '') + CALLBACK_PATH, publicUrl);
}

/** An address of all interfaces is none to go to. */
function pagesOf({ server }: Settings, ownUrl: LoginsDeps['ownUrl']): URL | undefined {
  if (!ownUrl) return undefined;
  return server.publicUrl ?? new URL(ownUrl().replace('//0.0.0.0:', '//localhost:').replace('//[::]:', '//localhost:'));
}
