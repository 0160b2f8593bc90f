import { randomUUID } from 'node:crypto';
import type { Asking, AuthToken, Credential, KindDeps, RestRequest, RestResponse } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import { CookieJar } from './cookieJar.js';
import { signerOf, signJwt } from './jwtSigner.js';
import { given, type QlikOptions } from './qlikOptions.js';
import { jwtUser } from './qlikUser.js';
import { type Asked, noAnswer, refusal } from './tokenAnswer.js';

type Deps = Pick<KindDeps, 'rest' | 'clock'>;

/** It is used at once; Qlik Cloud allows an hour. */
const JWT_SECONDS = 300;
/** For a tenant whose clock is behind ours. */
const SKEW_SECONDS = 30;
/** Where neither the operator nor a cookie says how long a session lasts; one that ends earlier costs a replay. */
const SESSION_SECONDS = 1200;
const CSRF_HEADER = 'qlik-csrf-token';

/** What a session is shown as: the value of the token that it is kept in. */
interface Session {
  readonly cookie: string;
  readonly csrf: string;
}

/**
 * A session by a signed JWT: the tenant answers `/login/jwt-session` with cookies, and calls that change something need
 * a CSRF token besides. Rejects with a CredentialError that says what mends it.
 */
export async function qlikSession(
  options: QlikOptions,
  deps: Deps,
  signal: AbortSignal,
  asking: Asking,
): Promise<AuthToken> {
  const jwt = await signFor(options, asking, deps.clock.now());
  const jar = new CookieJar();
  await logIn(options, deps, signal, jwt, jar);
  const csrf = await csrfToken(options, deps, signal, jar);
  const now = deps.clock.now();
  const session: Session = { cookie: jar.header, csrf };
  const longest = now + (options.sessionSeconds ?? SESSION_SECONDS) * 1000;
  return { value: JSON.stringify(session), obtainedAt: now, expiresAt: Math.min(longest, jar.expiresAt) };
}

/** A server may set its cookies anew at any time: they are ours, and no caller's. */
const HIDDEN: ReadonlySet<string> = new Set(['set-cookie', CSRF_HEADER]);

export function presentSession(token: AuthToken): Credential {
  const { cookie, csrf } = JSON.parse(token.value) as Session;
  return { headers: ['Cookie', cookie, CSRF_HEADER, csrf], token, hides: HIDDEN };
}

async function signFor(options: QlikOptions, { caller }: Asking, now: number): Promise<string> {
  const signer = given(signerOf(given(options.privateKey), 'RS256', options.keyId));
  const iat = Math.floor(now / 1000);
  const { groups, ...user } = jwtUser(options, caller ?? null);
  return signJwt(signer, {
    ...user,
    ...(groups ? { groups: [...groups] } : {}),
    subType: 'user',
    iss: given(options.issuer),
    aud: 'qlik.api/login/jwt-session',
    iat,
    nbf: iat - SKEW_SECONDS,
    exp: iat + JWT_SECONDS,
    jti: randomUUID(),
  });
}

async function logIn(options: QlikOptions, deps: Deps, signal: AbortSignal, jwt: string, jar: CookieJar) {
  const asked = askedOf('/login/jwt-session', 'the JWT login', options, [jwt], mendLogin);
  const headers = { authorization: `Bearer ${jwt}`, 'content-type': 'application/json' };
  const answer = await ask(deps, asked, { method: 'POST', url: asked.endpoint, headers, body: '{}', signal });
  if (answer.status !== 200) throw refusal(answer, asked, deps.clock.now());
  jar.take(answer.cookies ?? [], deps.clock.now());
  if (jar.header !== '') return;
  throw new CredentialError(
    `the JWT login ${asked.endpoint} set no cookie`,
    'Check tenant: what answers there is not Qlik Cloud.',
  );
}

async function csrfToken(options: QlikOptions, deps: Deps, signal: AbortSignal, jar: CookieJar): Promise<string> {
  const asked = askedOf('/api/v1/csrf-token', 'the CSRF token of', options, jar.values, () => undefined);
  const answer = await ask(deps, asked, {
    method: 'GET',
    url: asked.endpoint,
    headers: { cookie: jar.header },
    signal,
  });
  const token = answer.headers[CSRF_HEADER];
  if (answer.status >= 300) throw refusal(answer, asked, deps.clock.now());
  jar.take(answer.cookies ?? [], deps.clock.now());
  if (token !== undefined && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new CredentialError(
    `${asked.endpoint} gave no ${CSRF_HEADER}`,
    'Check tenant: what answers there is not Qlik Cloud.',
  );
}

async function ask({ rest }: Deps, asked: Asked, request: RestRequest): Promise<RestResponse> {
  return rest(request).catch((error: unknown) => {
    throw noAnswer(error, asked);
  });
}

function askedOf(
  path: string,
  what: string,
  { tenant }: QlikOptions,
  secrets: readonly string[],
  mend: Asked['mend'],
): Asked {
  const words = { url: 'tenant', client: "privateKey, keyId and issuer against the tenant's JWT identity provider" };
  return { endpoint: tenant + path, what, words, secrets, mend };
}

function mendLogin(status: number): string | undefined {
  if (status !== 400 && status !== 401 && status !== 403) return undefined;
  return "Check privateKey, keyId and issuer against the tenant's JWT identity provider, that the user is not disabled, and this machine's clock.";
}
