import * as z from 'zod';
import type { Asking, AuthToken, CredentialSource, Kind, KindDeps } from '../contracts.js';
import { origin } from '../core/schema.js';
import { ActorToken, actorFields } from './actorToken.js';
import { presentBearer } from './bearer.js';
import { proofFor, tokenOf } from './callersToken.js';
import { checkProof, clientOf, proofWords } from './clientProof.js';
import { TOKEN_EXCHANGE } from './grants.js';
import { askedFields, clientFields } from './tokenClient.js';
import { requestToken, type TokenRequest } from './tokenEndpoint.js';
import { tokenType } from './tokenTypes.js';

const fields = z.strictObject({
  ...clientFields,
  /** What the caller's token is. */
  subjectTokenType: tokenType().default('urn:ietf:params:oauth:token-type:access_token'),
  /** What is wanted for it; the provider's choice where absent. */
  requestedTokenType: tokenType().optional(),
  /** Who acts for the caller: a client whose own token goes along. */
  actor: actorFields.optional(),
  ...askedFields,
  /** The only origins that may see the token. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof fields>;

const options = fields.superRefine(checkProof);

/** The caller's token, exchanged for one that the server takes (RFC 8693). */
const kind: Kind<CredentialSource, Options> = {
  options,
  create(given, deps) {
    const actor = given.actor && new ActorToken(given.actor, deps);
    return {
      scope: 'caller',
      origins: given.origins,
      renewable: true,
      basis: proofFor(deps.name),
      acquire: (signal, asking) => exchange(given, actor, asking, deps, signal),
      present: presentBearer,
    };
  },
};

export default kind;

const GRANT_WORDS =
  "Check that the provider trusts the issuer of the caller's token, that this token is of subjectTokenType, and that this client may exchange it.";

async function exchange(
  given: Options,
  actor: ActorToken | undefined,
  asking: Asking,
  deps: KindDeps,
  signal: AbortSignal,
): Promise<AuthToken> {
  const subject = tokenOf(asking);
  const acting = await actor?.obtain(signal);
  const { scope, audience, resource, requestedTokenType } = given;
  const request: TokenRequest = {
    url: given.tokenUrl,
    client: clientOf(given, given.tokenUrl),
    format: given.format,
    parameters: {
      ...given.parameters,
      grant_type: TOKEN_EXCHANGE,
      subject_token: subject,
      subject_token_type: given.subjectTokenType,
      requested_token_type: requestedTokenType,
      ...(acting === undefined ? {} : { actor_token: acting, actor_token_type: ACTOR_TOKEN_TYPE }),
      scope,
      audience,
      resource,
    },
    words: { url: 'tokenUrl', client: proofWords(given), grant: GRANT_WORDS },
    secrets: acting === undefined ? [subject] : [subject, acting],
    // Whoever asks for something else than an access token means to show it all the same.
    notAccess: requestedTokenType !== undefined,
  };
  try {
    return await requestToken(request, deps, signal);
  } catch (error) {
    // It may have been the actor's token that was refused.
    actor?.forget();
    throw error;
  }
}

const ACTOR_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
