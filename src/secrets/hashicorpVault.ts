import type { HeldSecret, Kind, SecretDeps, SecretManager } from '../contracts.js';
import { asObject } from '../core/json.js';
import { type Answer, ask, asSeconds, encodePath } from './ask.js';
import { SecretError } from './secretError.js';
import { VaultLogin } from './vaultLogin.js';
import { vaultOptions as options, type VaultOptions } from './vaultOptions.js';

/** The key-value engine of HashiCorp Vault and of OpenBao, by its HTTP interface. */
const kind: Kind<SecretManager, VaultOptions, SecretDeps> = {
  options,
  create: (given, deps) => new Vault(given, deps),
};

export default kind;

class Vault implements SecretManager {
  readonly refreshMs: number;
  readonly #options: VaultOptions;
  readonly #login: VaultLogin;

  constructor(given: VaultOptions, deps: SecretDeps) {
    this.refreshMs = given.refreshMs;
    this.#options = given;
    this.#login = new VaultLogin(given, deps);
  }

  async read(path: string, signal: AbortSignal): Promise<HeldSecret> {
    const { mount, version } = this.#options;
    const at = `/v1/${mount}/${version === '2' ? 'data/' : ''}${encodePath(path)}`;
    const answer = await this.#ask(at, signal);
    if (answer.status !== 200) throw this.#refusal(answer.status, path);
    const data = asObject(answer.json.data);
    // Version 2 wraps what version 1 shows; a deleted version has no data.
    const value = version === '2' ? asObject(data?.data) : data;
    if (!value) throw this.#absent(path);
    const lease = asSeconds(answer.json.lease_duration) ?? 0;
    return { value, leaseMs: Math.min(this.#login.leftMs, lease > 0 ? lease * 1000 : Number.POSITIVE_INFINITY) };
  }

  /** A token may have been revoked before its end: whoever can log in does so once more. */
  async #ask(path: string, signal: AbortSignal): Promise<Answer> {
    const token = await this.#login.token(signal);
    const call = (shown: string) =>
      ask(this.#login.request('GET', path, signal, shown), this.#login.who, this.#login.deps);
    const first = await call(token);
    if (first.status !== 403 || !this.#login.renewable) return first;
    this.#login.drop(token);
    return call(await this.#login.token(signal));
  }

  #refusal(status: number, path: string): SecretError {
    if (status === 404) return this.#absent(path);
    if (status === 403) {
      const mend = 'Has the token ended, and does its policy (and the namespace) let it read that path?';
      return new SecretError(`${this.#login.who} refused to show "${path}" (403)`, mend);
    }
    return new SecretError(`${this.#login.who} answered with ${status} for "${path}"`, 'See the log of Vault.');
  }

  #absent(path: string): SecretError {
    const { mount, version } = this.#options;
    const mend = `Looked in the mount "${mount}", as version ${version} of the key-value engine.`;
    return new SecretError(`${this.#login.who} has no secret "${path}"`, mend);
  }
}
