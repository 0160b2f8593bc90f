import * as z from 'zod';
import type { AuthToken, CredentialDeps, CredentialSource, Kind, KindDeps } from '../contracts.js';
import { origin } from '../core/schema.js';
import { presentBearer } from './bearer.js';
import { ServiceKeyFile } from './serviceKeyFile.js';
import { checkGrant, keyFileFields, orConfigError } from './serviceKeyOptions.js';
import { requestToken } from './tokenEndpoint.js';

const fields = z.strictObject({
  ...keyFileFields,
  /** The only origins that may see the token. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof fields>;

const options = fields.superRefine(checkGrant);

/** A token of SAP BTP's XSUAA, by the service key that the operator downloaded. */
const kind: Kind<CredentialSource, Options, CredentialDeps> = {
  options,
  async create(given, deps) {
    const file = new ServiceKeyFile(given.file, deps.baseDir);
    await file.read().catch(orConfigError(given.file));
    if (given.grant === 'authorization-code') {
      const { forPeople } = await import('./serviceKeyLogin.js');
      return forPeople(file, given, deps);
    }
    return {
      scope: 'gateway',
      origins: given.origins,
      renewable: true,
      acquire: (signal) => acquire(file, given.scope, deps, signal),
      present: presentBearer,
    };
  },
};

export default kind;

async function acquire(
  file: ServiceKeyFile,
  scope: string | undefined,
  deps: KindDeps,
  signal: AbortSignal,
): Promise<AuthToken> {
  const { tokenUrl, client } = await file.read();
  const parameters = { grant_type: 'client_credentials', scope };
  return requestToken({ url: tokenUrl, client, format: 'form', parameters, words: file.words }, deps, signal);
}
