import * as z from 'zod';
import type { Asking, AuthToken, CredentialSource, Kind, KindDeps } from '../contracts.js';
import { origin } from '../core/schema.js';
import { presentBearer } from './bearer.js';
import { proofFor, tokenOf } from './callersToken.js';
import { CALLERS_TOKEN, JWT_BEARER } from './grants.js';
import { ServiceKeyFile } from './serviceKeyFile.js';
import { keyFileFields, orConfigError } from './serviceKeyOptions.js';
import { requestToken, type TokenRequest } from './tokenEndpoint.js';

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
const GRANTS: Record<Options['grant'], (name: string) => Pick<CredentialSource, 'scope' | 'basis'>> = {
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
  const assertion = grant === 'jwt-bearer' ? tokenOf(asking) : undefined;
  const { tokenUrl, client } = await file.read();
  const grantType = assertion === undefined ? 'client_credentials' : JWT_BEARER;
  const request: TokenRequest = {
    url: tokenUrl,
    client,
    format: 'form',
    parameters: { grant_type: grantType, assertion, scope },
    words: {
      url: `the service key ${file.name}`,
      client: `the service key ${file.name} (was it deleted or rotated?)`,
      ...(assertion === undefined ? {} : { grant: CALLERS_TOKEN }),
    },
    secrets: assertion === undefined ? [] : [assertion],
  };
  return requestToken(request, deps, signal);
}
