import type { HeldSecret, Kind, SecretDeps, SecretManager } from '../contracts.js';
import { asObject } from '../core/json.js';
import { type Answer, asCode, ask, asText, encodePath } from './ask.js';
import { type AzureOptions, fetchAzureToken, azureOptions as options } from './azureToken.js';
import { askProven, HeldProof } from './heldProof.js';
import { SecretError } from './secretError.js';

/** Azure Key Vault, by its HTTP interface. */
const kind: Kind<SecretManager, AzureOptions, SecretDeps> = {
  options,
  create(given, deps) {
    const tokens = new HeldProof(deps.clock, async (signal) => fetchAzureToken(given, deps, signal));
    return {
      refreshMs: given.refreshMs,
      read: async (path, signal) => {
        const call = (token: string) => readSecret(given.url, path, token, deps, signal);
        return taken(await askProven(tokens, signal, call), path);
      },
    };
  },
};

export default kind;

function readSecret(
  { origin }: URL,
  path: string,
  token: string,
  deps: SecretDeps,
  signal: AbortSignal,
): Promise<Answer> {
  const url = `${origin}/secrets/${encodePath(path)}?api-version=7.4`;
  return ask({ method: 'GET', url, headers: { authorization: `Bearer ${token}` }, signal }, 'Azure Key Vault', deps);
}

function taken({ status, json }: Answer, path: string): HeldSecret {
  const value = json.value;
  if (status === 200 && typeof value === 'string') return { value };
  const code = asCode(asObject(json.error)?.code) ?? 'no code';
  if (status === 404) {
    throw new SecretError(`Azure Key Vault has no secret "${path}"`, 'Write its name, with /<version> or without.');
  }
  const mend =
    asText(code) === 'Forbidden'
      ? 'Give this identity the role "Key Vault Secrets User", and let the firewall of the vault pass this machine.'
      : 'Is url that of the vault, and resource that of its cloud?';
  throw new SecretError(`Azure Key Vault refused to show "${path}" (${status}, ${code})`, mend);
}
