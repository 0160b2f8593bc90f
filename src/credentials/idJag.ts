import * as z from 'zod';
import type { Asking, KindDeps } from '../contracts.js';
import { tokenOf } from './callersToken.js';
import { checkProof, clientOf, proofWords } from './clientProof.js';
import { TOKEN_EXCHANGE } from './grants.js';
import { clientFields } from './tokenClient.js';
import { requestToken } from './tokenEndpoint.js';
import { ID_JAG, tokenType } from './tokenTypes.js';

/** Where an assertion for the server's authorization server is had: at the callers' own identity provider. */
export const identityFields = z
  .strictObject({
    ...clientFields,
    /** The issuer of the server's authorization server. */
    audience: z.string().min(1),
    /** The MCP server; the URL that is called where absent. */
    resource: z.string().min(1).optional(),
    scope: z.string().min(1).optional(),
    /** What the caller's token is. */
    subjectTokenType: tokenType().default('urn:ietf:params:oauth:token-type:id_token'),
    /** Further parameters that the provider asks for. */
    parameters: z.record(z.string(), z.string()).default({}),
  })
  .superRefine(checkProof);

const GRANT_WORDS =
  "Check that the caller's token is one that identityProvider issued, of its subjectTokenType, and that a policy there lets this client go on.";

/**
 * The caller's token, exchanged for an identity assertion (draft-ietf-oauth-identity-assertion-authz-grant section 4.3;
 * MCP's enterprise-managed authorization, SEP-990).
 */
export async function requestIdJag(
  given: z.infer<typeof identityFields>,
  asking: Asking,
  deps: KindDeps,
  signal: AbortSignal,
): Promise<string> {
  const subject = tokenOf(asking);
  const { audience, scope, resource = asking.url.origin + asking.url.pathname } = given;
  const { value } = await requestToken(
    {
      url: given.tokenUrl,
      client: clientOf(given, given.tokenUrl),
      format: given.format,
      parameters: {
        ...given.parameters,
        grant_type: TOKEN_EXCHANGE,
        requested_token_type: ID_JAG,
        subject_token: subject,
        subject_token_type: given.subjectTokenType,
        audience,
        resource,
        scope,
      },
      words: {
        url: 'identityProvider.tokenUrl',
        client: `identityProvider: ${proofWords(given)}`,
        grant: GRANT_WORDS,
      },
      secrets: [subject],
      notAccess: true,
      issues: ID_JAG,
    },
    deps,
    signal,
  );
  return value;
}
