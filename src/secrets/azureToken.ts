import * as z from 'zod';
import type { RestRequest, SecretDeps } from '../contracts.js';
import { httpUrl, secret } from '../core/schema.js';
import { asCode, ask, asSeconds, asText } from './ask.js';
import type { Proof } from './heldProof.js';
import { readPlatformFile, refreshMs } from './options.js';
import { SecretError } from './secretError.js';

/** The vault, and who asks. */
export const azureOptions = z.strictObject({
  /** Of the vault. */
  url: httpUrl(),
  /** `AZURE_TENANT_ID` where absent. */
  tenantId: z
    .string()
    .regex(/^[\w.-]+$/, 'must be the id or domain of a tenant')
    .optional(),
  /** `AZURE_CLIENT_ID` where absent. */
  clientId: z.string().min(1).optional(),
  /** `AZURE_CLIENT_SECRET` where absent. */
  clientSecret: secret().optional(),
  /** Who issues tokens; other clouds have others. */
  authority: httpUrl().optional(),
  /** What tokens are for; other clouds have others. */
  resource: z.string().min(1).default('https://vault.azure.net'),
  refreshMs: refreshMs(),
});

export type AzureOptions = z.infer<typeof azureOptions>;

type Got = Promise<Proof<string>>;

/**
 * A token by a client secret, workload identity (a federated token in a file), or a managed identity: that of App Service
 * where its variables say so, else that of the machine. Rejects with a SecretError.
 */
export async function fetchAzureToken(given: AzureOptions, deps: SecretDeps, signal: AbortSignal): Got {
  const { env } = deps;
  const secret = given.clientSecret?.reveal() ?? env.AZURE_CLIENT_SECRET;
  const file = env.AZURE_FEDERATED_TOKEN_FILE;
  if (secret) return byClient(given, { client_secret: secret }, deps, signal);
  if (!file) return byManagedIdentity(given, deps, signal);
  const assertion = await readPlatformFile(
    file,
    'AZURE_FEDERATED_TOKEN_FILE names it: does the pod use workload identity?',
  );
  const proof = {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  };
  return byClient(given, proof, deps, signal);
}

/** RFC 6749 section 4.4, as Entra ID has it. */
function byClient(
  given: AzureOptions,
  proof: Readonly<Record<string, string>>,
  deps: SecretDeps,
  signal: AbortSignal,
): Got {
  const { env } = deps;
  const tenant = given.tenantId || env.AZURE_TENANT_ID;
  const client = given.clientId || env.AZURE_CLIENT_ID;
  if (!tenant || !client) {
    throw new SecretError(
      'the tenant or the client is not known',
      'Set tenantId and clientId, or AZURE_TENANT_ID and AZURE_CLIENT_ID.',
    );
  }
  const authority = given.authority?.href || env.AZURE_AUTHORITY_HOST || 'https://login.microsoftonline.com';
  const url = `${authority.replace(/\/$/, '')}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`;
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: client,
    scope: `${given.resource}/.default`,
    ...proof,
  }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const mend = 'Check tenantId, clientId and what proves it: a secret may have ended.';
  return tokenOf({ method: 'POST', url, headers, body, signal }, 'Entra ID', mend, deps);
}

function byManagedIdentity(given: AzureOptions, deps: SecretDeps, signal: AbortSignal): Got {
  const { IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: header, AZURE_POD_IDENTITY_AUTHORITY_HOST: host } = deps.env;
  const client = given.clientId || deps.env.AZURE_CLIENT_ID;
  const ofService = endpoint && header;
  const base = ofService
    ? endpoint
    : `${(host || 'http://169.254.169.254').replace(/\/$/, '')}/metadata/identity/oauth2/token`;
  const query = new URLSearchParams({
    'api-version': ofService ? '2019-08-01' : '2018-02-01',
    resource: given.resource,
    ...(client ? { client_id: client } : {}),
  });
  const headers: Record<string, string> = ofService ? { 'x-identity-header': header } : { metadata: 'true' };
  const mend =
    'Set clientId and clientSecret, or give this machine a managed identity (clientId names one of several).';
  return tokenOf({ method: 'GET', url: `${base}?${query}`, headers, signal }, 'the managed identity', mend, deps);
}

async function tokenOf(request: RestRequest, who: string, mend: string, deps: SecretDeps): Got {
  const { status, json } = await ask(request, who, deps);
  const value = asText(json.access_token);
  if (status === 200 && value !== undefined) return { value, lifeMs: (asSeconds(json.expires_in) ?? 300) * 1000 };
  throw new SecretError(`${who} gave no token (${status}, ${asCode(json.error) ?? 'no code'})`, mend);
}
