import { isObject } from '../../core/json.js';
/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** A JSON-RPC request; a notification where it has no id. */
export interface Message {
  readonly id?: string | number;
  readonly method: string;
  readonly params: Json;
}

/** Why a request isn't served: HTTP status and JSON-RPC error. */
export interface Fault {
  readonly status: number;
  readonly code: number;
  readonly message: string;
  readonly data?: Json;
}

export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
/** Of 2026-07-28 (basic/index, Error Codes). */
export const HEADER_MISMATCH = -32020;
export const UNSUPPORTED_VERSION = -32022;

/** Reads one JSON-RPC message: 'response' for an answer that a client posts, which nobody here has asked for. */
export function readMessage(body: Buffer): Message | 'response' | Fault {
  const value = parse(body);
  if (value === undefined) return fault(400, PARSE_ERROR, 'the body is not JSON');
  if (!isObject(value) || value.jsonrpc !== '2.0') {
    return fault(400, INVALID_REQUEST, 'the body is not one JSON-RPC 2.0 message');
  }
  const { id, method, params } = value;
  if (method === undefined && ('result' in value || 'error' in value)) return 'response';
  if (typeof method !== 'string') return fault(400, INVALID_REQUEST, 'method is not text');
  if (params !== undefined && !isObject(params)) return fault(400, INVALID_REQUEST, 'params is not an object');
  if (id !== undefined && typeof id !== 'string' && !Number.isInteger(id)) {
    return fault(400, INVALID_REQUEST, 'id is neither text nor a whole number');
  }
  return { method, params: params ?? {}, ...(id === undefined ? {} : { id: id as string | number }) };
}

export function fault(status: number, code: number, message: string, data?: Json): Fault {
  return { status, code, message, ...(data ? { data } : {}) };
}

export function isFault(value: object): value is Fault {
  return 'code' in value;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}
