import { decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import type { Answer, Ask } from './ask.js';
import { bearerOf } from './callerOf.js';
import { Refusal, unauthorized } from './refusal.js';
import type { Tenant } from './tenant.js';

const MAX_LIFE_SECONDS = 3600;
const AUDIENCE = 'qlik.api/login/jwt-session';

/** `POST /login/jwt-session`: a JWT of the trusted identity provider becomes a session in cookies. */
export class JwtSession {
  readonly #tenant: Tenant;
  readonly #usedIds = new Set<string>();

  constructor(tenant: Tenant) {
    this.#tenant = tenant;
  }

  async open(ask: Ask): Promise<Answer> {
    const claims = await this.#judge(bearerOf(ask.headers) ?? '');
    if (!claims) throw new Refusal(401, 'AUTHN-3', 'Invalid login', 'The JWT is not trusted.');
    const user = this.#userOf(claims);
    if (user.status === 'disabled') throw new Refusal(403, 'AUTHN-7', 'User is disabled');
    const { id } = this.#tenant.tokens.openSession(user.id);
    const cookies = [`eas.sid=${id}; Path=/; HttpOnly; Secure`, 'eas.sid.sig=mock; Path=/; HttpOnly; Secure'];
    return { status: 200, json: {}, headers: { 'set-cookie': cookies } };
  }

  csrf(ask: Ask): Answer {
    if (ask.headers.authorization !== undefined)
      throw new Refusal(400, 'CSRF-TOKEN-2', 'Token is not supported for the auth mechanism being used');
    const session = this.#tenant.tokens.sessionOf(ask.headers.cookie);
    if (!session) throw unauthorized();
    return { status: 204, headers: { 'qlik-csrf-token': session.csrf } };
  }

  /** Whoever comes for the first time is made a user. */
  #userOf({ sub, name, email, groups }: JWTPayload): { readonly id: string; readonly status?: unknown } {
    const subject = String(sub);
    const listed = Array.isArray(groups) ? groups.map(String) : [];
    const made = { id: `user-${subject}`, subject, name: String(name), email: String(email), groups: listed };
    return this.#tenant.user('subject', subject) ?? this.#tenant.addUser(made);
  }

  async #judge(jwt: string): Promise<JWTPayload | undefined> {
    const trusted = this.#tenant.options.trustedIssuer;
    if (!trusted) return undefined;
    try {
      if (decodeProtectedHeader(jwt).kid !== trusted.keyId) return undefined;
      const currentDate = new Date(this.#tenant.clock.now());
      const expected = { issuer: trusted.issuer, audience: AUDIENCE, algorithms: ['RS256'], currentDate };
      const { payload } = await jwtVerify(jwt, trusted.publicKey, expected);
      return this.#isWhole(payload) ? payload : undefined;
    } catch {
      return undefined;
    }
  }

  #isWhole({ sub, subType, name, email, email_verified: verified, nbf = 0, exp = 0, iat, jti }: JWTPayload): boolean {
    const whole = [sub, name, email, nbf, exp, iat, jti].every(Boolean) && typeof verified === 'boolean';
    if (!whole || subType !== 'user' || exp - nbf > MAX_LIFE_SECONDS || this.#usedIds.has(String(jti))) return false;
    this.#usedIds.add(String(jti));
    return true;
  }
}
