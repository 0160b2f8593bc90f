import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import { INVALID_PARAMS, METHOD_NOT_FOUND } from '../core/jsonRpc.js';
import { readJson } from './modernToLegacyJson.js';

export type Json = Readonly<Record<string, unknown>>;

/** Any JSON-RPC message. */
export interface Message extends Json {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Json;
  readonly result?: Json;
  readonly error?: RpcError;
}

export interface RpcError extends Json {
  readonly code: number;
  readonly message: string;
}

/** An error as a client of 2026-07-28 gets it: what it says, and the HTTP status where no stream has begun. */
export interface ModernError {
  readonly status: number;
  readonly error: RpcError;
}

/** What a client says about itself with every request (2026-07-28, `_meta`). */
export interface Client {
  readonly capabilities: Json;
  readonly info: Json;
  readonly logLevel: string | undefined;
  readonly progressToken: string | number | undefined;
}

/** What a server said of itself in its InitializeResult. */
export interface Server {
  readonly revision: string;
  readonly capabilities: Json;
  readonly info: Json | undefined;
  readonly instructions: string | undefined;
}

const RESERVED = 'io.modelcontextprotocol/';
export const SUBSCRIPTION_KEY = `${RESERVED}subscriptionId`;
const MODERN = '2026-07-28';
/** The newest revision with sessions: what a server is offered. */
export const OFFERED = '2025-11-25';
const LEGACY = new Set(['2024-10-07', '2024-11-05', '2025-03-26', '2025-06-18', OFFERED]);

/** Methods that 2026-07-28 no longer has, and those of legacy tasks, which can't be bridged. */
export const REMOVED: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/cancel',
  'tasks/update',
]);

/** Methods that may end in a question (2026-07-28, multi round-trip requests). */
export const ASKING: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** Results that must say how long they may be kept. */
const CACHEABLE = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]);

/** From the finest to the gravest (RFC 5424 section 6.2.1). */
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** True for a log message that whoever asked for `level` wants; without one, none is. */
export function isWanted(level: unknown, wanted: string | undefined): boolean {
  return wanted !== undefined && LEVELS.indexOf(String(level)) >= LEVELS.indexOf(wanted);
}

/** The messages in a text: one, or a batch of 2025-03-26. @throws GatewayError UPSTREAM_GARBAGE */
export function readMessage(text: string): Message[] {
  try {
    const value = readJson(text);
    return (Array.isArray(value) ? value : [value]).filter(isObject) as Message[];
  } catch (cause) {
    throw new GatewayError('UPSTREAM_GARBAGE', 'the server sent a message that is not JSON', { cause });
  }
}

export function clientOf(params: Json): Client {
  const meta = isObject(params._meta) ? params._meta : {};
  const { progressToken } = meta;
  const capabilities = meta[`${RESERVED}clientCapabilities`];
  const info = meta[`${RESERVED}clientInfo`];
  const logLevel = meta[`${RESERVED}logLevel`];
  return {
    capabilities: isObject(capabilities) ? capabilities : {},
    info: isObject(info) ? info : { name: 'mcp-drawbridge', version: '0' },
    logLevel: typeof logLevel === 'string' ? logLevel : undefined,
    progressToken: typeof progressToken === 'string' || typeof progressToken === 'number' ? progressToken : undefined,
  };
}

/** Without what only 2026-07-28 has, and what only legacy tasks need; `token` takes the place of the client's progress token. */
export function legacyParams(params: Json, token: number | undefined): Json {
  const { _meta, inputResponses: _answers, requestState: _state, task: _task, ...rest } = params;
  const meta = Object.entries(isObject(_meta) ? _meta : {}).filter(
    ([key]) => !key.startsWith(RESERVED) && key !== 'progressToken',
  );
  if (token !== undefined) meta.push(['progressToken', token]);
  return meta.length > 0 ? { ...rest, _meta: Object.fromEntries(meta) } : rest;
}

/** What is declared in `initialize`. A modern client sends no `roots/list_changed`, and tasks aren't bridged. */
export function legacyCapabilities(declared: Json): Json {
  const { tasks: _tasks, roots, ...rest } = declared;
  return roots === undefined ? rest : { ...rest, roots: {} };
}

/** @throws GatewayError UPSTREAM_GARBAGE for a result that isn't one, or a revision that isn't known */
export function serverOf(result: unknown): Server {
  const { protocolVersion, capabilities, serverInfo, instructions } = isObject(result) ? result : {};
  if (typeof protocolVersion !== 'string' || !LEGACY.has(protocolVersion)) {
    throw new GatewayError('UPSTREAM_GARBAGE', 'the server answers initialize with no revision that is known here', {
      hint: "Check that the destination's url is that of an MCP server, and its `era` what the server speaks.",
    });
  }
  return {
    revision: protocolVersion,
    capabilities: isObject(capabilities) ? capabilities : {},
    info: isObject(serverInfo) ? serverInfo : undefined,
    instructions: typeof instructions === 'string' ? instructions : undefined,
  };
}

export function discovered(server: Server): Json {
  const { tasks: _tasks, ...capabilities } = server.capabilities;
  const { instructions } = server;
  const result = { supportedVersions: [MODERN], capabilities, ...(instructions === undefined ? {} : { instructions }) };
  return modernResult('server/discover', result, server);
}

/** A result with what 2026-07-28 asks of every one. Nothing is said about how long it holds, so it isn't kept. */
export function modernResult(method: string, result: Json, { info }: Server): Json {
  const meta = isObject(result._meta) ? result._meta : {};
  return {
    resultType: 'complete',
    ...(CACHEABLE.has(method) ? { ttlMs: 0, cacheScope: 'private' } : {}),
    ...result,
    ...(info || result._meta !== undefined
      ? { _meta: { ...(info ? { [`${RESERVED}serverInfo`]: info } : {}), ...meta } }
      : {}),
  };
}

const INTERNAL_ERROR = -32603;
const RESOURCE_NOT_FOUND = -32002;

/** Codes that mean something else now, or nothing that a server of then could have meant, are said in today's words. */
export function modernError(error: RpcError): ModernError {
  const { code } = error;
  if (code === METHOD_NOT_FOUND) return { status: 404, error };
  if (code === RESOURCE_NOT_FOUND) return { status: 200, error: { ...error, code: INVALID_PARAMS } };
  const isReserved = code <= -32020 && code >= -32099;
  return { status: 200, error: isReserved ? { ...error, code: INTERNAL_ERROR } : error };
}

export function notFound(method: string): ModernError {
  return { status: 404, error: { code: METHOD_NOT_FOUND, message: `there is no method ${method}` } };
}

export function invalidParams(message: string): ModernError {
  return { status: 200, error: { code: INVALID_PARAMS, message } };
}

export function capabilityMissing(requiredCapabilities: Json): ModernError {
  const message = 'the server needs a capability that the client did not declare';
  return { status: 400, error: { code: -32021, message, data: { requiredCapabilities } } };
}

export function headerMismatch(message: string): ModernError {
  return { status: 400, error: { code: -32020, message } };
}

export function internalError(message: string): ModernError {
  return { status: 200, error: { code: INTERNAL_ERROR, message } };
}
