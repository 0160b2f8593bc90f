import { GatewayError } from '../core/errors.js';
import { hasDuplicateKeys } from '../core/json.js';
import { memberOf, withMembers } from '../wire/jsonText.js';

/**
 * A JSON text in which the text at `path` is another one; every other value stays as it is written, numbers past 2^53 among
 * them. `text` must be an object in JSON.
 * @throws GatewayError INVALID_REQUEST where a key on the way is said twice: the member may read the other one
 */
export function withText(text: string, path: readonly string[], value: string): string {
  if (hasDuplicateKeys(text, path.length)) {
    throw new GatewayError('INVALID_REQUEST', 'the body says something twice, or nests too deep', {
      hint: 'Send each key of an object once.',
    });
  }
  return replaced(text, path, JSON.stringify(value));
}

function replaced(text: string, [key = '', ...rest]: readonly string[], written: string): string {
  const inner = rest.length === 0 ? written : replaced(memberOf(text, key) ?? '{}', rest, written);
  return withMembers(text, new Map([[key, inner]]));
}
