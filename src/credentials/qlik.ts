import type { Asking, AuthToken, Credential, CredentialSource, Kind, KindDeps, Principal } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import { presentBearer } from './bearer.js';
import { given, type QlikOptions, qlikOptions } from './qlikOptions.js';
import { presentSession, qlikSession } from './qlikSession.js';
import { qlikToken } from './qlikToken.js';
import { jwtUser, userLookup } from './qlikUser.js';

/** One tenant of Qlik Cloud, and one of the ways into it. */
class Qlik implements CredentialSource {
  readonly scope: CredentialSource['scope'];
  readonly origins: readonly string[];
  readonly renewable: boolean;
  readonly present: (token: AuthToken) => Credential;
  /** A caller's claims may name another user tomorrow. */
  readonly basis?: (caller: Principal) => { readonly id: string };
  readonly #options: QlikOptions;
  readonly #deps: KindDeps;

  constructor(options: QlikOptions, deps: KindDeps) {
    this.scope = options.for;
    this.origins = options.origins ?? [options.tenant];
    this.renewable = options.auth !== 'api-key';
    this.present = options.auth === 'jwt-session' ? presentSession : presentBearer;
    this.#options = options;
    this.#deps = deps;
    if (options.for === 'caller') this.basis = (caller) => ({ id: this.#user(caller) });
  }

  /** One client may be known in every tenant of a region. */
  boundTo(): readonly string[] {
    const { tenant, auth, clientId = '', issuer = '' } = this.#options;
    return [tenant, auth, clientId, issuer];
  }

  acquire(signal: AbortSignal, asking: Asking): Promise<AuthToken> {
    switch (this.#options.auth) {
      case 'm2m':
      case 'impersonation':
        return qlikToken(this.#options, this.#deps, signal, asking);
      case 'jwt-session':
        return qlikSession(this.#options, this.#deps, signal, asking);
      case 'api-key':
        return this.#writtenDown();
    }
  }

  async #writtenDown(): Promise<AuthToken> {
    const value = given(this.#options.apiKey).reveal();
    return { value, obtainedAt: this.#deps.clock.now(), expiresAt: Number.POSITIVE_INFINITY };
  }

  /** One who has none is told so by `acquire`. */
  #user(caller: Principal): string {
    const { auth } = this.#options;
    if (auth === 'm2m' || auth === 'api-key') return '';
    const find = auth === 'jwt-session' ? jwtUser : userLookup;
    try {
      return JSON.stringify(find(this.#options, caller));
    } catch (error) {
      if (error instanceof CredentialError) return '';
      throw error;
    }
  }
}

/** Qlik Cloud: machine to machine, on behalf of a user, a session by JWT, or an API key. */
const kind: Kind<CredentialSource, QlikOptions> = {
  options: qlikOptions,
  create: (options, deps) => new Qlik(options, deps),
};

export default kind;
