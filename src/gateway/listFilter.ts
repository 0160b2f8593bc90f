import type { HeaderLines, McpCall, Reply, Sink } from '../contracts.js';
import { isObject, parsedOrNothing } from '../core/json.js';
import { type Body, gather, unfilterable } from '../wire/gather.js';
import { headerValue, isEventStream, saidTwice, without } from '../wire/headers.js';
import { codingOf, decoded } from './decode.js';
import { EventFilter } from './sseFilter.js';

/** Whether a listed thing may be used, by the method that uses it. */
export type MayUse = (method: string, name: string) => boolean;

/** Where a result lists things, what uses one, and what names it. */
const LISTS = [
  { list: 'tools', method: 'tools/call', key: 'name' },
  { list: 'prompts', method: 'prompts/get', key: 'name' },
  { list: 'resources', method: 'resources/read', key: 'uri' },
  { list: 'resourceTemplates', method: 'resources/read', key: 'uriTemplate' },
] as const;

const LISTING: ReadonlySet<string> = new Set([
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
]);

/** What no longer holds once a body has changed. */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-md5',
  'content-digest',
  'repr-digest',
  'digest',
  'etag',
  'accept-ranges',
]);

/** True where a list may come: for a batch, and for a GET, whose stream may take up one that broke off. */
export function answersWithList(call: McpCall): boolean {
  return call.kind === 'batch' || call.kind === 'stream' || LISTING.has(call.method ?? '');
}

/**
 * The reply without what the caller may not use. Other messages pass byte for byte; what can't be read is refused,
 * never passed on.
 * @throws GatewayError UPSTREAM_GARBAGE
 */
export function filterReply(reply: Reply, mayUse: MayUse): Reply | Promise<Reply> {
  if (reply.body === null) return reply;
  if (typeof reply.body === 'object' && 'takeOver' in reply.body) throw unfilterable('is not ours to read');
  const body = plainBody(reply.headers, reply.body);
  const rewrite = (text: string) => filterText(text, mayUse);
  if (isEventStream(reply.headers)) {
    const headers = without(reply.headers, OF_THE_BODY);
    return { ...reply, headers, body: (sink: Sink) => new EventFilter(sink, rewrite).attach(body) };
  }
  return gather(body).then((bytes) => filterWhole(reply, bytes, rewrite));
}

/** The body, uncompressed. */
function plainBody(headers: HeaderLines, body: Buffer | Body): Body {
  if (saidTwice(headers, 'content-type') || saidTwice(headers, 'content-encoding'))
    throw unfilterable('contradicts itself');
  const stream = typeof body === 'function' ? body : fromBuffer(body);
  const coding = codingOf(headerValue(headers, 'content-encoding'));
  return coding === undefined ? stream : decoded(stream, coding);
}

function fromBuffer(bytes: Buffer): Body {
  return (sink) => {
    sink.end(bytes);
    return { resume() {}, cancel() {} };
  };
}

function filterWhole(reply: Reply, bytes: Buffer, rewrite: (text: string) => string | undefined): Reply {
  const failed = reply.status >= 400;
  const changed = isJson(reply.headers) ? rewrite(bytes.toString()) : undefined;
  if (changed === undefined && !failed && bytes.length > 0 && !(isJson(reply.headers) && parses(bytes))) {
    throw unfilterable('is neither JSON nor an event stream');
  }
  const body = changed === undefined ? bytes : Buffer.from(changed);
  const kept = without(reply.headers, OF_THE_BODY);
  return { ...reply, headers: [...kept, 'content-length', String(body.length)], body };
}

function isJson(headers: HeaderLines): boolean {
  return /^application\/json\s*(;|$)/i.test(headerValue(headers, 'content-type') ?? '');
}

function parses(bytes: Buffer): boolean {
  return parsedOrNothing(bytes.toString()) !== undefined;
}

/** The text with shortened lists; undefined where nothing has to change, so that the bytes stay as they are. */
export function filterText(text: string, mayUse: MayUse): string | undefined {
  const value = parsedOrNothing(text);
  const messages: unknown[] = Array.isArray(value) ? value : [value];
  let changed = false;
  for (const message of messages) changed = filterMessage(message, mayUse) || changed;
  return changed ? JSON.stringify(value) : undefined;
}

/** Shortens the lists in a result, in place. A list is known by its form: an answer under a wrong id is no way around. */
function filterMessage(message: unknown, mayUse: MayUse): boolean {
  if (!isObject(message) || !isObject(message.result)) return false;
  const { result } = message;
  let lists = false;
  let changed = false;
  for (const { list, method, key } of LISTS) {
    const things = result[list];
    if (!Array.isArray(things)) continue;
    lists = true;
    const usable = things.filter((thing: unknown) => {
      const name = isObject(thing) ? thing[key] : undefined;
      return typeof name === 'string' && mayUse(method, name);
    });
    if (usable.length < things.length) changed = true;
    result[list] = usable;
  }
  // What one caller may see isn't what another may: no cache may share it, complete or not.
  if (!lists || result.cacheScope !== 'public') return changed;
  result.cacheScope = 'private';
  return true;
}
