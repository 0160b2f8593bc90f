import type { IncomingMessage } from 'node:http';

/**
 * Brings a target in absolute form to origin form. A server must take it, and its authority then stands for `Host`
 * (RFC 9112 section 3.2.2), so that is what every later check sees.
 */
export function toOriginForm(request: IncomingMessage): void {
  if (request.url?.startsWith('/')) return;
  const absolute = /^https?:\/\/([^/?#]*)([^#]*)/i.exec(request.url ?? '');
  if (!absolute) return;
  const [, authority = '', rest = ''] = absolute;
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
  request.headers.host = authority;
  const lines = request.rawHeaders;
  for (let i = 0; i < lines.length; i += 2) if (lines[i]?.toLowerCase() === 'host') lines[i + 1] = authority;
}
