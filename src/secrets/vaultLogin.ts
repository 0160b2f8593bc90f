import type { RestRequest, SecretDeps } from '../contracts.js';
import { SingleFlight } from '../core/async.js';
import { asObject } from '../core/json.js';
import { type Answer, ask, asSeconds, asText } from './ask.js';
import { readPlatformFile } from './options.js';
import { SecretError } from './secretError.js';
import type { VaultOptions } from './vaultOptions.js';

/** A token of Vault; of the monotonic clock. */
interface VaultToken {
  readonly value: string;
  readonly renewable: boolean;
  readonly renewAt: number;
  readonly endsAt: number;
}

/** A token is renewed when two thirds of its life are over, so that two tries are left. */
const RENEW_AT = 2 / 3;

/** Logs in at Vault, and keeps the token alive: renewed by itself while Vault lets it, else by a new login. */
export class VaultLogin {
  readonly deps: SecretDeps;
  readonly who: string;
  readonly #options: VaultOptions;
  readonly #flight = new SingleFlight<VaultToken>();
  #token: VaultToken | undefined;

  constructor(options: VaultOptions, deps: SecretDeps) {
    this.#options = options;
    this.deps = deps;
    this.who = `Vault at ${options.url.origin}`;
  }

  /** False for a token that was written down: there is no other. */
  get renewable(): boolean {
    return this.#options.token === undefined;
  }

  /** Until the token wants to be renewed. Milliseconds, infinite where it never does. */
  get leftMs(): number {
    return this.#token ? Math.max(0, this.#token.renewAt - this.deps.clock.monotonic()) : 0;
  }

  /** Rejects with a SecretError, unless the token that is held still serves. */
  async token(signal: AbortSignal): Promise<string> {
    const held = this.#token;
    const now = this.deps.clock.monotonic();
    if (held && now < held.renewAt) return held.value;
    try {
      return (await this.#flight.run('', () => this.#obtain(held, signal))).value;
    } catch (error) {
      if (held && now < held.endsAt) return held.value;
      throw error;
    }
  }

  drop(token: string): void {
    if (this.#token?.value === token) this.#token = undefined;
  }

  request(method: 'GET' | 'POST', path: string, signal: AbortSignal, token?: string, body?: object): RestRequest {
    const { url, namespace, ca } = this.#options;
    return {
      method,
      url: url.origin + url.pathname.replace(/\/$/, '') + path,
      headers: {
        // Without it an agent or proxy that is told to ask for it refuses the request.
        'x-vault-request': 'true',
        ...(token === undefined ? {} : { 'x-vault-token': token }),
        ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      ...(ca === undefined ? {} : { tls: { ca } }),
      signal,
    };
  }

  async #obtain(held: VaultToken | undefined, signal: AbortSignal): Promise<VaultToken> {
    this.#token = (held?.renewable && (await this.#renew(held, signal))) || (await this.#begin(signal));
    return this.#token;
  }

  /** Undefined where the token can't be renewed, or has reached the most that it may live: half of a life is not worth it. */
  async #renew(held: VaultToken, signal: AbortSignal): Promise<VaultToken | undefined> {
    const answer = await this.#ask(this.request('POST', '/v1/auth/token/renew-self', signal, held.value, {}));
    const renewed = answer.status === 200 ? this.#tokenIn(asObject(answer.json.auth)) : undefined;
    if (!renewed || !this.renewable) return renewed;
    const life = (token: VaultToken) => token.endsAt - this.deps.clock.monotonic();
    return life(renewed) < life(held) * 1.5 ? undefined : renewed;
  }

  async #begin(signal: AbortSignal): Promise<VaultToken> {
    const { token, appRole, kubernetes } = this.#options;
    if (token) return this.#lookUp(token.reveal(), signal);
    if (appRole) {
      const secretId = appRole.secretId ? { secret_id: appRole.secretId.reveal() } : {};
      const mend = 'Check roleId and secretId: a secretId may have ended, or been used up.';
      return this.#logIn(appRole.mount, { role_id: appRole.roleId, ...secretId }, mend, signal);
    }
    const { role = '', mount = '', tokenFile = '' } = kubernetes ?? {};
    const jwt = await readPlatformFile(tokenFile, 'It is there in a pod with a service account.');
    const mend = `Does the role "${role}" at auth/${mount} name this pod's service account and namespace?`;
    return this.#logIn(mount, { role, jwt }, mend, signal);
  }

  async #logIn(mount: string, body: object, mend: string, signal: AbortSignal): Promise<VaultToken> {
    const answer = await this.#ask(this.request('POST', `/v1/auth/${mount}/login`, signal, undefined, body));
    const token = answer.status === 200 ? this.#tokenIn(asObject(answer.json.auth)) : undefined;
    if (token) return token;
    throw new SecretError(`${this.who} refused the login at auth/${mount} (${answer.status})`, mend);
  }

  /** How long a token lives that somebody wrote down. One that may not ask lives for as long as it is taken. */
  async #lookUp(token: string, signal: AbortSignal): Promise<VaultToken> {
    const answer = await this.#ask(this.request('GET', '/v1/auth/token/lookup-self', signal, token));
    const { ttl, renewable } = (answer.status === 200 ? asObject(answer.json.data) : undefined) ?? {};
    return this.#live(token, asSeconds(ttl) ?? 0, renewable === true);
  }

  #tokenIn(auth: Readonly<Record<string, unknown>> | undefined): VaultToken | undefined {
    const value = asText(auth?.client_token);
    return value === undefined
      ? undefined
      : this.#live(value, asSeconds(auth?.lease_duration) ?? 0, auth?.renewable === true);
  }

  /** Zero seconds: a token without an end. */
  #live(value: string, seconds: number, renewable: boolean): VaultToken {
    const now = this.deps.clock.monotonic();
    const lifeMs = seconds > 0 ? seconds * 1000 : Number.POSITIVE_INFINITY;
    return { value, renewable, renewAt: now + lifeMs * RENEW_AT, endsAt: now + lifeMs };
  }

  #ask(request: RestRequest): Promise<Answer> {
    return ask(request, this.who, this.deps);
  }
}
