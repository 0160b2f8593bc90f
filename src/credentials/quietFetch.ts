import { CredentialError } from '../core/errors.js';
import { parsedOrNothing } from '../core/json.js';

/** What of a request to a token or registration endpoint no message may repeat. */
const SECRET_PARAMETERS = [
  'refresh_token',
  'client_secret',
  'code',
  'code_verifier',
  'client_assertion',
  'assertion',
  'subject_token',
  'password',
];

/**
 * A `fetch` whose refusals may be told: providers exist that repeat what they were shown, and the SDK writes their words
 * into its errors and to stderr. Of an answer that repeats a secret only the code is left (RFC 6749 section 5.2).
 * Rejects with a CredentialError where a success isn't JSON, since the parser would quote it.
 */
export function quietFetch(fetchFn: typeof fetch): typeof fetch {
  return async (input, init) => {
    const answer = await fetchFn(input, init);
    if (!init?.body) return answer;
    const text = await answer.text();
    const { status, headers } = answer;
    if (answer.ok && errorIn(text) === undefined) throw notJson(input);
    const told = !answer.ok && secretsOf(init).some((secret) => text.includes(secret)) ? codeAlone(text) : text;
    return new Response(status === 204 ? null : told, { status, headers });
  };
}

function secretsOf({ body, headers }: RequestInit): string[] {
  const said = new URLSearchParams(String(body));
  const values = SECRET_PARAMETERS.flatMap((name) => said.get(name) ?? []);
  const [, proof = ''] = (new Headers(headers).get('authorization') ?? '').split(' ');
  const forms = [...values, proof].flatMap((text) => [text, encodeURIComponent(text), formEncode(text)]);
  return [...new Set(forms)].filter((text) => text !== '');
}

function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}

function codeAlone(text: string): string {
  const code = errorIn(text);
  const error = typeof code === 'string' && /^[a-z_]{1,64}$/.test(code) ? code : 'server_error';
  return JSON.stringify({ error, error_description: '(its words are withheld: they repeat a secret)' });
}

/** The member `error`, null where there is none; undefined for what is no JSON object. */
function errorIn(text: string): unknown {
  const value = parsedOrNothing(text);
  return typeof value === 'object' && value !== null ? ((value as { error?: unknown }).error ?? null) : undefined;
}

function notJson(input: string | URL | Request): CredentialError {
  const { origin, pathname } = new URL(input instanceof Request ? input.url : input);
  return new CredentialError(
    `${origin}${pathname} answered something that is not JSON`,
    'Check the metadata of the authorization server: what answers there is no endpoint of its own.',
  );
}
