import type { RestRequest, RestResponse, SecretDeps } from '../contracts.js';
import { parsedObject } from '../core/json.js';
import { RestError } from '../core/restError.js';
import { SecretError } from './secretError.js';

/** A manager's answer: any status that it gives a reason for, and its body as an object. */
export interface Answer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}

/**
 * Asks, and takes only what is an answer: no redirect, no server error, and with 200 nothing but a JSON object. `who` begins
 * every message. Rejects with a SecretError.
 */
export async function ask(request: RestRequest, who: string, deps: Pick<SecretDeps, 'rest'>): Promise<Answer> {
  const answer = await askPlain(request, who, deps);
  const json = parsedObject(answer.body);
  if (!json && answer.status < 300) {
    throw new SecretError(
      `${who} answered with what is no JSON object`,
      'Is something else listening at that address?',
    );
  }
  return { status: answer.status, json: json ?? {} };
}

/** The same for what isn't JSON. */
export async function askPlain(
  request: RestRequest,
  who: string,
  deps: Pick<SecretDeps, 'rest'>,
): Promise<RestResponse> {
  const answer = await deps.rest(request).catch((error: unknown) => {
    throw noAnswer(error, who);
  });
  const { status } = answer;
  if (status === 429 || status >= 500) {
    throw new SecretError(`${who} answered with ${status}`, 'Is it overloaded, sealed or being restarted?', true);
  }
  if (status >= 300 && status < 400) {
    const mend =
      'A redirect is not followed, since it would show the request to somebody else: name the final address.';
    throw new SecretError(`${who} answered with a redirect (${status})`, mend);
  }
  return answer;
}

function noAnswer(error: unknown, who: string): unknown {
  if (!(error instanceof RestError)) return error;
  const { reason, message } = error;
  if (reason === 'tls')
    return new SecretError(`${who}: ${message}`, 'Is its certificate issued by a trusted authority?');
  if (reason === 'too-large') return new SecretError(`${who}: ${message}`, 'No secret may be so large.');
  return new SecretError(`${who}: ${message}`, 'Is it running, and may this machine reach it?', true);
}

/** Undefined for what is no text, or empty. */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A count of seconds, which some write as text. Undefined for what is none. */
export function asSeconds(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}

/** A name of an error as an answer gives it, where it is nothing but a name. */
export function asCode(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w.#-]{1,80}$/.test(value) ? value : undefined;
}

/** The segments of a path, each fit for a URL. Rejects what would lead out of where it starts. */
export function encodePath(path: string): string {
  const segments = path.split('/');
  if (segments.some((segment) => ['', '.', '..'].includes(segment))) {
    throw new SecretError(`"${path}" is no path of a secret`, 'Write it without empty segments, "." or "..".');
  }
  return segments.map(encodeURIComponent).join('/');
}
