import { randomBytes, randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

type PrivateKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

/** Whose a token is, and what it allows. */
export interface Grant {
  readonly userId: string;
  readonly clientId: string | undefined;
  readonly scopes: readonly string[];
}

interface Minted extends Grant {
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

export interface Session {
  readonly userId: string;
  readonly csrf: string;
}

/** Tokens and sessions that this tenant, and no other, has handed out. Access tokens are ES384 JWTs, as Qlik's are. */
export class Tokens {
  readonly key: JWK;
  readonly #private: PrivateKey;
  readonly #access = new Map<string, Minted>();
  readonly #refresh = new Map<string, Grant>();
  readonly #sessions = new Map<string, Session>();

  private constructor(key: JWK, privateKey: PrivateKey) {
    this.key = key;
    this.#private = privateKey;
  }

  static async create(): Promise<Tokens> {
    const { publicKey, privateKey } = await generateKeyPair('ES384');
    return new Tokens({ ...(await exportJWK(publicKey)), kid: 'mock', alg: 'ES384', use: 'sig' }, privateKey);
  }

  /** `now` is epoch milliseconds. */
  async mint(grant: Grant, claims: { issuer: string; subject: string; now: number; seconds: number }): Promise<string> {
    const { issuer, now, seconds } = claims;
    const issuedAt = Math.floor(now / 1000);
    const token = await new SignJWT({ subType: 'user', userId: grant.userId, scope: grant.scopes.join(' ') })
      .setProtectedHeader({ alg: 'ES384', kid: 'mock', typ: 'JWT' })
      .setSubject(claims.subject)
      .setIssuer(issuer)
      .setAudience('qlik.api')
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + seconds)
      .setJti(randomUUID())
      .sign(this.#private);
    this.#access.set(token, { ...grant, expiresAt: now + seconds * 1000 });
    return token;
  }

  grantOf(token: string, now: number): Grant | undefined {
    const minted = this.#access.get(token);
    return minted && minted.expiresAt > now ? minted : undefined;
  }

  /** Refresh tokens rotate: each serves once. */
  mintRefresh(grant: Grant): string {
    const token = randomBytes(32).toString('base64url');
    this.#refresh.set(token, grant);
    return token;
  }

  takeRefresh(token: string, clientId: string): Grant | undefined {
    const grant = this.#refresh.get(token);
    if (grant?.clientId !== clientId) return undefined;
    this.#refresh.delete(token);
    return grant;
  }

  revoke(token: string): void {
    this.#access.delete(token);
    this.#refresh.delete(token);
  }

  openSession(userId: string): { readonly id: string; readonly session: Session } {
    const id = `s:${randomUUID()}`;
    const session = { userId, csrf: randomBytes(16).toString('hex') };
    this.#sessions.set(id, session);
    return { id, session };
  }

  sessionOf(cookie: string | undefined): Session | undefined {
    const id = /(?:^|; )eas\.sid=([^;]*)/.exec(cookie ?? '')?.[1];
    return id === undefined ? undefined : this.#sessions.get(id);
  }

  drop(): void {
    this.#access.clear();
    this.#refresh.clear();
    this.#sessions.clear();
  }
}
