import type { AuthToken, RestResponse } from '../contracts.js';
import { claimsIn } from '../core/claims.js';
import { CredentialError } from '../core/errors.js';
import { isObject, parsedObject } from '../core/json.js';
import { RestError } from '../core/restError.js';
import { retryAfterMs } from '../wire/headers.js';

/** What messages may say of a token request, in the operator's words. */
export interface Asked {
  /** Origin and path of the endpoint; its query may hold anything. */
  readonly endpoint: string;
  /** What the endpoint is; a token endpoint where absent. */
  readonly what?: string;
  /** Where the operator wrote the endpoint, and where the client. */
  readonly words: {
    readonly url: string;
    readonly client: string;
    /** What the operator can do where the provider takes the client, but not what it showed of the caller. */
    readonly grant?: string;
  };
  /** What `token_type` may be besides a bearer token's: `N_A` for what is no access token (RFC 8693 section 2.2.1). */
  readonly notAccess?: boolean | undefined;
  /** What `issued_token_type` must be, where the provider says it. */
  readonly issues?: string | undefined;
  /** Texts that no message may repeat. */
  readonly secrets: readonly string[];
  /** What mends an answer that this provider alone gives; undefined: what mends any provider's. */
  readonly mend?: ((status: number, code: string | undefined) => string | undefined) | undefined;
}

/** What a token endpoint gave. */
export interface Granted extends AuthToken {
  readonly refreshToken?: string;
  readonly scope?: string;
}

/** A token endpoint refused, with this status and, where it said one, this code (RFC 6749 section 5.2). */
export class TokenRefusal extends CredentialError {
  readonly status: number;
  readonly code: string | undefined;

  constructor(
    said: { status: number; code: string | undefined },
    ...error: ConstructorParameters<typeof CredentialError>
  ) {
    super(...error);
    this.status = said.status;
    this.code = said.code;
  }
}

/** Where neither the answer nor the token itself says how long it serves. Milliseconds. */
const DEFAULT_LIFE = 30 * 60_000;

/**
 * The token of an answer (RFC 6749 section 5.1), its life counted from `now`.
 * Throws a CredentialError for everything else that a token endpoint is known to answer.
 */
export function readTokenAnswer(answer: RestResponse, asked: Asked, now: number): AuthToken {
  const { value, obtainedAt, expiresAt } = readGranted(answer, asked, now);
  return { value, obtainedAt, expiresAt: expiresAt ?? now + DEFAULT_LIFE };
}

/** The same with what a person's token has besides. Without a refresh token, one that says nothing of its end is taken to have none. */
export function readGrantAnswer(answer: RestResponse, asked: Asked, now: number): Granted {
  const { expiresAt, refreshToken, scope, ...token } = readGranted(answer, asked, now);
  const unsaid = refreshToken === undefined ? Number.POSITIVE_INFINITY : now + DEFAULT_LIFE;
  return {
    ...token,
    expiresAt: expiresAt ?? unsaid,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(scope === undefined ? {} : { scope }),
  };
}

interface Read {
  readonly value: string;
  readonly obtainedAt: number;
  readonly expiresAt: number | undefined;
  readonly refreshToken: string | undefined;
  readonly scope: string | undefined;
}

function readGranted(answer: RestResponse, asked: Asked, now: number): Read {
  const body = parsedObject(answer.body);
  const value = body?.access_token;
  if (answer.status !== 200 && answer.status !== 201) throw refusal(answer, asked, now);
  if (typeof value !== 'string' || value === '') throw refusal(answer, asked, now);
  const type = body?.token_type;
  // RFC 6749 section 7.1: a token of a type that the client doesn't understand must not be used.
  const isKnown = typeof type !== 'string' || /^bearer/i.test(type) || (asked.notAccess && /^n_a$/i.test(type));
  if (!isKnown) throw unusable(asked, 'a token that is not a bearer token');
  const issued = body?.issued_token_type;
  if (asked.issues !== undefined && typeof issued === 'string' && issued !== asked.issues)
    throw unusable(asked, 'a token of another type than was asked for');
  if (!/^[\x21-\x7e]+$/.test(value)) throw unusable(asked, 'a token that no header can carry');
  const lifeMs = saidLife(body?.expires_in, value, now);
  const expiresAt = lifeMs === undefined ? undefined : now + lifeMs;
  return { value, obtainedAt: now, expiresAt, refreshToken: text(body?.refresh_token), scope: text(body?.scope) };
}

/** The failure of a call that got no answer. */
export function noAnswer(error: unknown, asked: Asked): CredentialError {
  if (error instanceof RestError) {
    const message = `${named(asked)} gave no answer: ${error.message}`;
    return new CredentialError(message, MENDS_BY_REASON[error.reason](asked), { cause: error });
  }
  const message = `${asked.what === undefined ? 'the token request' : 'the request'} to ${asked.endpoint} could not be made`;
  return new CredentialError(message, 'Report it; the log has the cause.', { cause: error });
}

const MENDS_BY_REASON: Record<RestError['reason'], (asked: Asked) => string> = {
  unreachable: ({ words }) => `Check the host and port in ${words.url}, and that this machine can reach it.`,
  timeout: ({ words }) => `Check that ${words.url} is right and not behind a firewall; it is asked again by itself.`,
  tls: ({ words }) =>
    `Check the certificates of ${words.url} and of ${words.client}; NODE_EXTRA_CA_CERTS names a company's own authority.`,
  'too-large': ({ words, what }) =>
    `Check ${words.url}: what answers there is ${what === undefined ? 'no token endpoint' : `not ${what}`}.`,
  aborted: () => 'Ask again.',
};

function unusable(asked: Asked, what: string): CredentialError {
  return new CredentialError(
    `${named(asked)} gave ${what}`,
    'Have the provider issue bearer tokens (RFC 6750) to this client.',
  );
}

