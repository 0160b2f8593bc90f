import { Refusal } from './refusal.js';
import type { ClientState } from './tenant.js';

const ALL_SCOPES = ['user_default', 'admin_classic', 'offline_access', 'mcp:execute'];

/** Scopes that were asked for, all of which the client must be able to have. */
export function scopesOf(client: ClientState, asked: unknown, byDefault: readonly string[]): string[] {
  const possible = client.scopes ?? ALL_SCOPES;
  if (asked === undefined || asked === '') return byDefault.filter((scope) => possible.includes(scope));
  const scopes = String(asked).split(' ').filter(Boolean);
  const foreign = scopes.find((scope) => !possible.includes(scope) && !narrower(scope, client));
  if (foreign !== undefined) throw new Refusal(400, 'OAUTH-5', 'Invalid scope', `The client can't have ${foreign}.`);
  return scopes;
}

/** A client without a list of its own can have any scope that Qlik knows; `api-keys` is none for OAuth. */
function narrower(scope: string, client: ClientState): boolean {
  return client.scopes === undefined && /^[a-z][a-z.-]*(?::[a-z_]+)?$/.test(scope) && scope !== 'api-keys';
}

/**
 * Whether a token reaches a resource: `user_default` and `admin_classic` reach everything that the user does; else the
 * resource's own scope, its `:read` for reads, and the `admin.` forms of both.
 */
export function reaches(scopes: readonly string[] | undefined, resource: string, reading: boolean): boolean {
  if (!scopes || scopes.includes('user_default') || scopes.includes('admin_classic')) return true;
  const own = [resource, `admin.${resource}`];
  const wanted = reading ? [...own, ...own.map((scope) => `${scope}:read`)] : own;
  return wanted.some((scope) => scopes.includes(scope));
}
