import type { McpCall } from '../contracts.js';
import { ERRORS, type ErrorCode, GatewayError } from '../core/errors.js';
import { isObject, parsedOrNothing } from '../core/json.js';
import { errorObject } from '../core/jsonRpc.js';
import { describeCall } from '../wire/mcp.js';

export type Json = Record<string, unknown>;

/** What the caller said: parsed once, and its bytes kept. */
export interface Said {
  /** A batch stands for its messages. */
  readonly value: Json | readonly Json[];
  readonly params: Json;
  readonly call: McpCall & { readonly body: Buffer };
}

/**
 * @param revision of the session, for a batch
 * @throws GatewayError PARSE_ERROR, INVALID_REQUEST
 */
export function readSaid(text: string, revision: string | undefined): Said {
  const value = parsed(text);
  const body = Buffer.from(text);
  const call = describeCall(value, body, { header: () => revision }) as Said['call'];
  const params = (value as Json).params;
  return { value: value as Json, params: isObject(params) ? params : {}, call };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('PARSE_ERROR', 'the message is not JSON', {
      cause,
      hint: 'Send one JSON-RPC message per line.',
    });
  }
}

/** A message as one line: between the tokens of JSON, and nowhere else, a line may end, and a space does as well. */
export function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, ' ').trim() : text;
}

/** The members that usually come first, in the order in which the SDKs and most others write them. */
const RESULT_FIRST =
  /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?(?:"id"\s*:\s*(?:-?\d+|"[^"\\]*")\s*,\s*)?"(?:result|error)"\s*:/;
const METHOD_FIRST =
  /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?(?:"id"\s*:\s*(?:-?\d+|"[^"\\]*")\s*,\s*)?"method"\s*:/;

/** True for a response, or a batch: what a call's stream ends with. Parsed only where it isn't plain to see. */
export function isAnswer(text: string): boolean {
  if (RESULT_FIRST.test(text)) return true;
  if (METHOD_FIRST.test(text)) return false;
  const value = parsedOrNothing(text);
  return (
    Array.isArray(value) || (isObject(value) && value.method === undefined && ('result' in value || 'error' in value))
  );
}

/** What is said to a caller whose call failed. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly requestId?: string;
}

/** The JSON-RPC error for everything in a message that waits for an answer; undefined where nothing does. */
export function failureText(said: Said, { code, message, hint, requestId }: Failure): string | undefined {
  const error = errorObject({ code, message, hint: hint ?? ERRORS[code].hint }, requestId);
  const messages: readonly Json[] = Array.isArray(said.value) ? said.value : [said.value];
  const waiting = messages.filter(({ id, method }) => method !== undefined && id !== undefined);
  if (waiting.length === 0) return undefined;
  // An id past 2^53 was rounded when it was read: under it nobody waits.
  const answers = waiting.map(({ id }) => ({ jsonrpc: '2.0', id, error }));
  return JSON.stringify(Array.isArray(said.value) ? answers : answers[0]);
}

/** The answer to a line that can't be read: whose it would be, nobody knows. */
export function unreadableText(failure: unknown): string {
  const known =
    failure instanceof GatewayError ? failure : new GatewayError('INTERNAL', 'something went wrong in the proxy');
  return JSON.stringify({ jsonrpc: '2.0', id: null, error: errorObject(known) });
}

const LOGIN_HINT =
  'The server wants to know who calls: pass its token with --header "Authorization: Bearer …"; the login in a browser comes with `mcp-drawbridge login`.';

const HINTS: ReadonlyMap<number, string> = new Map([
  [401, LOGIN_HINT],
  [403, 'The server knows who calls and refuses: check the rights of that account or token.'],
  [404, 'Nothing that speaks MCP is at that path: check the URL.'],
  [405, 'Nothing that speaks Streamable HTTP is at that path: check the URL, or try --transport sse-only.'],
  [429, 'The server is asked too often: wait a moment and repeat.'],
]);

/**
 * The answer to a call that an HTTP error answered: the server's own JSON-RPC error where there is one, under the
 * call's id, else one that says what to do.
 */
export function refusalText(said: Said, status: number, body: string, requestId: string): string | undefined {
  const own = parsedOrNothing(body);
  const { id } = said.call;
  if (isObject(own) && isObject(own.error) && typeof own.error.code === 'number') {
    if (Array.isArray(said.value) || said.call.kind !== 'request')
      return failureText(said, plainRefusal(status, requestId));
    return own.id === id ? body : JSON.stringify({ ...own, id: (said.value as Json).id });
  }
  return failureText(said, plainRefusal(status, requestId));
}

function plainRefusal(status: number, requestId: string): Failure {
  const hint = HINTS.get(status);
  return {
    code: 'UPSTREAM_REFUSED',
    message: `the server answered HTTP ${status}`,
    requestId,
    ...(hint ? { hint } : {}),
  };
}
