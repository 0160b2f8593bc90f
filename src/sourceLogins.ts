import type { App } from './app.js';
import type { Settings } from './config/settings.js';
import type { AuthToken, CredentialSource, Logout, Signals } from './contracts.js';

/** A credential that keeps its tokens itself, wherever they are shown. */
export interface LoginSource {
  readonly source: CredentialSource & Required<Pick<CredentialSource, 'logout'>>;
  /** The credential's name. */
  readonly name: string;
  readonly url: URL;
}

/** That of the destination which the start names; undefined where it has none of that sort. */
export function loginSource({ upstreams, sources }: App, { forced }: Settings): LoginSource | undefined {
  const { credential: name = '', url } = upstreams.get(forced.destination ?? '') ?? {};
  const source = sources.get(name);
  if (!source || !canLogOut(source)) return undefined;
  return { source, name, url: url ?? new URL(String(source.origins[0])) };
}

function canLogOut(source: CredentialSource): source is LoginSource['source'] {
  return source.logout !== undefined;
}

/** Whoever started the command is there, and means to log in. */
export async function logIn({ source, url }: LoginSource, waitMs: number): Promise<AuthToken> {
  assertOurs(source);
  return source.acquire(AbortSignal.timeout(waitMs), { owner: null, url, person: 'now' });
}

export async function logOut({ source }: LoginSource): Promise<Logout> {
  assertOurs(source);
  return source.logout(null);
}

/** @throws Error where nobody at this machine could be meant */
export function assertOurs({ scope }: CredentialSource): void {
  if (scope === 'caller') throw new Error('the credential belongs to its callers, and nobody calls');
}

/** The same signals; where somebody must go with a code is told as well. */
export function tellingDevice(signals: Signals, tell: (text: string) => void): Signals {
  return {
    enabled: (name) => signals.enabled(name),
    emit(name, fields) {
      if (name === 'login.device')
        tell(`Log in here, on any device:\n\n  ${fields?.url}\n\nCode: ${fields?.userCode}\n\n`);
      signals.emit(name, fields);
    },
  };
}
