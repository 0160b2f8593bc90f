import type { HeaderLines } from '../contracts.js';

/** Headers whose values no log shows; whatever a credential presents is added by the caller. */
const SECRET_HEADERS = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'dpop',
  'x-api-key',
  'x-sap-jwt-token',
  'x-sap-refresh-token',
  'x-sap-password',
  'x-sap-uaa-client-secret',
]);

/** Headers as a log may show them: secret ones keep their name and lose their value. `more` holds lower-case names. */
export function sanitizeHeaders(lines: HeaderLines, more: ReadonlySet<string> = new Set()): Record<string, string> {
  const shown: Record<string, string> = Object.create(null);
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase();
    const value = SECRET_HEADERS.has(name) || more.has(name) ? '[redacted]' : (lines[i + 1] as string);
    shown[name] = name in shown ? `${shown[name]}, ${value}` : value;
  }
  return shown;
}
