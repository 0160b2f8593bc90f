import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Machine } from './locate.js';
import type { OAuthFlags } from './loginFlags.js';

/** Where mcp-remote keeps its logins. */
export function mcpRemoteFolder({ env, home }: Machine): string {
  return env.MCP_REMOTE_CONFIG_DIR || path.join(home, '.mcp-auth');
}

/**
 * The name that mcp-remote gives what belongs to a server: the MD5 of its URL as it was typed, and of what else was said
 * about it. `headers`: the lines of `--header`, their references not resolved.
 */
export function mcpRemoteHash(url: string, oauth: OAuthFlags, headers: readonly string[]): string {
  const { resource, authorizeParameters = {}, clientMetadataUrl } = oauth;
  const sent = headers.flatMap((line) => {
    const [, name, value] = /^([A-Za-z0-9_-]+):\s*(.*)$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value] as const];
  });
  const parts = [
    url,
    resource,
    sortedJson(Object.entries(authorizeParameters)),
    sortedJson(sent),
    clientMetadataUrl,
  ].filter(Boolean);
  return createHash('md5').update(parts.join('|')).digest('hex');
}

/** Where it listens for that server unless told otherwise. */
export function mcpRemotePort(hash: string): number {
  return 3335 + (Number.parseInt(hash.slice(0, 4), 16) % 45_816);
}

function sortedJson(entries: ReadonlyArray<readonly [string, string]>): string | undefined {
  if (entries.length === 0) return undefined;
  return JSON.stringify(Object.fromEntries([...entries].sort(([one], [other]) => (one < other ? -1 : 1))));
}
