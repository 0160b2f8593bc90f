import { isUtf8 } from 'node:buffer';
import type { Inbound, McpCall, TraceContext } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isObject, plainlyUnambiguous } from '../core/json.js';

/** The first stateless revision; its requests carry their own revision in `_meta`. Revisions compare as text. */
const FIRST_MODERN = '2026-07-28';
/** The only revision with JSON-RPC batches, and the one that a missing header stands for. */
const BATCHES = '2025-03-26';
const REVISION_KEY = 'io.modelcontextprotocol/protocolVersion';

type Json = Record<string, unknown>;
/** A call while it is put together. */
type Described = { -readonly [Key in keyof McpCall]: McpCall[Key] };

const NOTHING: Json = {};
type Headed = Pick<Inbound, 'header'>;

/**
 * Reads what a POST carries. The bytes stay as they are; this only describes them.
 * @throws GatewayError PARSE_ERROR for what isn't JSON in UTF-8, INVALID_REQUEST for what isn't JSON-RPC 2.0, or a
 *   batch outside 2025-03-26.
 */
export function parseCall(body: Buffer, request: Headed): McpCall {
  return describeCall(parseJson(textOf(body)), body, request);
}

/**
 * The same for whoever decides by what the body says: a glance at it saves nearly every call the long look for what it may
 * say twice.
 */
export function parseJudgedCall(body: Buffer, request: Headed): McpCall {
  const text = textOf(body);
  const message = parseJson(text);
  const call: Described = describeCall(message, body, request);
  // Written into it: a copy has a shape that V8 gives up on.
  if (plainlyUnambiguous(text, message)) call.unambiguous = true;
  return call;
}

/**
 * The same for whoever has parsed `body` already.
 * @throws GatewayError INVALID_REQUEST
 */
export function describeCall(message: unknown, body: Buffer, request: Headed): McpCall {
  return Array.isArray(message) ? describeBatch(message, body, request) : describeMessage(message, body);
}

function textOf(body: Buffer): string {
  if (!isUtf8(body)) throw new GatewayError('PARSE_ERROR', 'the body is not UTF-8');
  return body.toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('PARSE_ERROR', 'the body is not JSON', { cause });
  }
}

function describeBatch(messages: unknown[], body: Buffer, request: Headed): McpCall {
  const revision = request.header('mcp-protocol-version') ?? BATCHES;
  if (revision !== BATCHES) throw new GatewayError('INVALID_REQUEST', `revision ${revision} has no batches`);
  if (messages.length === 0) throw new GatewayError('INVALID_REQUEST', 'the batch is empty');
  for (const message of messages) {
    if (describeMessage(message, body).era === 'modern') {
      throw new GatewayError('INVALID_REQUEST', `a request of ${FIRST_MODERN} or later stands in a batch`);
    }
  }
  return { kind: 'batch', era: 'legacy', body };
}

function describeMessage(value: unknown, body: Buffer): McpCall {
  if (!isObject(value) || value.jsonrpc !== '2.0')
    throw new GatewayError('INVALID_REQUEST', 'the body is not JSON-RPC 2.0');
  const { method } = value;
  const id = readId(value);
  if (method === undefined) return describeResponse(value, id, body);
  if (typeof method !== 'string') throw new GatewayError('INVALID_REQUEST', 'method is not text');
  const params = isObject(value.params) ? value.params : {};
  const meta = isObject(params._meta) ? params._meta : NOTHING;
  const revision = claimedRevision(meta);
  const name = params[nameKey(method)];
  const call: Described = {
    kind: value.id === undefined ? 'notification' : 'request',
    era: revision === undefined ? 'legacy' : 'modern',
    method,
    body,
  };
  if (revision !== undefined) call.revision = revision;
  if (id !== undefined) call.id = id;
  if (typeof name === 'string') call.name = name;
  if (typeof meta.traceparent === 'string') call.trace = contextOf(meta.traceparent, meta);
  return call;
}

/** The parameter that `Mcp-Name` repeats (SEP-2243; the tasks extension names its own). */
function nameKey(method: string): 'name' | 'uri' | 'taskId' {
  if (method === 'resources/read') return 'uri';
  return method.startsWith('tasks/') ? 'taskId' : 'name';
}

function describeResponse(value: Json, id: string | number | undefined, body: Buffer): McpCall {
  if (!('result' in value) && !('error' in value)) {
    throw new GatewayError('INVALID_REQUEST', 'the message has neither a method, nor a result, nor an error');
  }
  return { kind: 'response', era: 'legacy', body, ...(id === undefined ? {} : { id }) };
}

function readId(message: Json): string | number | undefined {
  const { id } = message;
  if (id === undefined || (id === null && 'error' in message)) return undefined;
  if (typeof id === 'string' || Number.isSafeInteger(id)) return id as string | number;
  // Past 2^53 a number is rounded: an error under another id would answer another call, so it goes without.
  if (typeof id === 'number') return undefined;
  throw new GatewayError('INVALID_REQUEST', 'id is neither text nor a number');
}

/** As it stands: whoever uses it reads it. */
function contextOf(traceparent: string, { tracestate, baggage }: Json): TraceContext {
  return {
    traceparent,
    ...(typeof tracestate === 'string' ? { tracestate } : {}),
    ...(typeof baggage === 'string' ? { baggage } : {}),
  };
}

function claimedRevision(meta: Json): string | undefined {
  const claim = meta[REVISION_KEY];
  return typeof claim === 'string' ? claim : undefined;
}

/** Methods whose `Mcp-Name` is required; `tasks/*` may carry one, elsewhere it means whatever an extension says. */
const NAMED = new Set(['tools/call', 'prompts/get', 'resources/read']);

/**
 * Whoever reads the body must refuse headers that say something else (2026-07-28, Streamable HTTP): a proxy before us
 * or a server behind us may have decided by them.
 * @throws GatewayError HEADER_MISMATCH
 */
export function assertAgreement(call: McpCall, request: Headed): void {
  if (call.kind !== 'request' && call.kind !== 'notification') return;
  const required = call.era === 'modern' && call.kind === 'request';
  if (required) agree('MCP-Protocol-Version', request.header('mcp-protocol-version'), call.revision, true);
  agree('Mcp-Method', request.header('mcp-method'), call.method, required);
  const named = NAMED.has(call.method ?? '');
  if (!named && !call.method?.startsWith('tasks/')) return;
  const name = request.header('mcp-name');
  agree('Mcp-Name', name === undefined ? undefined : decodeName(name), call.name, required && named);
}

function agree(name: string, said: string | undefined, meant: string | undefined, required: boolean): void {
  if (said === meant || (said === undefined && !required)) return;
  throw new GatewayError('HEADER_MISMATCH', `${name} ${said === undefined ? 'is missing' : 'differs from the body'}`);
}

/** `=?base64?<base64 of UTF-8>?=` carries what a header line can't (SEP-2243). */
function decodeName(value: string): string {
  const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(value);
  return encoded ? Buffer.from(encoded[1] as string, 'base64').toString() : value;
}
