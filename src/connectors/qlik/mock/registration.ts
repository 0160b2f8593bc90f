import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { type Answer, type Ask, jsonOf } from './ask.js';
import { Refusal } from './refusal.js';
import type { Tenant } from './tenant.js';

const ALLOWED_SCOPES = ['user_default', 'mcp:execute', 'offline_access'];
const UNAPPROVED_LIFE_MS = 60 * 60_000;

const Registration = z.object({
  client_name: z.string().min(1),
  client_uri: z.url(),
  redirect_uris: z.array(z.url()).min(1).max(5),
  token_endpoint_auth_method: z
    .enum(['client_secret_basic', 'client_secret_post', 'none'])
    .default('client_secret_basic'),
  grant_types: z.array(z.enum(['authorization_code', 'refresh_token'])).optional(),
  response_types: z.array(z.literal('code')).optional(),
  scope: z.string().optional(),
});

/** `POST /oauth/register` (RFC 7591): what comes of it serves nobody until an administrator has connected with it. */
export function register(tenant: Tenant, ask: Ask): Answer {
  if (tenant.options.registration === false)
    throw new Refusal(403, 'OAUTH-30', 'Registration is off', 'The tenant takes no registrations.');
  const asked = jsonOf(ask, Registration);
  const isPublic = asked.token_endpoint_auth_method === 'none';
  const possible = isPublic ? ALLOWED_SCOPES.filter((scope) => scope !== 'offline_access') : ALLOWED_SCOPES;
  const scopes = asked.scope?.split(' ').filter((scope) => possible.includes(scope)) ?? possible;
  const id = randomBytes(16).toString('hex');
  const secret = isPublic ? undefined : randomBytes(32).toString('hex');
  tenant.clients.set(id, {
    id,
    ...(secret === undefined ? {} : { secret }),
    grants: ['authorization_code', 'refresh_token'],
    scopes,
    redirectUris: asked.redirect_uris,
    approved: false,
    forgottenAt: tenant.clock.now() + UNAPPROVED_LIFE_MS,
  });
  const issued = Math.floor(tenant.clock.now() / 1000);
  const json = { ...asked, client_id: id, client_id_issued_at: issued, scope: scopes.join(' ') };
  return {
    status: 201,
    json: secret === undefined ? json : { ...json, client_secret: secret, client_secret_expires_at: 0 },
  };
}
