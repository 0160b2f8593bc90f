import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * State that is put into a caller's hands and comes back (NIST SP 800-38D): nobody can read or change it, and nobody but
 * whom it was made for can use it. What it is bound to isn't inside, it must be said again to open it.
 */
export class Seal {
  readonly #key: Buffer;
  readonly #signing: Buffer;

  /** `secret` may be of any length from 32 characters on; without one the seal holds as long as the process. */
  constructor(secret?: string) {
    const source = secret ?? randomBytes(KEY_BYTES);
    this.#key = Buffer.from(hkdfSync('sha256', source, '', 'mcp-drawbridge seal', KEY_BYTES));
    this.#signing = Buffer.from(hkdfSync('sha256', source, '', 'mcp-drawbridge signature', KEY_BYTES));
  }

  /** A text that nobody else can make for what it is bound to: 22 characters of base64url (RFC 2104, 128 bits of it). */
  sign(boundTo: string): string {
    return createHmac('sha256', this.#signing).update(boundTo).digest().subarray(0, 16).toString('base64url');
  }

  /** True for what `sign` says of it; in constant time. */
  isSigned(signature: string, boundTo: string): boolean {
    const expected = Buffer.from(this.sign(boundTo));
    const given = Buffer.from(signature);
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  /** In base64url. `boundTo`: see `scopeKey`. */
  close(text: string, boundTo: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(Buffer.from(boundTo));
    return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64url');
  }

  /** The text, or undefined for what this seal never closed for whom it is opened. */
  open(sealed: string, boundTo: string): string | undefined {
    const bytes = Buffer.from(sealed, 'base64url');
    // The same bytes have several spellings, of which only one was handed out.
    if (bytes.length < NONCE_BYTES + TAG_BYTES || bytes.toString('base64url') !== sealed) return undefined;
    const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(boundTo)).setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString();
    } catch {
      return undefined;
    }
  }
}
