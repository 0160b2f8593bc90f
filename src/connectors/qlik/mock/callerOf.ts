import type { IncomingMessage } from 'node:http';
import type { Caller } from './ask.js';
import type { Row, Tenant } from './tenant.js';

/** Who a request's headers prove: by an access token, an API key or a session's cookie. */
export function callerOf(tenant: Tenant, headers: IncomingMessage['headers']): Caller | undefined {
  const bearer = bearerOf(headers);
  if (bearer !== undefined) return byToken(tenant, bearer) ?? byKey(tenant, bearer);
  const session = tenant.tokens.sessionOf(headers.cookie);
  const user = session && tenant.row('users', session.userId);
  return session && user && active(tenant, user, { scopes: undefined, csrf: session.csrf });
}

export function bearerOf(headers: IncomingMessage['headers']): string | undefined {
  return /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];
}

function byToken(tenant: Tenant, token: string): Caller | undefined {
  const grant = tenant.tokens.grantOf(token, tenant.clock.now());
  const user = grant && tenant.row('users', grant.userId);
  const { scopes, clientId } = grant ?? {};
  return user && active(tenant, user, { scopes, ...(clientId === undefined ? {} : { clientId }) });
}

function byKey(tenant: Tenant, key: string): Caller | undefined {
  const keys = tenant.options.apiKeys ?? {};
  const made = [...tenant.rows('api-keys').values()].find((row) => row.secret === key && row.status === 'active');
  const owner = Object.hasOwn(keys, key) ? keys[key] : (made?.sub as string | undefined);
  const user = owner === undefined ? undefined : tenant.row('users', owner);
  return user && active(tenant, user, { scopes: undefined });
}

function active(tenant: Tenant, user: Row, more: Pick<Caller, 'scopes' | 'csrf' | 'clientId'>): Caller | undefined {
  if (user.status !== 'active') return undefined;
  return { userId: user.id, subject: String(user.subject), roles: tenant.rolesOf(user), ...more };
}
