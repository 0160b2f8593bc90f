import type { ToolContext } from '../../contracts/tools.js';
import type { HeaderLines } from '../../contracts.js';
import { GatewayError } from '../../core/errors.js';

/** Begins spans, where calls are traced. */
export type Span = ToolContext['span'];

/** What an answer says of its call: the HTTP status, where it has one. */
type StatusOf<Value> = (answer: Value) => number;

/**
 * Makes a call of the tenant, with a span from its beginning to its end where calls are traced. `lines`: what the tenant is
 * told of the trace. Settles as the call does.
 */
export async function spanned<Value>(
  span: Span,
  name: string,
  call: (lines: HeaderLines) => Promise<Value>,
  statusOf?: StatusOf<Value>,
): Promise<Value> {
  if (!span) return call([]);
  const under = span(name);
  try {
    const answer = await call(under.lines);
    const status = statusOf?.(answer);
    const isBad = status !== undefined && status >= 400;
    under.end({ 'http.response.status_code': status }, isBad ? String(status) : undefined);
    return answer;
  } catch (error) {
    under.end({}, error instanceof GatewayError ? error.code : 'failed');
    throw error;
  }
}
