import type { Inbound, Reply } from '../contracts.js';
import { without } from '../wire/headers.js';

/** What a browser's MCP client must be able to send … */
const REQUEST_HEADERS = new Set([
  'accept',
  'authorization',
  'content-type',
  'last-event-id',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
  'traceparent',
  'tracestate',
  'x-api-key',
  'x-btp-destination',
  'x-mcp-destination',
  'x-mcp-url',
  'x-sap-destination',
  'x-target-url',
]);
/** … and to read. */
const EXPOSED =
  'mcp-session-id, mcp-protocol-version, www-authenticate, retry-after, ratelimit, ratelimit-policy, x-request-id';
const OWN_HEADERS = new Set([
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-expose-headers',
  'access-control-allow-headers',
  'access-control-allow-methods',
]);

/** True for the question that a browser asks before the real request (Fetch, CORS-preflight). It carries no identity. */
export function isPreflight(request: Inbound): boolean {
  return request.method === 'OPTIONS' && request.header('access-control-request-method') !== undefined;
}

/** The answer to a preflight of an allowed origin. `Mcp-Param-*` and `X-Drawbridge-*` are open-ended, so they are matched by prefix. */
export function preflightReply(request: Inbound): Reply {
  const asked = (request.header('access-control-request-headers') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase());
  const allowed = asked.filter(
    (name) => REQUEST_HEADERS.has(name) || /^(?:mcp-param|x-drawbridge)-[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name),
  );
  const headers = [
    'access-control-allow-methods',
    'GET, POST, DELETE',
    'access-control-allow-headers',
    allowed.join(', '),
    'access-control-max-age',
    '600',
  ];
  return { status: 204, headers, body: null, origin: 'gateway' };
}

/** The reply with our own CORS lines in place of the upstream's, which speak of another origin. */
export function withCors(reply: Reply, origin: string): Reply {
  const kept = reply.origin === 'gateway' ? [...reply.headers] : without(reply.headers, OWN_HEADERS);
  kept.push('access-control-allow-origin', origin, 'access-control-expose-headers', EXPOSED, 'vary', 'Origin');
  return { ...reply, headers: kept };
}
