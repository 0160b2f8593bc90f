import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** By this, secret scanners and the kinds of identity know a key. */
export const KEY_PREFIX = 'dbk_';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_LENGTH = 32;
const CHECKSUM_LENGTH = 6;

/** `dbk_<22 to 64 random characters>_<6 of checksum>`. */
const FORMAT = /^(dbk_[0-9A-Za-z]{22,64})_([0-9A-Za-z]{6})$/;

/** A new key: 32 characters of base62, which are 190 bits of chance. */
export function generateKey(): string {
  const body = KEY_PREFIX + randomText(RANDOM_LENGTH);
  return `${body}_${checksum(body)}`;
}

/** True for what was meant as a key, good or bad. */
export function looksLikeKey(text: string): boolean {
  return text.startsWith(KEY_PREFIX);
}

/** True where form and checksum are right: a mistyped or made-up key is told without looking it up. */
export function isWellFormed(key: string): boolean {
  const parts = FORMAT.exec(key);
  return parts !== null && checksum(parts[1] as string) === parts[2];
}

/** What is kept of a key: SHA-256, hex. A key has more chance in it than can be guessed, so that a slow hash would gain nothing. */
export function hashKey(key: string): string {
  return hash('sha256', key, 'hex');
}

/** Letters and digits of chance, each as likely as the other. */
export function randomText(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 is the largest multiple of 62 in a byte: what is above would make the first digits more likely.
      if (byte < 248 && text.length < length) text += DIGITS[byte % DIGITS.length];
    }
  }
  return text;
}

/** CRC-32 of what stands before it, in base62. */
function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = DIGITS[rest % DIGITS.length] + text;
    rest = Math.floor(rest / DIGITS.length);
  }
  return text;
}
