import type { IncomingMessage } from 'node:http';
import type { Inbound } from '../contracts.js';
import { splitTarget } from '../wire/paths.js';

/** `sse`: opens a session of HTTP+SSE, or asks about it (OPTIONS); `message`: is said to one. */
export type SseWay = 'sse' | 'message';

const STREAM = '/sse';
/** The names that users of mcp-abap-adt-proxy have in their clients. */
const STREAM_ALIAS = '/mcp/events';
const MESSAGES = '/messages';
const MESSAGES_ALIAS = '/mcp/messages';

type Head = Pick<IncomingMessage, 'method' | 'url' | 'headers'>;

/**
 * The way of a request to HTTP+SSE (2024-11-05); undefined for all others. A website behind us may have a `/messages` of its
 * own: ours is POSTed to with the id of a session.
 * @param atRoot `GET /` is a door, too
 */
export function sseWay(path: string, request: Head, atRoot: boolean): SseWay | undefined {
  if (path === '/mcp') return undefined;
  if (path === MESSAGES || path === MESSAGES_ALIAS) return wayOfMessages(path, request);
  const opens = path === STREAM || path.startsWith(`${STREAM}/`) || path === STREAM_ALIAS;
  return opens || (atRoot && path === '/' && request.method === 'GET') ? 'sse' : undefined;
}

function wayOfMessages(path: string, { method, url = '', headers }: Head): SseWay | undefined {
  const named = headers['x-session-id'] !== undefined || inQuery(url) !== null;
  if (path === MESSAGES && !named) return undefined;
  return method === 'POST' ? 'message' : 'sse';
}

/** The session that a message is for: the query that its endpoint event gave, or a header. */
export function sessionIdOf(request: Pick<Inbound, 'target' | 'header'>): string | undefined {
  return inQuery(request.target) ?? request.header('x-session-id');
}

function inQuery(target: string): string | null {
  return new URLSearchParams(splitTarget(target)[1]).get('sessionId');
}

/** What the same destination would be asked for at the door of Streamable HTTP: `/sse/<destination>?…` is `/mcp/<destination>?…`. */
export function asMcpTarget(target: string): string {
  const [path, query] = splitTarget(target);
  const rest = path.startsWith(`${STREAM}/`) ? path.slice(STREAM.length) : '';
  return `/mcp${rest}${query === undefined ? '' : `?${query}`}`;
}

/** Where the messages of a session that was opened at `target` are POSTed, without the id. */
export function messagesPathOf(target: string): string {
  return splitTarget(target)[0] === STREAM_ALIAS ? MESSAGES_ALIAS : MESSAGES;
}
