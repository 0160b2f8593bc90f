import * as z from 'zod';
import type { Asking, AuthToken, CredentialDeps, CredentialSource, Kind, KindDeps } from '../contracts.js';
import { origin } from '../core/schema.js';
import { presentBearer } from './bearer.js';
import { proofFor, tokenOf } from './callersToken.js';
import { CALLERS_TOKEN, JWT_BEARER } from './grants.js';
import { ServiceKeyFile } from './serviceKeyFile.js';
import { checkGrant, keyFileFields, orConfigError } from './serviceKeyOptions.js';
import { requestToken, type TokenRequest } from './tokenEndpoint.js';

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
      ...GRANTS[given.grant](deps.name),
      origins: given.origins,
      renewable: true,
      acquire: (signal, asking) => acquire(file, given, asking, deps, signal),
      present: presentBearer,
    };
  },
};

export default kind;

/** Whose tokens they are: the application's, or each caller's by principal propagation (RFC 7523 section 2.1). */
const GRANTS: Record<
  Exclude<Options['grant'], 'authorization-code'>,
  (name: string) => Pick<CredentialSource, 'scope' | 'basis'>
> = {
  'client-credentials': () => ({ scope: 'gateway' }),
  'jwt-bearer': (name) => ({ scope: 'caller', basis: proofFor(name) }),
};

async function acquire(
  file: ServiceKeyFile,
  { grant, scope }: Options,
  asking: Asking,
  deps: KindDeps,
  signal: AbortSignal,
): Promise<AuthToken> {
  const { tokenUrl, client } = await file.read();
  const request: TokenRequest = { url: tokenUrl, client, format: 'form', parameters: { scope }, words: file.words };
  if (grant !== 'jwt-bearer') {
    return requestToken({ ...request, parameters: { grant_type: 'client_credentials', scope } }, deps, signal);
  }
  const assertion = tokenOf(asking);
  const parameters = { grant_type: JWT_BEARER, assertion, scope };
  const words = { ...file.words, grant: CALLERS_TOKEN };
  return requestToken({ ...request, parameters, words, secrets: [assertion] }, deps, signal);
}
