import type { Inbound, McpCall } from '../contracts.js';
import { INVALID_PARAMS } from '../core/jsonRpc.js';

const PREFIX = 'io.modelcontextprotocol/';
const SPOKEN = '2026-07-28';

/** An error, and the HTTP status that goes with it. */
export interface BrokenRule {
  readonly status: number;
  readonly error: {
    readonly code: number;
    readonly message: string;
    readonly data?: Readonly<Record<string, unknown>>;
  };
}

/**
 * What a server of 2026-07-28 refuses before it looks at what is asked (basic, `_meta` and Error Codes); undefined where
 * all is well. For whoever stands where the server behind knows none of it, or no HTTP.
 */
export function brokenRule({ revision }: McpCall, params: Readonly<Record<string, unknown>>): BrokenRule | undefined {
  if (revision === undefined) return incomplete('protocolVersion');
  if (revision !== SPOKEN) return unspoken(revision);
  const declared = (params._meta as Readonly<Record<string, unknown>> | undefined)?.[`${PREFIX}clientCapabilities`];
  const isObject = typeof declared === 'object' && declared !== null && !Array.isArray(declared);
  return isObject ? undefined : incomplete('clientCapabilities');
}

/** A request that is of today by its header only: its body has no `_meta` that says so. */
export function isUnclaimed({
  call,
  request,
}: {
  readonly call?: McpCall | undefined;
  readonly request: Inbound;
}): boolean {
  if (call?.kind !== 'request' || call.revision !== undefined) return false;
  return (request.header('mcp-protocol-version') ?? '') >= SPOKEN;
}

function incomplete(key: string): BrokenRule {
  return { status: 400, error: { code: INVALID_PARAMS, message: `params._meta must hold ${PREFIX}${key}` } };
}

/** Another revision was asked for. */
export function unspoken(requested: unknown): BrokenRule {
  const message = `revision ${String(requested)} is not spoken here`;
  return { status: 400, error: { code: -32022, message, data: { supported: [SPOKEN], requested } } };
}
