import { parsedObject } from '../core/json.js';
import { audiencesOf, type Claims, isKeyBound } from './claims.js';
import { unknownCaller } from './provider.js';

/** A JWT's header and claims, unverified: good enough to refuse a token by, never to accept one. */
export interface Unverified {
  readonly header: Claims;
  readonly claims: Claims;
}

export interface Expected {
  readonly issuer: string;
  readonly algorithms: readonly string[];
  readonly skewSeconds: number;
  audience(audiences: readonly string[]): boolean;
}

/** What a part says; undefined where it is no JSON object. */
export function partOf(token: string, index: 0 | 1): Claims | undefined {
  const first = token.indexOf('.');
  const text = index === 0 ? token.slice(0, first) : token.slice(first + 1, token.indexOf('.', first + 1));
  return parsedObject(Buffer.from(text, 'base64url').toString('utf8'));
}

/** Access tokens (RFC 9068 section 2.1) and what issuers of before call them; not a logout, event or DPoP token. */
const TYPES = new Set(['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt']);

const LONGEST_KEY_ID = 512;

/**
 * Refuses what needs no signature to be refused, so that a flood of bad tokens costs next to nothing.
 * @throws GatewayError CALLER_UNKNOWN
 */
export function refuseEarly({ header, claims }: Unverified, expected: Expected, now: number): void {
  assertHeader(header, expected.algorithms);
  if (claims.iss !== expected.issuer) throw unknownCaller('the token is from another issuer');
  assertTimes(claims, expected.skewSeconds, now / 1000);
  if (!expected.audience(audiencesOf(claims))) throw unknownCaller('the token is meant for another audience');
  if (isKeyBound(claims)) throw unknownCaller('the token is bound to a key: it is no bearer token');
}

/** RFC 7515 section 4.1, RFC 8725 sections 3.1 and 3.11. */
function assertHeader(header: Claims, algorithms: readonly string[]): void {
  const { alg, kid, typ, crit } = header;
  if (typeof alg !== 'string' || !algorithms.includes(alg))
    throw unknownCaller('the token is signed in a way that is not accepted here');
  if (crit !== undefined) throw unknownCaller('the token demands an extension that is not understood here');
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > LONGEST_KEY_ID))
    throw unknownCaller('the token names its key in a way that is not understood');
  if (typ !== undefined && (typeof typ !== 'string' || !TYPES.has(typ.toLowerCase())))
    throw unknownCaller('the token is of a sort that gives no access');
}

/** `now` is epoch seconds. A token without an end is none (RFC 9068 section 2.2). */
function assertTimes({ exp, nbf }: Claims, skew: number, now: number): void {
  if (typeof exp !== 'number' || exp + skew <= now) throw unknownCaller('the token has expired');
  if (nbf !== undefined && (typeof nbf !== 'number' || nbf - skew > now))
    throw unknownCaller('the token is not valid yet');
}
