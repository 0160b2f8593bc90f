import { createHash } from 'node:crypto';

/** Tells one value from every other; nobody gets it back from it. */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url');
}
