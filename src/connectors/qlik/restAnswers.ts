import type { RestResponse } from '../../contracts.js';
import { type ErrorCode, GatewayError } from '../../core/errors.js';
import { parsedOrNothing } from '../../core/json.js';
import { RestError } from '../../core/restError.js';
import { CredentialRefused, ToolError } from '../../core/toolErrors.js';

/** Of Qlik's own words that are passed on; characters. */
const MOST_WORDS = 600;

const NOT_QLIK = "Check the destination's url: what answers there is not Qlik Cloud.";

/**
 * What an answer that is no success means. 429 is the caller's to handle.
 *
 * @returns a CredentialRefused for 401, a GatewayError for what isn't the model's to mend, else a ToolError in Qlik's words
 */
export function refusalOf({ status, body }: RestResponse, origin: string): Error {
  if (status === 401) return new CredentialRefused(`${origin} refuses the credential`);
  if (status >= 500) return new GatewayError(vendorsFault(status), `${origin} answered ${status}`);
  if (status < 400) return new GatewayError('UPSTREAM_GARBAGE', `${origin} answered ${status}`, { hint: NOT_QLIK });
  return new ToolError(`Qlik answered ${status}${saidIn(body)}${hintOf(status)}`);
}

/** What will have passed in a moment is repeated, where that is safe. */
function vendorsFault(status: number): ErrorCode {
  return status === 502 || status === 503 || status === 504 ? 'UPSTREAM_BROKE' : 'UPSTREAM_REFUSED';
}

/** What Qlik says in `errors`, as far as it is there: `: title: detail (code)`. */
export function saidIn(body: string): string {
  const errors = (parsedOrNothing(body) as { errors?: unknown } | undefined)?.errors;
  const said = Array.isArray(errors) ? errors.map(wordsOf).filter((words) => words !== '') : [];
  if (said.length === 0) return '';
  const text = [...said.join('; ')].map((char) => (char < ' ' || char === '\x7f' ? ' ' : char)).join('');
  return `: ${text.length > MOST_WORDS ? `${text.slice(0, MOST_WORDS)}…` : text}`;
}

function wordsOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { title, detail, code } = error as Record<string, unknown>;
  const words = [title, detail].filter((each) => typeof each === 'string' && each !== '').join(': ');
  return typeof code === 'string' ? `${words} (${code})`.trim() : words;
}

function hintOf(status: number): string {
  if (status === 403) return '. The user of this credential lacks the right or the scope.';
  if (status === 404) return '. Check the id: it may be gone, or not be visible to this user.';
  return '';
}

/** Why no answer came. `caller` aborts when the caller leaves, whose reason it then is. */
export function noAnswer(error: unknown, caller: AbortSignal): unknown {
  if (caller.aborted) return caller.reason;
  if (!(error instanceof RestError)) return error;
  if (error.reason === 'too-large')
    return new ToolError("Qlik's answer is larger than this tool takes. Ask for less: a smaller limit, or a filter.");
  const code = error.reason === 'timeout' ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_UNREACHABLE';
  return new GatewayError(code, error.message, { cause: error });
}

/**
 * The object in a body; an empty body is an empty object.
 *
 * @throws GatewayError UPSTREAM_GARBAGE
 */
export function objectIn(body: string, origin: string): Record<string, unknown> {
  if (body === '') return {};
  const value = parsedOrNothing(body);
  if (Array.isArray(value)) return { data: value };
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw new GatewayError('UPSTREAM_GARBAGE', `${origin} answered with something that is no JSON`, { hint: NOT_QLIK });
}
