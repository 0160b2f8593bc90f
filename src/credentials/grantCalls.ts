import type { CredentialDeps } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import type { AuthorizationServer, Endpoints } from './authorizationServer.js';
import type { Granted } from './tokenAnswer.js';
import { askEndpoint, type Client, requestGrant, type TokenRequest } from './tokenEndpoint.js';
import type { HeldTokens } from './tokenMemory.js';

/** Who asks which authorization server, and what it is told with every request. */
export interface Asker {
  readonly server: AuthorizationServer;
  /** As the endpoint there is shown it. */
  client(tokenUrl: URL): Client;
  /** Where the operator wrote all this, for messages. */
  readonly words: TokenRequest['words'];
  /** Further parameters of token requests. */
  readonly parameters: Readonly<Record<string, string>>;
  /** RFC 8707. */
  readonly resource: string | undefined;
}

/** The calls that every grant makes in the end: for a token, for the next one, and to give them back. */
export class GrantCalls {
  readonly #asker: Asker;
  readonly #deps: Pick<CredentialDeps, 'clock'>;

  constructor(asker: Asker, deps: Pick<CredentialDeps, 'clock'>) {
    this.#asker = asker;
    this.#deps = deps;
  }

  endpoints(): Promise<Endpoints> {
    return this.#asker.server.endpoints();
  }

  /** `secrets`: what of the parameters no message may repeat. Rejects with a TokenRefusal, or another CredentialError. */
  async token(parameters: TokenRequest['parameters'], secrets: readonly string[]): Promise<Granted> {
    const endpoints = await this.endpoints();
    const { resource } = this.#asker;
    const all = { ...this.#asker.parameters, resource, ...parameters };
    const request = this.#request(endpoints, endpoints.tokenUrl, all, secrets);
    return requestGrant(request, this.#house(endpoints), unhurried());
  }

  /** RFC 6749 section 6. */
  refresh(refreshToken: string, more: TokenRequest['parameters'] = {}): Promise<Granted> {
    return this.token({ ...more, grant_type: 'refresh_token', refresh_token: refreshToken }, [refreshToken]);
  }

  /** RFC 7009; false where the authorization server has no place for it. Rejects where it says no. */
  async revoke({ refreshToken, value }: HeldTokens): Promise<boolean> {
    const endpoints = await this.endpoints();
    if (!endpoints.revocationUrl) return false;
    const token = refreshToken ?? value;
    const hint = refreshToken === undefined ? 'access_token' : 'refresh_token';
    const request = this.#request(endpoints, endpoints.revocationUrl, { token, token_type_hint: hint }, [token]);
    const { answer } = await askEndpoint(request, this.#house(endpoints), unhurried());
    if (answer.status === 200) return true;
    throw new CredentialError(`the authorization server answered ${answer.status}`, 'Revoke them there.');
  }

  /** Any endpoint at which the client proves itself as at the token endpoint. */
  ask(endpoints: Endpoints, url: URL, parameters: TokenRequest['parameters']): ReturnType<typeof askEndpoint> {
    return askEndpoint(this.#request(endpoints, url, parameters, []), this.#house(endpoints), unhurried());
  }

  #request(
    { tokenUrl }: Endpoints,
    url: URL,
    parameters: TokenRequest['parameters'],
    secrets: readonly string[],
  ): TokenRequest {
    const { client, words } = this.#asker;
    return { url, client: client(tokenUrl), format: 'form', parameters, words: { grant: SPENT, ...words }, secrets };
  }

  #house({ rest }: Endpoints) {
    return { rest, clock: this.#deps.clock };
  }
}

/** What mends it where the code, or the refresh token, is refused. */
const SPENT = 'What was shown there serves no more: log in again, or write down what the provider gave last.';

/** A call has a deadline of its own, and goes on when whoever asked leaves: what it brings is kept. */
function unhurried(): AbortSignal {
  return new AbortController().signal;
}
