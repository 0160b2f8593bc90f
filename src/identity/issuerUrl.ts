import * as z from 'zod';

/** Https anywhere; plain http on this machine only. Without user, password, query or fragment where `bare`. */
export function isTrustworthy(text: string, bare = false): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.username || url.password || url.hash || text.includes('#')) return false;
  if (bare && (url.search || text.includes('?'))) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** An issuer's identifier, kept letter by letter: it is compared so (RFC 8414 section 2). */
export function issuerUrl() {
  return z
    .string()
    .refine(
      (text) => isTrustworthy(text, true),
      'must be an https URL (http on this machine only) without query or fragment',
    );
}

/** Where something is asked that a caller's admission hangs on. */
export function trustworthyUrl() {
  return z.string().refine((text) => isTrustworthy(text), 'must be an https URL (http on this machine only)');
}