function named({ what = 'the token endpoint', endpoint }: Asked): string {
  return `${what} ${endpoint}`;
}

/** What a provider says in an answer that isn't the one that was hoped for, and what mends it. */
export function refusal(answer: RestResponse, asked: Asked, now: number): TokenRefusal {
  const body = parsedObject(answer.body);
  const { code, description } = providerWords(body);
  const said = [code, description].filter((text) => text !== undefined).join(': ');
  const heard = said === '' ? describeBody(answer, body) : sayable(said, asked.secrets);
  const wait = retryAfterMs(answer.headers['retry-after'], now);
  return new TokenRefusal(
    { status: answer.status, code },
    `${named(asked)} answered ${answer.status}: ${heard}`,
    asked.mend?.(answer.status, code) ?? mend(answer, code, asked),
    { retryAfterMs: wait },
  );
}

export type Json = Readonly<Record<string, unknown>>;

/** RFC 6749 section 5.2 has `error`; Qlik Cloud has `errors`, each with `code`, `title` and `detail`; SAP's Destination service has `ErrorMessage`. */
function providerWords(body: Json | undefined): { code: string | undefined; description: string | undefined } {
  const first = Array.isArray(body?.errors) && isObject(body.errors[0]) ? body.errors[0] : undefined;
  return {
    code: text(body?.error) ?? text(first?.code),
    description: text(body?.error_description) ?? text(first?.detail) ?? text(first?.title) ?? text(body?.ErrorMessage),
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

function describeBody(answer: RestResponse, body: Json | undefined): string {
  if (isRedirect(answer.status)) return 'a redirect, which is not followed';
  if (body) return answer.status < 300 ? 'JSON without an access_token' : 'JSON without an error that is known';
  if (answer.body.trim() === '') return 'an empty body';
  return answer.body.trimStart().startsWith('<')
    ? 'an HTML or XML page instead of JSON'
    : 'a body that is not a JSON object';
}

const LONGEST = 300;

/** One line of bounded length; withheld whole where the provider repeats what it was shown. */
export function sayable(said: string, secrets: readonly string[]): string {
  if (secrets.some((secret) => said.includes(secret))) return '(its words are withheld: they repeat a secret)';
  const line = said.replace(/[\p{C}\p{Z}]+/gu, ' ').trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}

function check({ words }: Asked): string {
  const refused = `Check ${words.client}: the provider refuses this client.`;
  // UAA answers a bad assertion as it answers a bad client.
  return words.grant === undefined ? refused : `${refused} Or it refuses the caller: ${words.grant}`;
}

const allowGrant = () => 'Allow this grant for the client at the provider.';

/** By the provider's code: RFC 6749 section 5.2, RFC 8707 section 2, and UAA's own `unauthorized`. */
const MENDS_BY_CODE: ReadonlyMap<string, (asked: Asked) => string> = new Map([
  ['invalid_client', check],
  ['unauthorized', check],
  ['invalid_scope', () => 'Ask for a scope that the client is allowed, or leave scope out.'],
  ['invalid_target', () => 'Check audience and resource against what the provider knows.'],
  ['invalid_grant', (asked) => asked.words.grant ?? mendByStatus({ status: 400, headers: {}, body: '' }, asked)],
  ['unauthorized_client', allowGrant],
  ['unsupported_grant_type', allowGrant],
  [
    'invalid_request',
    () =>
      'Check the parameters, the format (form or json) and the client authentication against what the provider asks for.',
  ],
]);

function mend(answer: RestResponse, code: string | undefined, asked: Asked): string {
  const known = code === undefined ? undefined : MENDS_BY_CODE.get(code);
  return known ? known(asked) : mendByStatus(answer, asked);
}

function mendByStatus({ status, headers }: RestResponse, asked: Asked): string {
  const { words } = asked;
  if (isRedirect(status))
    return `Set ${words.url} to the address that answers itself${target(headers.location, asked)}.`;
  if (status === 401 || status === 403) return check(asked);
  if (status === 429) return 'The provider limits token requests; it is asked again by itself.';
  if (status >= 500 || status === 408) return 'The provider has a fault; it is asked again by itself.';
  if (status === 415) return 'Set format to what the provider accepts: form or json.';
  return `Check ${words.url}: it must be the token endpoint itself.`;
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

function target(location: string | undefined, asked: Asked): string {
  const url =
    location !== undefined && URL.canParse(location, asked.endpoint) ? new URL(location, asked.endpoint) : undefined;
  return url ? `, perhaps ${sayable(url.origin + url.pathname, asked.secrets)}` : '';
}

/** How long a token serves; milliseconds. */
export function life(expiresIn: unknown, token: string, now: number): number {
  return saidLife(expiresIn, token, now) ?? DEFAULT_LIFE;
}

/** Milliseconds. Some providers write `expires_in` as text; without any the token may say it itself. */
function saidLife(expiresIn: unknown, token: string, now: number): number | undefined {
  const seconds = typeof expiresIn === 'string' && /^\d+$/.test(expiresIn) ? Number(expiresIn) : expiresIn;
  if (typeof seconds === 'number' && seconds > 0) return seconds * 1000;
  return jwtLife(token, now);
}

/** From `iat` where there is one: a provider whose clock is off still says how long its tokens serve (RFC 7519 section 4.1). */
function jwtLife(token: string, now: number): number | undefined {
  const claims = claimsIn(token);
  if (typeof claims?.exp !== 'number') return undefined;
  const from = typeof claims.iat === 'number' ? claims.iat * 1000 : now;
  const milliseconds = claims.exp * 1000 - from;
  return milliseconds > 0 ? milliseconds : undefined;
}
