import type { Asking, AuthToken, KindDeps } from '../contracts.js';
import { signerOf } from './jwtSigner.js';
import { given, type QlikOptions } from './qlikOptions.js';
import { userLookup } from './qlikUser.js';
import { type Client, requestToken, type TokenRequest } from './tokenEndpoint.js';

const IMPERSONATION = 'urn:qlik:oauth:user-impersonation';

/** An access token of the tenant's `/oauth/token`: of the client's own bot user, or of a user that it impersonates. */
export async function qlikToken(
  options: QlikOptions,
  deps: Pick<KindDeps, 'rest' | 'clock'>,
  signal: AbortSignal,
  asking: Asking,
): Promise<AuthToken> {
  const url = new URL('/oauth/token', options.tenant);
  const { auth, scope } = options;
  const impersonates = auth === 'impersonation';
  const request: TokenRequest = {
    url,
    client: clientOf(options, url),
    format: 'json',
    parameters: { grant_type: impersonates ? IMPERSONATION : 'client_credentials', scope },
    ...(impersonates ? { nested: { user_lookup: userLookup(options, asking.caller ?? null) } } : {}),
    words: { url: 'tenant', client: `${proofOf(options)}, and that the client belongs to this tenant` },
    mend: (status, code) => mendOf(options, status, code),
  };
  return requestToken(request, deps, signal);
}

function clientOf(options: QlikOptions, url: URL): Client {
  const id = given(options.clientId);
  const { privateKey, clientSecret } = options;
  if (!privateKey) return { authentication: 'form', id, secret: given(clientSecret) };
  const signer = given(signerOf(privateKey, options.algorithm, options.keyId));
  return { authentication: 'private_key_jwt', id, signer, audience: url.href };
}

function proofOf({ privateKey }: QlikOptions): string {
  return privateKey ? 'clientId, privateKey and keyId' : 'clientId and clientSecret';
}

/** Qlik's refusals are its own, and its statuses say more than their codes. */
function mendOf(options: QlikOptions, status: number, code: string | undefined): string | undefined {
  const impersonates = options.auth === 'impersonation';
  if (code === 'OAUTH-22') return "Check clientSecret: it may have been deleted from the tenant's OAuth client.";
  if (status === 403) {
    const who = impersonates ? 'the user' : "the client's bot user";
    return `In the tenant, check that ${who} is not disabled, and revoke tokens that nobody needs: their number is limited.`;
  }
  if (status !== 400) return undefined;
  return impersonates
    ? 'Check that the user exists in the tenant already, by lookup; that the client is allowed to impersonate users, and trusted; and its scope.'
    : 'Check that the client is a web client which is allowed M2M (client credentials), and trusted; and its scope.';
}
