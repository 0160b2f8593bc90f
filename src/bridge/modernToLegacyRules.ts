import type { McpCall } from '../contracts.js';
import { isObject, type Json, type ModernError } from './modernToLegacyMessages.js';

const PREFIX = 'io.modelcontextprotocol/';
const SPOKEN = '2026-07-28';

/**
 * What a server of 2026-07-28 refuses before it looks at what is asked (basic, `_meta` and Error Codes); undefined where
 * all is well. The server behind the bridge knows none of it.
 */
export function brokenRule({ revision }: McpCall, { _meta }: Json): ModernError | undefined {
  if (revision === undefined) return incomplete('protocolVersion');
  if (revision !== SPOKEN) return unsupported(revision);
  const declared = isObject(_meta) ? _meta[`${PREFIX}clientCapabilities`] : undefined;
  return isObject(declared) ? undefined : incomplete('clientCapabilities');
}

function incomplete(key: string): ModernError {
  return { status: 400, error: { code: -32602, message: `params._meta must hold ${PREFIX}${key}` } };
}

function unsupported(requested: string): ModernError {
  const message = `revision ${requested} is not spoken here`;
  return { status: 400, error: { code: -32022, message, data: { supported: [SPOKEN], requested } } };
}
