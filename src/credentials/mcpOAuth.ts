import * as z from 'zod';
import type { Asking, AuthToken, Credential, CredentialDeps, CredentialSource, Kind } from '../contracts.js';
import { httpUrl, origin, secret } from '../core/schema.js';
import { scopeKey } from '../core/scopeKey.js';
import { type Asks, Attempts } from './attempts.js';
import { presentBearer } from './bearer.js';
import type { ClientOptions } from './oauthClient.js';
import { clientWords, type KeptTokens, type OAuthDocument, OAuthMemory } from './oauthDocument.js';
import { Steps } from './steps.js';

const options = z.strictObject({
  /** Registered with the authorization server; without one, a metadata document or a registration of our own serves. */
  clientId: z.string().min(1).optional(),
  clientSecret: secret().optional(),
  /** Where our client metadata document lies (draft-ietf-oauth-client-id-metadata-document). */
  clientMetadataUrl: httpUrl().optional(),
  /** Further members of a registration (RFC 7591 section 2). */
  clientMetadata: z.record(z.string(), z.unknown()).default({}),
  scope: z.string().min(1).optional(),
  /** RFC 8707; the server's own where absent, none where it is empty. */
  resource: z.string().optional(),
  /** Further parameters of the authorization request. */
  authorizeParameters: z.record(z.string(), z.string()).default({}),
  /** Whose the token is: one for everybody, or one for each caller. */
  for: z.enum(['gateway', 'caller']).default('gateway'),
  /** The only origins that may see the token. */
  origins: z.array(origin()).min(1),
});

type Options = z.infer<typeof options>;

/** What is shown to a server that asks for nothing. */
const NO_TOKEN = '';
/** For everything but the person. Milliseconds. */
const MACHINE_MS = 60_000;

/** Any OAuth-protected MCP server, by its URL alone (MCP authorization, 2025-03-26 to 2026-07-28). */
class McpOAuth implements CredentialSource {
  readonly scope: CredentialSource['scope'];
  readonly origins: readonly string[];
  readonly renewable = true;
  readonly perServer = true;
  readonly patienceMs: number;
  readonly #deps: CredentialDeps;
  readonly #options: ClientOptions;
  /** By owner and server: what is under way, though those who asked may have been told to come back. */
  readonly #attempts = new Attempts();
  readonly #steps = new Steps();

  constructor(given: Options, deps: CredentialDeps) {
    this.scope = given.for;
    this.origins = given.origins;
    this.patienceMs = deps.logins.waitMs + MACHINE_MS;
    this.#deps = deps;
    this.#options = {
      clientId: given.clientId,
      clientSecret: given.clientSecret?.reveal(),
      clientMetadataUrl: given.clientMetadataUrl?.href,
      metadata: given.clientMetadata,
      scope: given.scope,
      resource: given.resource,
      authorizeParameters: given.authorizeParameters,
    };
  }

  present(token: AuthToken): Credential {
    return token.value === NO_TOKEN ? { headers: [], token } : presentBearer(token);
  }

  /** A server that never refused us needs no token: the first answer to one that isn't known is none. */
  acquire(_signal: AbortSignal, asking: Asking): Promise<AuthToken> {
    const key = scopeKey(asking.owner, asking.url.origin + asking.url.pathname);
    return this.#attempts.join(key, this.#deps, (asks) => this.#begin(key, asking, asks));
  }

  async #begin(key: string, asking: Asking, asks: Asks): Promise<AuthToken> {
    const client = clientWords(this.#options);
    const memory = new OAuthMemory(this.#deps.vault, asking.owner, this.#deps.name, asking.url, client);
    const known = this.#known(await memory.read(), asking);
    if (known) return known;
    return memory.alone(new AbortController().signal, () => this.#obtain(key, asking, memory, asks));
  }

  /** What nobody has to be asked for. */
  #known({ tokens }: OAuthDocument, asking: Asking): AuthToken | undefined {
    const now = this.#deps.clock.now();
    if (tokens) return isGood(tokens, asking, now) ? toToken(tokens) : undefined;
    return asking.refused ? undefined : { value: NO_TOKEN, obtainedAt: now, expiresAt: Number.POSITIVE_INFINITY };
  }

  async #obtain(key: string, asking: Asking, memory: OAuthMemory, asks: Asks): Promise<AuthToken> {
    const document = await memory.read();
    const known = this.#known(document, asking);
    if (known) return known;
    if (asking.refused) this.#steps.take(key, this.#deps.clock.now());
    const { walk } = await import('./oauthWalk.js');
    const { server, options } = { server: asking.url, options: this.#options };
    const challenge = asking.refused?.challenge;
    return toToken(await walk({ server, options, challenge, memory, document, deps: this.#deps, asks }));
  }
}

/** Another process may have renewed what this one was refused with. */
function isGood(tokens: KeptTokens, { refused }: Asking, now: number): boolean {
  if (refused && (refused.token.value === tokens.access_token || refused.token.value === NO_TOKEN)) {
    return refused.token.value === NO_TOKEN && now < (tokens.expiresAt ?? Number.POSITIVE_INFINITY);
  }
  return now < (tokens.expiresAt ?? Number.POSITIVE_INFINITY);
}

function toToken(tokens: KeptTokens): AuthToken {
  const { access_token: value, obtainedAt, expiresAt = Number.POSITIVE_INFINITY } = tokens;
  return { value, obtainedAt, expiresAt };
}

const kind: Kind<CredentialSource, Options, CredentialDeps> = {
  options,
  create: (given, deps) => new McpOAuth(given, deps),
};

export default kind;
