import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { JWTPayload } from 'jose';
import * as z from 'zod';

/** A key and the header that its signatures carry. */
export interface Signer {
  readonly key: KeyObject;
  readonly algorithm: string;
  readonly keyId?: string | undefined;
}

/** A signed JWT (RFC 7515 compact form). jose is loaded by the first signature, so that the start doesn't wait for it. */
export async function signJwt({ key, algorithm, keyId }: Signer, claims: JWTPayload): Promise<string> {
  const { SignJWT } = await import('jose');
  const header = { alg: algorithm, typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) };
  return new SignJWT(claims).setProtectedHeader(header).sign(key);
}

/** Asymmetric algorithms only: a signature that both sides can make proves nothing (RFC 7518 section 3.1). */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;

const CURVES: ReadonlyMap<string | undefined, string> = new Map([
  ['prime256v1', 'ES256'],
  ['secp384r1', 'ES384'],
  ['secp521r1', 'ES512'],
]);

/** The algorithms that a private key can sign with, the usual one first; none for a key that can't sign JWTs. */
export function algorithmsOf(key: KeyObject): readonly string[] {
  if (key.asymmetricKeyType === 'rsa') return ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
  if (key.asymmetricKeyType === 'ed25519') return ['EdDSA'];
  const algorithm = CURVES.get(key.asymmetricKeyDetails?.namedCurve);
  return algorithm === undefined ? [] : [algorithm];
}

/** A key with the algorithm that was written beside it, else its usual one; null where they don't fit. */
export function signerOf(key: KeyObject, algorithm: string | undefined, keyId: string | undefined): Signer | null {
  const possible = algorithmsOf(key);
  const chosen = algorithm ?? possible[0];
  return chosen !== undefined && possible.includes(chosen) ? { key, algorithm: chosen, keyId } : null;
}

const SHORTEST_RSA = 2048;

/** An unencrypted private key in PEM that can sign JWTs. The key prints nothing of itself. */
export function privateKey() {
  return z.string().transform((pem, context) => {
    const key = parsePem(pem);
    if (key && isStrong(key) && algorithmsOf(key).length > 0) return key;
    context.addIssue({
      code: 'custom',
      message: 'must be an unencrypted private key in PEM: RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519',
    });
    return z.NEVER;
  });
}

function parsePem(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** RFC 7518 section 3.3. */
function isStrong(key: KeyObject): boolean {
  return key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) >= SHORTEST_RSA;
}
