import { discoverOAuthServerInfo, selectClientAuthMethod } from '@modelcontextprotocol/client';
import type { OAuthDocument } from './oauthDocument.js';

export interface Revocation {
  readonly server: URL;
  readonly document: OAuthDocument;
  /** As the operator wrote it; else the client that registered itself. */
  readonly client: { readonly clientId: string | undefined; readonly clientSecret: string | undefined };
  /** The only authorization server that the client is for. */
  readonly issuer: string | undefined;
  readonly fetchFn: typeof fetch;
}

type Known = { readonly client_id: string; readonly client_secret?: string; readonly issuer?: string };

/**
 * Ends what the tokens allow, where the authorization server takes that (RFC 7009). False where it has no place for it.
 * Rejects where it refuses, can't be reached, or isn't the one that gave them.
 */
export async function revoke({ server, document, client, issuer, fetchFn }: Revocation): Promise<boolean> {
  const { tokens, resourceMetadataUrl } = document;
  const known = clientOf(document, client);
  if (!tokens || !known) return false;
  const found = await discoverOAuthServerInfo(server, {
    fetchFn,
    ...(resourceMetadataUrl === undefined ? {} : { resourceMetadataUrl: new URL(resourceMetadataUrl) }),
  });
  const metadata = found.authorizationServerMetadata as
    | (Record<string, unknown> & { issuer: string; revocation_endpoint?: string })
    | undefined;
  const endpoint = metadata?.revocation_endpoint;
  if (!metadata || endpoint === undefined) return false;
  const ours = [issuer, tokens.issuer, known.issuer].filter((each) => each !== undefined);
  if (ours.some((each) => each !== metadata.issuer)) {
    throw new Error('the server names another authorization server now');
  }
  const { refresh_token: refresh, access_token: access } = tokens;
  const form = new URLSearchParams(
    refresh === undefined
      ? { token: access, token_type_hint: 'access_token' }
      : { token: refresh, token_type_hint: 'refresh_token' },
  );
  const headers = prove(known, methodsOf(metadata), form);
  const { status } = await fetchFn(endpoint, { method: 'POST', headers, body: form });
  if (status !== 200) throw new Error(`the authorization server answered ${status}`);
  return true;
}

function clientOf(document: OAuthDocument, { clientId, clientSecret }: Revocation['client']): Known | undefined {
  if (clientId === undefined) return document.client?.information as Known | undefined;
  return { client_id: clientId, ...(clientSecret === undefined ? {} : { client_secret: clientSecret }) };
}

/** RFC 8414: without a word of its own, as at the token endpoint. */
function methodsOf(metadata: Readonly<Record<string, unknown>>): string[] {
  const said =
    metadata.revocation_endpoint_auth_methods_supported ?? metadata.token_endpoint_auth_methods_supported ?? [];
  return Array.isArray(said) ? said.filter((method) => typeof method === 'string') : [];
}

/** RFC 6749 section 2.3.1. */
function prove(client: Known, methods: string[], form: URLSearchParams): Record<string, string> {
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  const { client_id: id, client_secret: secret } = client;
  if (secret !== undefined && selectClientAuthMethod(client, methods) === 'client_secret_basic') {
    const pair = [id, secret].map((part) => new URLSearchParams({ part }).toString().slice('part='.length)).join(':');
    return { ...type, authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
  }
  form.set('client_id', id);
  if (secret !== undefined) form.set('client_secret', secret);
  return type;
}
