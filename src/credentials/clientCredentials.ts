import * as z from 'zod';
import type { CredentialSource, Kind } from '../contracts.js';
import { httpUrl, origin, secret } from '../core/schema.js';
import type { Secret } from '../core/secret.js';
import { presentBearer } from './bearer.js';
import { ALGORITHMS, privateKey, signerOf } from './jwtSigner.js';
import { type Client, requestToken, type TokenRequest } from './tokenEndpoint.js';

const fields = z.strictObject({
  tokenUrl: httpUrl(),
  clientId: z.string().min(1),
  clientSecret: secret().optional(),
  /** How the client proves itself: secret in the body, secret in a header, a signed assertion, or a certificate. */
  authentication: z.enum(['form', 'basic', 'private_key_jwt', 'tls']).default('form'),
  /** PEM; with `private_key_jwt`. */
  privateKey: privateKey().optional(),
  keyId: z.string().min(1).optional(),
  algorithm: z.enum(ALGORITHMS).optional(),
  /** Who the assertion is for; the token URL where absent. */
  assertionAudience: z.string().min(1).optional(),
  /** PEM, the chain included; with `tls`. */
  certificate: z.string().min(1).optional(),
  certificateKey: secret().optional(),
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

const options = fields.superRefine((given, context) => {
  for (const name of MISSING[given.authentication](given)) {
    context.addIssue({
      code: 'custom',
      path: [name],
      message: `is needed where authentication is ${given.authentication}`,
    });
  }
  if (given.privateKey && !signerOf(given.privateKey, given.algorithm, undefined)) {
    context.addIssue({ code: 'custom', path: ['algorithm'], message: 'does not fit the private key' });
  }
});

type Missing = (given: Options) => string[];

const withoutSecret: Missing = (given) => (given.clientSecret ? [] : ['clientSecret']);

const MISSING: Record<Options['authentication'], Missing> = {
  form: withoutSecret,
  basic: withoutSecret,
  private_key_jwt: (given) => (given.privateKey ? [] : ['privateKey']),
  tls: (given) => (['certificate', 'certificateKey'] as const).filter((name) => given[name] === undefined),
};

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
  const { scope, audience, resource } = given;
  return {
    url: given.tokenUrl,
    client: clientOf(given),
    format: given.format,
    parameters: { ...given.parameters, grant_type: 'client_credentials', scope, audience, resource },
    words: { url: 'tokenUrl', client: CLIENT_WORDS[given.authentication] },
  };
}

const CLIENT_WORDS: Record<Options['authentication'], string> = {
  form: 'clientId and clientSecret',
  basic:
    'clientId and clientSecret (or set authentication to form: not every server decodes Basic as RFC 6749 encodes it)',
  private_key_jwt: 'clientId, privateKey, keyId, algorithm and assertionAudience',
  tls: 'clientId, certificate and certificateKey',
};

function clientOf(given: Options): Client {
  const { authentication, clientId: id } = given;
  if (authentication === 'private_key_jwt') {
    const signer = present(signerOf(present(given.privateKey), given.algorithm, given.keyId));
    return { authentication, id, signer, audience: given.assertionAudience ?? given.tokenUrl.href };
  }
  if (authentication === 'tls')
    return { authentication, id, certificate: present(given.certificate), key: present(given.certificateKey) };
  return { authentication, id, secret: present<Secret>(given.clientSecret) };
}

/** What the schema made sure of. */
function present<Value>(value: Value | null | undefined): Value {
  if (value === null || value === undefined) throw new TypeError('the options were not checked by their schema');
  return value;
}
