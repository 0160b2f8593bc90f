import { isObject } from '../../core/json.js';
import { INVALID_PARAMS, METHOD_NOT_FOUND } from '../../core/jsonRpc.js';
import { type Era, LEGACY, MODERN } from './era.js';
import { type Fault, fault, type Json, type Message } from './message.js';
import { type DemoTool, TOOLS } from './tools.js';

/** A call that has been understood and is yet to be made. */
export interface ToolCall {
  readonly tool: DemoTool;
  readonly arguments: unknown;
  readonly progressToken?: string | number;
}

/** What a request comes to. */
export type Served = { readonly result: Json } | { readonly call: ToolCall } | Fault;

const SERVER = { name: 'drawbridge-demo', version: '1.0.0' };
const INSTRUCTIONS = 'Call whoami twice, more than half a minute apart: the token has been renewed in between.';
const CAPABILITIES = { tools: {} };
/** The tools never change, and are the same for everybody. */
const CACHE = { ttlMs: 300_000, cacheScope: 'public' };

const MODERN_METHODS: Readonly<Record<string, (params: Json) => Served>> = {
  'server/discover': () => ({
    result: { supportedVersions: [MODERN], capabilities: CAPABILITIES, instructions: INSTRUCTIONS, ...CACHE },
  }),
  'tools/list': () => ({ result: { tools: listTools(), ...CACHE } }),
  'tools/call': readCall,
};

const LEGACY_METHODS: Readonly<Record<string, (params: Json) => Served>> = {
  initialize,
  ping: () => ({ result: {} }),
  'tools/list': () => ({ result: { tools: listTools() } }),
  'tools/call': readCall,
};

/** Serves a request by the rules of its era. */
export function serve(message: Message, era: Era): Served {
  const methods = era === 'modern' ? MODERN_METHODS : LEGACY_METHODS;
  const method = Object.hasOwn(methods, message.method) ? methods[message.method] : undefined;
  // Only the modern revision answers it with 404 (2026-07-28, Streamable HTTP): to legacy clients that is a lost session.
  if (!method) return fault(era === 'modern' ? 404 : 200, METHOD_NOT_FOUND, `there is no ${message.method}`);
  return method(message.params);
}

/** A result as its era has it: the modern one says that it is whole, and by whom. */
export function dress(result: Json, era: Era): Json {
  if (era === 'legacy') return result;
  return { resultType: 'complete', ...result, _meta: { 'io.modelcontextprotocol/serverInfo': SERVER } };
}

/** Echoes the client's revision, or offers the newest one that starts this way (2025-11-25, Lifecycle). */
function initialize(params: Json): Served {
  const asked = params.protocolVersion;
  if (typeof asked !== 'string') return fault(200, INVALID_PARAMS, 'protocolVersion is missing');
  const protocolVersion = LEGACY.includes(asked) ? asked : LEGACY[0];
  return {
    result: { protocolVersion, capabilities: CAPABILITIES, serverInfo: SERVER, instructions: INSTRUCTIONS },
  };
}

function listTools(): object[] {
  return [...TOOLS.values()].map(({ name, description, inputSchema }) => ({
    name,
    description,
    inputSchema,
    annotations: { readOnlyHint: true, openWorldHint: false },
  }));
}

function readCall(params: Json): Served {
  const tool = typeof params.name === 'string' ? TOOLS.get(params.name) : undefined;
  if (!tool) return fault(200, INVALID_PARAMS, 'there is no such tool');
  const progressToken = isObject(params._meta) ? params._meta.progressToken : undefined;
  return {
    call: { tool, arguments: params.arguments, ...(isToken(progressToken) ? { progressToken } : {}) },
  };
}

function isToken(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}
