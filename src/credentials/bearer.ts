import type { AuthToken, Credential } from '../contracts.js';

/** A token as RFC 6750 section 2.1 shows it. */
export function presentBearer(token: AuthToken): Credential {
  return { headers: ['Authorization', `Bearer ${token.value}`], token };
}
