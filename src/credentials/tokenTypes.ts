import * as z from 'zod';

const PREFIX = 'urn:ietf:params:oauth:token-type:';
/** RFC 8693 section 3. */
const KNOWN = new Set(['access_token', 'id_token', 'jwt', 'refresh_token', 'saml1', 'saml2']);

/** An identity assertion for another authorization server (draft-ietf-oauth-identity-assertion-authz-grant). */
export const ID_JAG = `${PREFIX}id-jag`;

/** What sort of token is meant: one of RFC 8693's by its last word, or any URI. */
export function tokenType() {
  return z
    .string()
    .refine(
      (text) => KNOWN.has(text) || /^[a-z][a-z0-9+.-]*:\S+$/i.test(text),
      `must be ${[...KNOWN].join(', ')}, or a URI`,
    )
    .transform((text) => (KNOWN.has(text) ? PREFIX + text : text));
}
