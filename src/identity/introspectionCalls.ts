import type { KindDeps } from '../contracts.js';
import { parsedObject } from '../core/json.js';
import type { Secret } from '../core/secret.js';
import type { Claims } from './claims.js';

export interface Question {
  readonly token: string;
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly signal: AbortSignal;
  readonly rest: KindDeps['rest'];
}

/** The issuer answered, but not as it should. The message names its status at most. */
export class IntrospectionFault extends Error {}

/** RFC 7662 section 2: what the token means; undefined where it isn't active. */
export async function askRfc7662(question: Question): Promise<Claims | undefined> {
  const { token, url, signal } = question;
  const { status, body } = await question.rest({
    method: 'POST',
    url,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: basic(formEncoded(question.clientId), formEncoded(question.clientSecret.reveal())),
    },
    body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
    signal,
  });
  if (status !== 200) throw new IntrospectionFault(`the introspection endpoint answered ${status}`);
  const claims = objectOf(body);
  return claims.active === true ? withoutToken(claims, token) : undefined;
}

/**
 * GitHub's check of an OAuth app's token (`POST /applications/{client_id}/token`): it knows the tokens of that very app only, so
 * that no other audience has to be told apart. The user's id is `sub`, since a login can change hands.
 */
export async function askGitHub(question: Question): Promise<Claims | undefined> {
  const { clientId, token, signal } = question;
  const { status, body } = await question.rest({
    method: 'POST',
    url: `${question.url.replace(/\/$/, '')}/applications/${encodeURIComponent(clientId)}/token`,
    headers: {
      'content-type': 'application/json',
      accept: 'application/vnd.github+json',
      authorization: basic(clientId, question.clientSecret.reveal()),
    },
    body: JSON.stringify({ access_token: token }),
    signal,
  });
  if (status === 404 || status === 422) return undefined;
  if (status !== 200) throw new IntrospectionFault(`GitHub answered ${status}`);
  const { user, scopes, expires_at } = objectOf(body);
  const { id, login } = (user ?? {}) as { id?: unknown; login?: unknown };
  const end = typeof expires_at === 'string' ? Date.parse(expires_at) / 1000 : Number.NaN;
  return { sub: id, login, scope: scopes, aud: clientId, ...(Number.isNaN(end) ? {} : { exp: end }) };
}

/** RFC 6749 section 2.3.1. */
function formEncoded(text: string): string {
  return new URLSearchParams({ x: text }).toString().slice(2);
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function objectOf(body: string): Claims {
  const claims = parsedObject(body);
  if (!claims) throw new IntrospectionFault('the answer is no JSON object');
  return claims;
}

/** Claims go where conditions and logs can see them: an issuer that echoes the token must not put it there. */
function withoutToken(claims: Claims, token: string): Claims {
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== token));
}
