import type { HeaderLines } from '../contracts.js';

/**
 * The headers whose values a log may show. All others are named without their values: what carries a secret is for
 * operators and upstreams to say (`authorization`, `cookie`, `x-api-key`, `x-sap-password`, and whatever header a
 * credential presents itself in), so a list of those could only be incomplete.
 */
const SHOWN = new Set([
  'accept',
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'host',
  'last-event-id',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'origin',
  'traceparent',
  'transfer-encoding',
  'user-agent',
  'x-btp-destination',
  'x-mcp-destination',
  'x-sap-destination',
]);

/** Headers as a log may show them, by lower-case name. */
export function sanitizeHeaders(lines: HeaderLines): Record<string, string> {
  const shown: Record<string, string> = Object.create(null);
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase();
    const value = SHOWN.has(name) ? (lines[i + 1] as string) : '[redacted]';
    shown[name] = name in shown ? `${shown[name]}, ${value}` : value;
  }
  return shown;
}
