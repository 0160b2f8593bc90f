import type { Answer, Ask } from './ask.js';
import { AuthorizeEndpoint } from './authorizeEndpoint.js';
import { JwtSession } from './jwtSession.js';
import { Refusal } from './refusal.js';
import { register } from './registration.js';
import type { Tenant } from './tenant.js';
import { TokenEndpoint } from './tokenEndpoint.js';

export interface LoginRoutes {
  readonly endpoint: TokenEndpoint;
  /** Undefined where the path is none of a login. */
  serve(ask: Ask): Promise<Answer> | Answer | undefined;
}

/** What sits at the tenant's root, outside the API: tokens, logins, and what says where they are. */
export function loginRoutes(tenant: Tenant): LoginRoutes {
  const authorize = new AuthorizeEndpoint(tenant);
  const endpoint = new TokenEndpoint(tenant, authorize);
  const sessions = new JwtSession(tenant);
  const routes = new Map<string, (ask: Ask) => Promise<Answer> | Answer>([
    ['POST /oauth/token', (ask) => endpoint.token(ask)],
    ['POST /oauth/revoke', (ask) => endpoint.revoke(ask)],
    ['GET /oauth/authorize', (ask) => authorize.authorize(ask)],
    ['POST /oauth/register', (ask) => register(tenant, ask)],
    ['POST /login/jwt-session', (ask) => sessions.open(ask)],
    ['GET /api/v1/csrf-token', (ask) => sessions.csrf(ask)],
    ['GET /.well-known/jwks.json', () => ({ status: 200, json: { keys: [tenant.tokens.key] } })],
    ['GET /.well-known/oauth-authorization-server', () => ({ status: 200, json: metadata(tenant) })],
  ]);
  const paths = new Set([...routes.keys()].map((route) => route.split(' ')[1]));
  return {
    endpoint,
    serve: (ask) => {
      if (!paths.has(ask.path)) return undefined;
      const route = routes.get(`${ask.method} ${ask.path}`);
      if (!route) throw new Refusal(405, 'HTTP-405', 'Method not allowed');
      return route(ask);
    },
  };
}

function metadata({ origin, options }: Tenant): object {
  return {
    issuer: origin,
    authorization_endpoint: `${origin}/oauth/authorize`,
    token_endpoint: `${origin}/oauth/token`,
    revocation_endpoint: `${origin}/oauth/revoke`,
    jwks_uri: `${origin}/.well-known/jwks.json`,
    ...(options.registration === false ? {} : { registration_endpoint: `${origin}/oauth/register` }),
    response_types_supported: ['code'],
    grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic', 'private_key_jwt', 'none'],
    scopes_supported: ['user_default', 'mcp:execute', 'offline_access'],
  };
}
