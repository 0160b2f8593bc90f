import type { Reply } from '../contracts.js';
import { parsedObject } from '../core/json.js';
import { METHOD_NOT_FOUND } from '../core/jsonRpc.js';
import { gather } from '../wire/gather.js';
import { headerValue, isEventStream } from '../wire/headers.js';
import { readEvents } from '../wire/sse.js';

/** The codes that only servers of 2026-07-28 or later use (Error Codes): whoever says one of them has understood the call. */
const MODERN_CODES = new Set([-32020, -32021, -32022]);

/** An answer that was read to judge it; `reply` has the same bytes, to be passed on. */
export interface Read {
  readonly reply: Reply;
  /** The JSON-RPC message in it, where there is one that can be read. */
  readonly message: { readonly result?: unknown; readonly error?: { readonly code?: unknown } } | undefined;
}

/** Reads an answer whole. Rejects where it breaks off, or is larger than 4 MiB. */
export async function readWhole(reply: Reply): Promise<Read> {
  const body = typeof reply.body === 'function' ? await gather(reply.body) : reply.body;
  if (!Buffer.isBuffer(body)) return { reply, message: undefined };
  const encoded = headerValue(reply.headers, 'content-encoding') !== undefined;
  return { reply: { ...reply, body }, message: encoded ? undefined : messageIn(body, isEventStream(reply.headers)) };
}

function messageIn(body: Buffer, isStream: boolean): Read['message'] {
  const texts = isStream ? readEvents(body).flatMap(({ data }) => data ?? []) : [body.toString()];
  for (const text of texts.reverse()) {
    const message = parsedObject(text);
    if (message && ('result' in message || 'error' in message)) return message;
  }
  return undefined;
}

/** True for an answer that may mean: I don't speak this revision. 401, 403, 429 and 5xx say nothing about it. */
export function mayRefuseEra(status: number): boolean {
  return status === 400 || status === 404 || status === 405 || status === 406 || status === 415 || status === 422;
}

/** True where the answer shows that the server understood a modern call, whatever became of it. */
export function understoodModern({ reply, message }: Read, method: string | undefined): boolean {
  const code = message?.error?.code;
  if (typeof code === 'number' && MODERN_CODES.has(code)) return true;
  // Every modern server has `server/discover`, and an unknown method is its 404.
  return reply.status === 404 && code === METHOD_NOT_FOUND && method !== 'server/discover';
}

/** True for the result of a `server/discover` (2026-07-28, Discovery). */
export function isDiscovery({ message }: Read): boolean {
  const { result } = message ?? {};
  return typeof result === 'object' && result !== null && Array.isArray((result as Discovery).supportedVersions);
}

type Discovery = { readonly supportedVersions?: unknown };
