import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { Asking, KindDeps, Principal, Proof } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { integer } from '../core/schema.js';
import { callerOf } from './callersToken.js';
import { ALGORITHMS, privateKey, type Signer, signerOf, signJwt } from './jwtSigner.js';

/** RFC 7523 section 3: the claims that are written here, so that none contradicts an option. */
const OWN_CLAIMS = ['iss', 'sub', 'aud', 'iat', 'exp', 'jti'];

/** An assertion that is signed here: what vouches for whom. */
export const assertionFields = z
  .strictObject({
    /** The entry of `identity` whose callers are vouched for: two issuers may call different people by one name. */
    identity: z.string().min(1),
    issuer: z.string().min(1),
    /** Which claim of the caller's says who it is at the authorization server; a path into objects where it has dots. */
    subject: z.string().min(1).max(256).default('sub'),
    /** The token URL where absent. */
    audience: z.string().min(1).optional(),
    /** Further claims. */
    claims: z.record(z.string(), z.json()).default({}),
    /** PEM. */
    privateKey: privateKey(),
    keyId: z.string().min(1).optional(),
    algorithm: z.enum(ALGORITHMS).optional(),
    lifetimeSeconds: integer(10, 3600).default(300),
  })
  .superRefine((given, context) => {
    for (const name of OWN_CLAIMS.filter((claim) => Object.hasOwn(given.claims, claim))) {
      const message = 'is written by Drawbridge: see issuer, subject, audience and lifetimeSeconds';
      context.addIssue({ code: 'custom', path: ['claims', name], message });
    }
    if (!signerOf(given.privateKey, given.algorithm, undefined))
      context.addIssue({ code: 'custom', path: ['algorithm'], message: 'does not fit the private key' });
  });

type AssertionOptions = z.infer<typeof assertionFields>;

/** Vouches for callers by a key of ours. */
export class AssertionMaker {
  readonly #given: AssertionOptions;
  readonly #audience: string;
  readonly #deps: KindDeps;
  readonly #signer: Signer;

  constructor(given: AssertionOptions, tokenUrl: string, deps: KindDeps) {
    const signer = signerOf(given.privateKey, given.algorithm, given.keyId);
    if (!signer) throw new TypeError('the options were not checked by their schema');
    this.#given = given;
    this.#audience = given.audience ?? tokenUrl;
    this.#deps = deps;
    this.#signer = signer;
  }

  /** Whoever is vouched for, and until when. @throws GatewayError for a caller that nothing vouches for */
  basis(caller: Principal): Pick<Proof, 'id' | 'expiresAt'> {
    const expiresAt = caller.proof?.expiresAt;
    return { id: this.#subjectOf(caller), ...(expiresAt === undefined ? {} : { expiresAt }) };
  }

  async make({ caller }: Asking): Promise<string> {
    const given = this.#given;
    const iat = Math.floor(this.#deps.clock.now() / 1000);
    return signJwt(this.#signer, {
      ...given.claims,
      iss: given.issuer,
      sub: this.#subjectOf(callerOf(caller)),
      aud: this.#audience,
      iat,
      exp: iat + given.lifetimeSeconds,
      jti: randomUUID(),
    });
  }

  #subjectOf(caller: Principal): string {
    const { identity, subject } = this.#given;
    if (!caller.subject.startsWith(`${identity}:`)) {
      const message = `the credential ${this.#deps.name} vouches for callers that ${identity} knows, and for no others`;
      throw new GatewayError('CALLER_TOKEN_NEEDED', message, { hint: `Call with what identity.${identity} verifies.` });
    }
    const said = claimAt(caller.claims, subject);
    if (said !== undefined) return said;
    const message = `the caller's claims have no ${subject}, so that the credential ${this.#deps.name} has nobody to vouch for`;
    throw new GatewayError('CALLER_TOKEN_NEEDED', message, { hint: `Get a token with the claim ${subject}.` });
  }
}

const LONGEST = 512;

/** By its whole name first, since names may hold dots, then step by step. Own properties only. */
function claimAt(claims: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const path = Object.hasOwn(claims, name) ? [name] : name.split('.');
  let value: unknown = claims;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return typeof value === 'string' && value !== '' && value.length <= LONGEST ? value : undefined;
}
