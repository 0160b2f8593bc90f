import type { IncomingMessage, ServerResponse } from 'node:http';
import { bearerOf } from './callerOf.js';
import type { Tenant } from './tenant.js';

export const MCP_PATH = '/api/ai/mcp';
const METADATA_PATH = '/.well-known/oauth-protected-resource';

/**
 * Where Qlik's own MCP server stands: it takes OAuth tokens of scope `mcp:execute` and neither API keys nor cookies. What it
 * answers is the test's own affair. False: the request is for something else.
 */
export function serveMcp(tenant: Tenant, request: IncomingMessage, response: ServerResponse): boolean {
  const { mcp } = tenant.options;
  const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s);
  if (!mcp || (path !== MCP_PATH && !path.startsWith(METADATA_PATH))) return false;
  const bearer = bearerOf(request.headers);
  const grant = tenant.tokens.grantOf(bearer ?? '', tenant.clock.now());
  const user = grant && tenant.row('users', grant.userId);
  const who = user && String(user.subject);
  const status = path === MCP_PATH ? statusFor(grant?.scopes) : 200;
  const shown = bearer === undefined ? {} : { bearer };
  tenant.ledger.add({ kind: 'mcp', who, method: request.method ?? '', path, query, status, ...shown });
  if (path !== MCP_PATH) answer(response, 200, metadata(tenant));
  else if (status === 200) mcp(request, response, who ?? '');
  else refuse(tenant, response, status);
  return true;
}

function statusFor(scopes: readonly string[] | undefined): number {
  if (!scopes) return 401;
  return scopes.includes('mcp:execute') ? 200 : 403;
}

/** RFC 9728. */
function metadata({ origin }: Tenant): object {
  const scopes = { scopes_supported: ['user_default', 'mcp:execute'], bearer_methods_supported: ['header'] };
  return { resource: origin + MCP_PATH, authorization_servers: [origin], ...scopes };
}

function refuse({ origin }: Tenant, response: ServerResponse, status: number): void {
  const error = status === 403 ? 'error="insufficient_scope", scope="user_default mcp:execute", ' : '';
  response.setHeader('www-authenticate', `Bearer ${error}resource_metadata="${origin}${METADATA_PATH}${MCP_PATH}"`);
  const title = status === 403 ? 'Forbidden' : 'Unauthorized';
  answer(response, status, { errors: [{ code: `HTTP-${status}`, title, status: String(status) }] });
}

function answer(response: ServerResponse, status: number, json: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
}
