import * as z from 'zod';
import type { CredentialSource, Kind } from '../contracts.js';
import { origin } from '../core/schema.js';
import { presentBearer } from './bearer.js';
import { checkProof, clientOf, proofWords } from './clientProof.js';
import { askedFields, clientFields } from './tokenClient.js';
import { requestToken, type TokenRequest } from './tokenEndpoint.js';

const fields = z.strictObject({
  ...clientFields,
  ...askedFields,
  /** The only origins that may see the token. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof fields>;

const options = fields.superRefine(checkProof);

/** OAuth 2 client credentials (RFC 6749 section 4.4). */
const kind: Kind<CredentialSource, Options> = {
  options,
  create(given, deps) {
    const request = requestFor(given);
    return {
      scope: 'gateway',
      origins: given.origins,
      renewable: true,
      acquire: (signal) => requestToken(request, deps, signal),
      present: presentBearer,
    };
  },
};

export default kind;

function requestFor(given: Options): TokenRequest {
  const { scope, audience, resource, tokenUrl } = given;
  return {
    url: tokenUrl,
    client: clientOf(given, tokenUrl),
    format: given.format,
    parameters: { ...given.parameters, grant_type: 'client_credentials', scope, audience, resource },
    words: { url: 'tokenUrl', client: proofWords(given) },
  };
}
