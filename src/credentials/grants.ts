/** RFC 7523 section 2.1. */
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** RFC 8693 section 2.1. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** What mends it where an assertion is refused that is the caller's own token. */
export const CALLERS_TOKEN =
  "Check that the authorization server trusts the issuer of the caller's token, and that this client is in its audience.";
