import { isUtf8 } from 'node:buffer';
import type { HeaderLines, Reply } from '../contracts.js';
import { isObject, parsedOrNothing } from '../core/json.js';
import { headerValue } from '../wire/headers.js';
import { placeOfId, saysTwice } from './resultCacheJson.js';
import { type Asked, isPlainField } from './resultCacheKey.js';

/** A larger answer isn't kept. */
export const LARGEST = 1024 * 1024;
const DAY_MS = 86_400_000;

/** What an upstream said, without the id that it said it to. */
export interface Answer {
  readonly before: Buffer;
  readonly behind: Buffer;
  readonly ttlMs: number;
  readonly shared: boolean;
}

/** What the head of an answer lets become of its body. */
export function mayKeep(reply: Reply): boolean {
  const { headers } = reply;
  const value = (name: string) => headerValue(headers, name);
  return (
    reply.status === 200 &&
    reply.origin === 'upstream' &&
    (value('content-encoding') ?? 'identity') === 'identity' &&
    /^(application\/json|text\/event-stream)\b/i.test(value('content-type') ?? '') &&
    Number(value('content-length') ?? 0) <= LARGEST &&
    // A session that begins with it, or a cookie, is one caller's.
    value('mcp-session-id') === undefined &&
    value('set-cookie') === undefined &&
    !/\bno-(store|cache)\b/i.test(cacheControl(headers)) &&
    variesAsKnown(value('vary'))
  );
}

/** Lines that are said twice count together. */
function cacheControl(headers: HeaderLines): string {
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === 'cache-control').join();
}

/** Whether the key tells apart whatever the answer varies with. `Accept` and its like choose the form, and the form we keep is one. */
function variesAsKnown(vary: string | undefined): boolean {
  const names = (vary ?? '').split(',').map((name) => name.trim().toLowerCase());
  const form = new Set(['', 'accept', 'accept-encoding', 'origin']);
  return names.every((name) => form.has(name) || (name !== '*' && !isPlainField(name) && name !== 'authorization'));
}

/** What is kept of a whole body; undefined where nothing is to be kept. */
export function readAnswer(body: Buffer, headers: HeaderLines, asked: Asked): Answer | undefined {
  if (!isUtf8(body)) return undefined;
  const text = /^text\/event-stream/i.test(headerValue(headers, 'content-type') ?? '')
    ? onlyEvent(body.toString())
    : body.toString();
  const message = text === undefined ? undefined : parsedOrNothing(text);
  if (text === undefined || !isObject(message) || !isResultFor(message, asked.id)) return undefined;
  const place = saysTwice(text, message) ? undefined : placeOfId(text);
  const result = message.result as Readonly<Record<string, unknown>>;
  const ttlMs = asked.legacyTtlMs ?? lifeOf(result);
  if (!place || !(ttlMs > 0)) return undefined;
  return {
    before: Buffer.from(text.slice(0, place.from)),
    behind: Buffer.from(text.slice(place.to)),
    ttlMs: Math.min(ttlMs, DAY_MS),
    shared:
      asked.legacyTtlMs === undefined && result.cacheScope === 'public' && !/\bprivate\b/i.test(cacheControl(headers)),
  };
}

function isResultFor(message: Readonly<Record<string, unknown>>, id: string | number): boolean {
  const { result } = message;
  return (
    message.jsonrpc === '2.0' &&
    message.id === id &&
    !Object.hasOwn(message, 'error') &&
    isObject(result) &&
    (result.isError ?? false) === false &&
    (result.resultType ?? 'complete') === 'complete'
  );
}

/** Milliseconds; what isn't a number means: not at all. */
function lifeOf(result: Readonly<Record<string, unknown>>): number {
  return typeof result.ttlMs === 'number' ? result.ttlMs : 0;
}

/** The data of an event stream that holds exactly one event (WHATWG HTML, server-sent events). */
function onlyEvent(text: string): string | undefined {
  const blocks = text
    .replace(/^\ufeff/, '')
    .split(/(?:\r\n|\r|\n){2}/)
    .map((block) => block.split(/\r\n|\r|\n/).filter((line) => /^data(:|$)/.test(line)))
    .filter((lines) => lines.length > 0);
  if (blocks.length !== 1 || !/(?:\r\n|\r|\n){2}$/.test(text)) return undefined;
  return (blocks[0] as string[]).map((line) => line.replace(/^data:? ?/, '')).join('\n');
}
