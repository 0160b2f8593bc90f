import { errorCode, GatewayError } from '../core/errors.js';

/** Codes that mean: nothing answers there in time. */
const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT']);

/** Codes that mean: what answers there doesn't speak HTTP, besides all those of the parser. */
const GARBAGE = new Set([
  'HTTPParserError',
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
]);

/** Nobody waits for the answer any more: no fault of the upstream's. */
export function callerLeft(): GatewayError {
  return new GatewayError('CALLER_LEFT', 'the caller left');
}

/**
 * Why no answer came, in the words of the table; undici's codes and Node's alike. A GatewayError stays what it is.
 * @param neverSent true where the upstream can't have seen the request
 */
export function explainUpstreamError(cause: Error, origin: string, neverSent: boolean): GatewayError {
  if (cause instanceof GatewayError) return cause;
  const code = errorCode(cause) ?? cause.name;
  const details = { cause, neverSent };
  if (TIMEOUTS.has(code)) return new GatewayError('UPSTREAM_TIMEOUT', `${origin} did not answer in time`, details);
  if (code.startsWith('HPE_') || GARBAGE.has(code)) {
    return new GatewayError('UPSTREAM_GARBAGE', `${origin} answered something that is not HTTP (${code})`, details);
  }
  if (neverSent) return new GatewayError('UPSTREAM_UNREACHABLE', `${origin} can't be reached (${code})`, details);
  return new GatewayError('UPSTREAM_BROKE', `${origin} broke off before it answered (${code})`, details);
}
