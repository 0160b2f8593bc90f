import * as z from 'zod';
import type { Asking, AuthToken, CredentialSource, Kind, KindDeps } from '../contracts.js';
import { origin } from '../core/schema.js';
import { presentBearer } from './bearer.js';
import { AssertionMaker, assertionFields } from './callerAssertion.js';
import { proofFor, tokenOf } from './callersToken.js';
import { checkProof, clientOf, proofWords } from './clientProof.js';
import { CALLERS_TOKEN, JWT_BEARER } from './grants.js';
import { identityFields, requestIdJag } from './idJag.js';
import { askedFields, clientFields } from './tokenClient.js';
import { requestToken } from './tokenEndpoint.js';

const fields = z.strictObject({
  ...clientFields,
  /** The assertion is one that is signed here; the caller's own token where absent. */
  sign: assertionFields.optional(),
  /** The assertion is one that the callers' identity provider issues for the server's authorization server. */
  identityProvider: identityFields.optional(),
  ...askedFields,
  /** The only origins that may see the token. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof fields>;

const options = fields.superRefine((given, context) => {
  checkProof(given, context);
  if (given.sign && given.identityProvider)
    context.addIssue({ code: 'custom', message: 'write either sign or identityProvider' });
});

/** A token for an assertion about the caller (RFC 7523 section 2.1): principal propagation, as SAP's XSUAA has it. */
const kind: Kind<CredentialSource, Options> = {
  options,
  create(given, deps) {
    const { assert, basis, words, perServer } = assertionOf(given, deps);
    return {
      scope: 'caller',
      origins: given.origins,
      renewable: true,
      ...(perServer ? { perServer } : {}),
      basis,
      acquire: async (signal, asking) => redeem(given, await assert(asking, signal), words, deps, signal),
      present: presentBearer,
    };
  },
};

export default kind;

interface Assertion {
  assert(asking: Asking, signal: AbortSignal): string | Promise<string>;
  readonly basis: NonNullable<CredentialSource['basis']>;
  /** What mends it where the assertion is refused. */
  readonly words: string;
  readonly perServer?: true;
}

function assertionOf({ sign, identityProvider, tokenUrl }: Options, deps: KindDeps): Assertion {
  if (sign) {
    const maker = new AssertionMaker(sign, tokenUrl.href, deps);
    const words = 'Check what sign says against what the authorization server expects, and that it knows the subject.';
    return { assert: (asking) => maker.make(asking), basis: (caller) => maker.basis(caller), words };
  }
  const basis = proofFor(deps.name);
  if (!identityProvider) return { assert: tokenOf, basis, words: CALLERS_TOKEN };
  const { resource } = identityProvider;
  return {
    assert: (asking, signal) => requestIdJag(identityProvider, asking, deps, signal),
    basis,
    words: ID_JAG_WORDS,
    ...(resource === undefined ? { perServer: true } : {}),
  };
}

const ID_JAG_WORDS =
  'Check that the authorization server trusts the identity provider, and that its issuer is identityProvider.audience.';

function redeem(
  given: Options,
  assertion: string,
  grant: string,
  deps: KindDeps,
  signal: AbortSignal,
): Promise<AuthToken> {
  const { scope, audience, resource } = given;
  return requestToken(
    {
      url: given.tokenUrl,
      client: clientOf(given, given.tokenUrl),
      format: given.format,
      parameters: { ...given.parameters, grant_type: JWT_BEARER, assertion, scope, audience, resource },
      words: { url: 'tokenUrl', client: proofWords(given), grant },
      secrets: [assertion],
    },
    deps,
    signal,
  );
}
