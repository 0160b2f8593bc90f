import type { AuthToken, KindDeps, RestResponse } from '../contracts.js';
import { SingleFlight, unlessAborted } from '../core/async.js';
import { CredentialError } from '../core/errors.js';
import { parsedObject } from '../core/json.js';
import { BtpDestination } from './btpDestinationAnswer.js';
import type { WhichDestination } from './btpDestinationOptions.js';
import type { ServiceKeyFile } from './serviceKeyFile.js';
import type { ServiceKey } from './serviceKeyFormat.js';
import { type Asked, noAnswer, refusal } from './tokenAnswer.js';
import { requestToken } from './tokenEndpoint.js';
import { type Held, hold } from './tokenLife.js';

type Deps = Pick<KindDeps, 'rest' | 'clock'>;

export interface Question {
  /** False where only the destination's address is wanted. */
  readonly withTokens: boolean;
  /** The token of the user on whose behalf the destination's own is to be had. */
  readonly user?: { reveal(): string };
}

/** SAP BTP's Destination service, as one destination sees it: v1 where no level is named, v2 where one is. */
export class DestinationService {
  readonly #file: ServiceKeyFile;
  readonly #which: WhichDestination;
  readonly #deps: Deps;
  readonly #flights = new SingleFlight<AuthToken>();
  /** The service's own token, and the key that it was had with: a key that was replaced may be another client's. */
  #own: { readonly key: ServiceKey; readonly held: Held } | undefined;

  constructor(file: ServiceKeyFile, which: WhichDestination, deps: Deps) {
    this.#file = file;
    this.#which = which;
    this.#deps = deps;
  }

  /** Rejects with a CredentialError that says what mends it. A service that refuses our token is asked once more with a fresh one. */
  async find(signal: AbortSignal, question: Question): Promise<BtpDestination> {
    const key = await this.#file.read();
    const first = await this.#ownToken(key, signal);
    const answer = await this.#ask(key, first, question, signal);
    if (answer.status !== 401) return this.#read(answer, key, first, question);
    this.#own = undefined;
    const second = await this.#ownToken(key, signal);
    return this.#read(await this.#ask(key, second, question, signal), key, second, question);
  }

  /** One for everything that is asked meanwhile, whoever leaves. */
  #ownToken(key: ServiceKey, signal: AbortSignal): AuthToken | Promise<AuthToken> {
    const { clock } = this.#deps;
    if (this.#own?.key === key && clock.now() < this.#own.held.refreshAt) return this.#own.held.token;
    const flight = this.#flights.run(key.tokenUrl.href, async () => {
      const token = await this.#request(key);
      this.#own = { key, held: hold(token, clock.random) };
      return token;
    });
    return unlessAborted(flight, signal);
  }

  #request({ tokenUrl, client }: ServiceKey): Promise<AuthToken> {
    const words = {
      url: `the service key ${this.#file.name}`,
      client: `the service key ${this.#file.name} (was it deleted or rotated?)`,
    };
    const request = {
      url: subscribed(tokenUrl, this.#which.subdomain),
      client,
      format: 'form' as const,
      parameters: { grant_type: 'client_credentials' },
      words,
    };
    return requestToken(request, this.#deps, new AbortController().signal);
  }

  #ask(key: ServiceKey, own: AuthToken, { withTokens, user }: Question, signal: AbortSignal): Promise<RestResponse> {
    const url = this.#url(key);
    if (!withTokens) url.searchParams.set('$skipTokenRetrieval', 'true');
    const headers = {
      authorization: `Bearer ${own.value}`,
      ...(user ? { 'x-user-token': user.reveal() } : {}),
    };
    return this.#deps.rest({ method: 'GET', url: url.href, headers, signal }).catch((error: unknown) => {
      throw noAnswer(error, this.#asked(key, []));
    });
  }

  #url({ destinationUri }: ServiceKey): URL {
    if (!destinationUri) {
      throw new CredentialError(
        `the service key ${this.#file.name} has no uri`,
        "Create the key on an instance of the Destination service: that one's keys name their uri.",
      );
    }
    const { destination, level } = this.#which;
    const base = destinationUri.href.replace(/\/+$/, '');
    const name = encodeURIComponent(destination);
    const path = level === undefined ? `v1/destinations/${name}` : `v2/destinations/${name}@${level}`;
    return new URL(`${base}/destination-configuration/${path}`);
  }

  #asked(key: ServiceKey, secrets: readonly string[]): Asked {
    const url = this.#url(key);
    const words = { url: `uri in the service key ${this.#file.name}`, client: `the service key ${this.#file.name}` };
    const mend = (status: number) => this.#mend(status);
    return { endpoint: url.origin + url.pathname, what: 'the Destination service', words, secrets, mend };
  }

  #mend(status: number): string | undefined {
    const { destination, level } = this.#which;
    if (status === 404) {
      const where = level === undefined ? "in the service's instance or the subaccount" : `at the level ${level}`;
      return `Create the destination ${destination} ${where}, or correct destination${level === undefined ? '' : ' and level'}: there is no fallback between levels.`;
    }
    if (status !== 400 && status !== 401 && status !== 403) return undefined;
    return `Check that the service key ${this.#file.name} is one of the Destination service, and that its subaccount may read ${destination}.`;
  }

  #read(answer: RestResponse, key: ServiceKey, own: AuthToken, { user }: Question): BtpDestination {
    const secrets = [own.value, ...(user ? [user.reveal()] : [])];
    const body = parsedObject(answer.body);
    const found = answer.status === 200 ? BtpDestination.of(this.#which.destination, body, secrets) : undefined;
    if (found) return found;
    throw refusal(answer, this.#asked(key, secrets), this.#deps.clock.now());
  }
}

/** A subscriber's tokens come from its own subdomain of the XSUAA. */
function subscribed(tokenUrl: URL, subdomain: string | undefined): URL {
  if (subdomain === undefined) return tokenUrl;
  const url = new URL(tokenUrl);
  url.hostname = [subdomain, ...tokenUrl.hostname.split('.').slice(1)].join('.');
  return url;
}
