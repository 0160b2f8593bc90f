import type { Exchange } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isObject } from '../core/json.js';
import { errorObject, INVALID_PARAMS, METHOD_NOT_FOUND } from '../core/jsonRpc.js';
import { memberOf, withMembers } from '../wire/jsonText.js';
import { valueAt } from '../wire/paramAnnotations.js';

/** The revision in which a bridge speaks to the server. */
export const MODERN = '2026-07-28';

const PREFIX = 'io.modelcontextprotocol/';
/** What joins `_meta` on this way only, and leaves it again on the way back. */
const ENVELOPE_KEYS = ['protocolVersion', 'clientCapabilities', 'clientInfo', 'logLevel'].map((key) => PREFIX + key);
const RESULT_KEYS = new Map([
  [`${PREFIX}serverInfo`, undefined],
  [`${PREFIX}subscriptionId`, undefined],
]);

/** JSON-RPC codes that are spoken on this bridge. */
export const CODES = {
  methodNotFound: METHOD_NOT_FOUND,
  invalidParams: INVALID_PARAMS,
  internal: -32603,
  headerMismatch: -32020,
  missingCapability: -32021,
  unsupportedRevision: -32022,
  /** Of the revisions up to 2025-11-25 only. */
  resourceNotFound: -32002,
} as const;

/** A failure that the caller is told about as a JSON-RPC error. */
export class RpcError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
  }
}

/** Who asks, as every request of 2026-07-28 says it. */
export interface Envelope {
  readonly capabilities: object;
  readonly info?: object | undefined;
  readonly logLevel?: string | undefined;
}

/** Params as text, with the envelope in `_meta`. What the caller put there stays, unless it is the envelope's. */
export function withEnvelope(params: string | undefined, { capabilities, info, logLevel }: Envelope): string {
  const [version, clientCapabilities, clientInfo, level] = ENVELOPE_KEYS as [string, string, string, string];
  const envelope = new Map<string, string | undefined>([
    [version, JSON.stringify(MODERN)],
    [clientCapabilities, JSON.stringify(capabilities)],
    [clientInfo, info && JSON.stringify(info)],
    [level, logLevel === undefined ? undefined : JSON.stringify(logLevel)],
  ]);
  const whole = params ?? '{}';
  return withMembers(whole, new Map([['_meta', withMembers(memberOf(whole, '_meta') ?? '{}', envelope)]]));
}

/** A response as text, under the id (as text) by which the caller knows its request. */
export function response(id: string, part: 'result' | 'error', text: string): string {
  return `{"jsonrpc":"2.0","id":${id},"${part}":${text}}`;
}

/** A result as the revisions up to 2025-11-25 know it. That of an extension keeps its type: it is nothing without. */
export function legacyResult(text: string, result: Readonly<Record<string, unknown>>): string {
  const changes = new Map<string, string | undefined>();
  if (result.resultType === 'complete') changes.set('resultType', undefined);
  const meta = memberOf(text, '_meta');
  if (meta !== undefined) changes.set('_meta', emptyAsNone(withMembers(meta, RESULT_KEYS)));
  const structured = valueAt(result, ['structuredContent']);
  // Any JSON value since SEP-2106, an object before.
  if (structured !== undefined && !isObject(structured)) {
    changes.set('structuredContent', `{"result":${memberOf(text, 'structuredContent')}}`);
  }
  return withMembers(text, changes);
}

/**
 * A list of tools without those named, which no client may use, and without output schemas of anything but objects,
 * which the revisions up to 2025-11-25 have no words for.
 */
export function legacyTools(text: string, result: unknown, illegal: ReadonlySet<string>): string {
  const tools = valueAt(result, ['tools']);
  if (!Array.isArray(tools)) return text;
  if (illegal.size === 0 && !tools.some(hasOddOutput)) return text;
  const legal = tools.filter((tool) => !illegal.has(String(valueAt(tool, ['name']))));
  const usable = legal.map((tool) => (hasOddOutput(tool) ? { ...tool, outputSchema: undefined } : tool));
  return withMembers(text, new Map([['tools', JSON.stringify(usable)]]));
}

function hasOddOutput(tool: unknown): boolean {
  const schema = valueAt(tool, ['outputSchema']);
  return schema !== undefined && valueAt(schema, ['type']) !== 'object';
}

/** A notification of a subscription, as it rides the stream of a session. */
export function legacyNotification(text: string): string {
  const params = memberOf(text, 'params');
  const meta = params === undefined ? undefined : memberOf(params, '_meta');
  if (params === undefined || meta === undefined) return text;
  const kept = new Map([['_meta', emptyAsNone(withMembers(meta, RESULT_KEYS))]]);
  return withMembers(text, new Map([['params', withMembers(params, kept)]]));
}

function emptyAsNone(object: string): string | undefined {
  return object === '{}' ? undefined : object;
}

/** What a request was about, as far as errors depend on it. */
interface About {
  readonly method: string;
  readonly name?: string | undefined;
}

/** An error of 2026-07-28 (as text, and parsed) for a caller of the revisions up to 2025-11-25. */
export function legacyError(text: string, error: unknown, { method, name }: About): string {
  const message = String(valueAt(error, ['message']) ?? '');
  switch (valueAt(error, ['code'])) {
    case CODES.missingCapability: {
      const missing = valueAt(error, ['data', 'requiredCapabilities']);
      return internal(
        `the server needs a capability that this client has not declared: ${namesIn(missing) || message}`,
      );
    }
    case CODES.headerMismatch:
      return internal(`the server refuses the headers that repeat this call: ${message}`);
    case CODES.unsupportedRevision:
      return internal(`the server doesn't speak ${MODERN}: ${message}`);
    case CODES.invalidParams:
      if (method !== 'resources/read' || name === undefined) return text;
      return withMembers(text, new Map([['code', String(CODES.resourceNotFound)]]));
    default:
      return text;
  }
}

/** Names of capabilities, one inside another with a dot: no more of them than can be read. */
function namesIn(capabilities: unknown): string {
  if (!isObject(capabilities)) return '';
  const names = Object.entries(capabilities).flatMap(([name, inner]) => {
    const parts = isObject(inner) ? Object.keys(inner) : [];
    return parts.length === 0 ? [name] : parts.map((part) => `${name}.${part}`);
  });
  return names.slice(0, 10).join(', ').slice(0, 300);
}

function internal(message: string): string {
  return JSON.stringify({ code: CODES.internal, message });
}

/** What failed, as the error of a response; a fault of ours keeps its words to itself. */
export function errorOf(failure: unknown, exchange: Pick<Exchange, 'id'>): string {
  if (failure instanceof RpcError) return JSON.stringify({ code: failure.code, message: failure.message });
  const known =
    failure instanceof GatewayError ? failure : new GatewayError('INTERNAL', 'something went wrong on our side');
  return JSON.stringify(errorObject(known, exchange.id));
}
