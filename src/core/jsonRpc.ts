import { ERRORS, type GatewayError } from './errors.js';

/** JSON-RPC 2.0, section 5.1. */
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;

/** The error of a JSON-RPC response that tells of a failure of ours; `data` holds what the one code of ours leaves open. */
export function errorObject(
  { code, message, hint }: Pick<GatewayError, 'code' | 'message' | 'hint'>,
  requestId?: string,
) {
  return { code: ERRORS[code].rpc, message, data: { code, hint, ...(requestId === undefined ? {} : { requestId }) } };
}
