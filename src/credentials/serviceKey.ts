import * as z from 'zod';
import type { AuthToken, CredentialSource, Kind, KindDeps } from '../contracts.js';
import { origin } from '../core/schema.js';
import { presentBearer } from './bearer.js';
import { ServiceKeyFile } from './serviceKeyFile.js';
import { keyFileFields, orConfigError } from './serviceKeyOptions.js';
import { requestToken } from './tokenEndpoint.js';

const options = z.strictObject({
  ...keyFileFields,
  /** The only origins that may see the token. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof options>;

/** A token of SAP BTP's XSUAA, by the service key that the operator downloaded. */
const kind: Kind<CredentialSource, Options> = {
  options,
  async create(given, deps) {
    const file = new ServiceKeyFile(given.file, deps.baseDir);
    await file.read().catch(orConfigError(given.file));
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
  const words = {
    url: `the service key ${file.name}`,
    client: `the service key ${file.name} (was it deleted or rotated?)`,
  };
  return requestToken({ url: tokenUrl, client, format: 'form', parameters, words }, deps, signal);
}
