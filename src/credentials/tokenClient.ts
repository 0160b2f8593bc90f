import * as z from 'zod';
import { httpUrl, secret } from '../core/schema.js';
import type { Secret } from '../core/secret.js';
import { ALGORITHMS, privateKey, signerOf } from './jwtSigner.js';
import type { Client } from './tokenEndpoint.js';

/** Where tokens are asked for, and how the client proves itself there: the options that every grant shares. */
export const clientFields = {
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
};

/** What a token is asked for: the options that every grant shares. */
export const askedFields = {
  scope: z.string().min(1).optional(),
  audience: z.string().min(1).optional(),
  /** RFC 8707. */
  resource: z.string().min(1).optional(),
  /** Further parameters that the provider asks for. */
  parameters: z.record(z.string(), z.string()).default({}),
};

/** What the fields have become, as far as it proves the client. */
export type ClientFields = z.infer<z.ZodObject<typeof clientFields>>;

/** For `superRefine`: what the way in which the client proves itself asks for besides. */
export function refineClient(given: ClientFields, context: z.RefinementCtx): void {
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
}

type Missing = (given: ClientFields) => string[];

const withoutSecret: Missing = (given) => (given.clientSecret ? [] : ['clientSecret']);

const MISSING: Record<ClientFields['authentication'], Missing> = {
  form: withoutSecret,
  basic: withoutSecret,
  private_key_jwt: (given) => (given.privateKey ? [] : ['privateKey']),
  tls: (given) => (['certificate', 'certificateKey'] as const).filter((name) => given[name] === undefined),
};

/** The operator's words for what proves the client. */
export function clientWords({ authentication }: ClientFields): string {
  return CLIENT_WORDS[authentication];
}

const CLIENT_WORDS: Record<ClientFields['authentication'], string> = {
  form: 'clientId and clientSecret',
  basic:
    'clientId and clientSecret (or set authentication to form: not every server decodes Basic as RFC 6749 encodes it)',
  private_key_jwt: 'clientId, privateKey, keyId, algorithm and assertionAudience',
  tls: 'clientId, certificate and certificateKey',
};

/** The client of options that their schema has checked. */
export function clientOf(given: ClientFields): Client {
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
