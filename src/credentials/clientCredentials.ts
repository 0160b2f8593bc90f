import * as z from 'zod';
import type { CredentialSource, Kind } from '../contracts.js';
import { httpUrl, origin, secret } from '../core/schema.js';
import { presentBearer } from './bearer.js';
import { checkProof, clientOf, proofFields, proofWords } from './clientProof.js';
import { requestToken, type TokenRequest } from './tokenEndpoint.js';

const fields = z.strictObject({
  tokenUrl: httpUrl(),
  clientId: z.string().min(1),
  clientSecret: secret().optional(),
  /** How the client proves itself: secret in the body, secret in a header, a signed assertion, or a certificate. */
  authentication: z.enum(['form', 'basic', 'private_key_jwt', 'tls']).default('form'),
  ...proofFields,
  /** How the request's body is written. */
  format: z.enum(['form', 'json']).default('form'),
  scope: z.string().min(1).optional(),
  audience: z.string().min(1).optional(),
  /** RFC 8707. */
  resource: z.string().min(1).optional(),
  /** Further parameters that the provider asks for. */
  parameters: z.record(z.string(), z.string()).default({}),
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
