import type { McpCall } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { hasDuplicateKeys } from '../core/json.js';

/**
 * For whoever decides by what a body says: the server may be one that reads another of two keys than we do, first or last,
 * or whichever case. Message and parameters stand in the two outermost levels, in a batch one further in.
 * @throws GatewayError INVALID_REQUEST
 */
export function assertUnambiguous({ body, kind, unambiguous }: McpCall): void {
  if (unambiguous || body === null || !hasDuplicateKeys(body.toString(), kind === 'batch' ? 3 : 2)) return;
  throw new GatewayError('INVALID_REQUEST', 'the body says something twice, or nests too deep', {
    hint: 'Send each key of an object once.',
  });
}
