import type { Exchange, Reply } from '../contracts.js';
import type { GatewayError } from '../core/errors.js';
import { errorObject } from '../core/jsonRpc.js';

/** What to answer when an exchange failed: JSON-RPC towards MCP callers, a plain error object towards everybody else. */
export function errorReply(error: GatewayError, exchange: Exchange): Reply {
  const body =
    exchange.door === 'mcp' || exchange.door === 'stdio' ? rpcError(error, exchange) : plainError(error, exchange.id);
  const bytes = Buffer.from(JSON.stringify(body));
  const headers = [
    'content-type',
    'application/json',
    'content-length',
    String(bytes.length),
    'x-request-id',
    exchange.id,
  ];
  if (error.retryAfter !== undefined) headers.push('retry-after', String(error.retryAfter));
  headers.push(...error.headers);
  return { status: error.status, headers, body: bytes, origin: 'gateway' };
}

/** The request's own id where it was read, and none where it wasn't: an id that we made up could answer another call. */
function rpcError(error: GatewayError, exchange: Exchange): object {
  const { id } = exchange.call ?? {};
  return {
    jsonrpc: '2.0',
    ...(id === undefined ? {} : { id }),
    error: errorObject(error, exchange.id),
  };
}

/** `{"error": {"code", "message", "details"}}`, for callers that don't speak MCP. */
export function plainError(error: GatewayError, requestId?: string): object {
  const { hint, faults } = error;
  const details = { hint, ...(requestId === undefined ? {} : { requestId }), ...(faults ? { faults } : {}) };
  return { error: { code: error.code, message: error.message, details } };
}
