import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { AuthToken, CredentialSource, Kind, KindDeps } from '../contracts.js';
import { integer, origin } from '../core/schema.js';
import { presentBearer } from './bearer.js';
import { ALGORITHMS, privateKey, type Signer, signerOf, signJwt } from './jwtSigner.js';

/** RFC 7519 section 4.1: the claims that are written here, so that none contradicts an option. */
const OWN_CLAIMS = ['iss', 'sub', 'aud', 'iat', 'exp', 'jti'];

const fields = z.strictObject({
  issuer: z.string().min(1),
  subject: z.string().min(1),
  audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  /** Further claims. */
  claims: z.record(z.string(), z.json()).default({}),
  /** PEM. */
  privateKey: privateKey(),
  keyId: z.string().min(1).optional(),
  algorithm: z.enum(ALGORITHMS).optional(),
  lifetimeSeconds: integer(10, 86_400).default(300),
  /** The only origins that may see the token. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof fields>;

const options = fields.superRefine((given, context) => {
  for (const name of OWN_CLAIMS.filter((claim) => Object.hasOwn(given.claims, claim))) {
    context.addIssue({
      code: 'custom',
      path: ['claims', name],
      message: 'is written by Drawbridge: see issuer, subject, audience and lifetimeSeconds',
    });
  }
  if (!signerOf(given.privateKey, given.algorithm, undefined)) {
    context.addIssue({ code: 'custom', path: ['algorithm'], message: 'does not fit the private key' });
  }
});

/** A JWT that is signed here, for servers that trust its public key: no token endpoint is asked. */
const kind: Kind<CredentialSource, Options> = {
  options,
  create(given, deps) {
    const signer = signerOf(given.privateKey, given.algorithm, given.keyId);
    if (!signer) throw new TypeError('the options were not checked by their schema');
    return {
      scope: 'gateway',
      origins: given.origins,
      renewable: true,
      acquire: () => issue(given, signer, deps.clock),
      present: presentBearer,
    };
  },
};

export default kind;

async function issue(given: Options, signer: Signer, clock: KindDeps['clock']): Promise<AuthToken> {
  const iat = Math.floor(clock.now() / 1000);
  const exp = iat + given.lifetimeSeconds;
  const own = { iss: given.issuer, sub: given.subject, aud: given.audience, iat, exp, jti: randomUUID() };
  const value = await signJwt(signer, { ...given.claims, ...own });
  return { value, obtainedAt: iat * 1000, expiresAt: exp * 1000 };
}
