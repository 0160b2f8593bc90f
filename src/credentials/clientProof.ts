import * as z from 'zod';
import { secret } from '../core/schema.js';
import type { Secret } from '../core/secret.js';
import { ALGORITHMS, privateKey, signerOf } from './jwtSigner.js';
import type { Client } from './tokenEndpoint.js';

/** How a client proves itself with a secret, a signed assertion, or a certificate: the options of every kind that asks a token endpoint. */
export const proofFields = {
  /** PEM; with `private_key_jwt`. */
  privateKey: privateKey().optional(),
  keyId: z.string().min(1).optional(),
  algorithm: z.enum(ALGORITHMS).optional(),
  /** Who the assertion is for; the token URL where absent. */
  assertionAudience: z.string().min(1).optional(),
  /** PEM, the chain included; with `tls`. */
  certificate: z.string().min(1).optional(),
  certificateKey: secret().optional(),
};

/** The client of a grant that a person or an operator starts: it may have nothing to prove itself by. */
export const clientFields = {
  clientId: z.string().min(1),
  clientSecret: secret().optional(),
  /** Absent: the secret in the body, or nothing where there is none (a public client). */
  authentication: z.enum(['none', 'form', 'basic', 'private_key_jwt', 'tls']).optional(),
  ...proofFields,
};

const shape = z.object(clientFields);

/** What of a kind's options says who asks. */
export type ClientProof = z.infer<typeof shape>;

type Authentication = NonNullable<ClientProof['authentication']>;

/** To be run after a kind's schema: what the way of proving needs is there, and fits. */
export function checkProof(given: ClientProof, context: z.RefinementCtx): void {
  const authentication = authenticationOf(given);
  for (const name of NEEDED[authentication].filter((each) => given[each] === undefined)) {
    const message = `is needed where authentication is ${authentication}`;
    context.addIssue({ code: 'custom', path: [name], message });
  }
  if (given.privateKey && !signerOf(given.privateKey, given.algorithm, undefined)) {
    context.addIssue({ code: 'custom', path: ['algorithm'], message: 'does not fit the private key' });
  }
}

const NEEDED: Readonly<Record<Authentication, readonly (keyof ClientProof)[]>> = {
  none: [],
  form: ['clientSecret'],
  basic: ['clientSecret'],
  private_key_jwt: ['privateKey'],
  tls: ['certificate', 'certificateKey'],
};

function authenticationOf({ authentication, clientSecret }: ClientProof): Authentication {
  return authentication ?? (clientSecret ? 'form' : 'none');
}

/** The options that say who asks, for messages. */
export function proofWords(given: ClientProof): string {
  return WORDS[authenticationOf(given)];
}

const WORDS: Readonly<Record<Authentication, string>> = {
  none: 'clientId',
  form: 'clientId and clientSecret',
  basic:
    'clientId and clientSecret (or set authentication to form: not every server decodes Basic as RFC 6749 encodes it)',
  private_key_jwt: 'clientId, privateKey, keyId, algorithm and assertionAudience',
  tls: 'clientId, certificate and certificateKey',
};

/** The client as a token endpoint is shown it. */
export function clientOf(given: ClientProof, tokenUrl: URL): Client {
  const { clientId: id } = given;
  const authentication = authenticationOf(given);
  if (authentication === 'none') return { authentication, id };
  if (authentication === 'private_key_jwt') {
    const signer = present(signerOf(present(given.privateKey), given.algorithm, given.keyId));
    return { authentication, id, signer, audience: given.assertionAudience ?? tokenUrl.href };
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
