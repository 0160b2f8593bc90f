import * as z from 'zod';
import type { Asking, AuthToken, Credential, CredentialDeps, CredentialSource, Kind } from '../contracts.js';
import { httpUrl, origin, secret } from '../core/schema.js';
import { scopeKey } from '../core/scopeKey.js';
import { AskedLogin } from './askedLogin.js';
import { atOnce, inTurn } from './askingTurns.js';
import { type Attempt, Attempts } from './attempts.js';
import { issuer } from './authorizationServer.js';
import { presentBearer } from './bearer.js';
import type { ClientOptions } from './oauthClient.js';
import { clientWords, type KeptTokens, type OAuthDocument, OAuthMemory } from './oauthDocument.js';
import type { Sent } from './oauthWalk.js';
import { SharedClient } from './sharedClient.js';
import { Steps } from './steps.js';
import { whose } from './whose.js';

const options = z.strictObject({
  /** Registered with the authorization server; without one, a metadata document or a registration of our own serves. */
  clientId: z.string().min(1).optional(),
  clientSecret: secret().optional(),
  /** The only authorization server that may be used; absent, a client with a secret keeps to the first one. */
  issuer: issuer().optional(),
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
  for: whose,
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
      issuer: given.issuer,
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
  async acquire(_signal: AbortSignal, asking: Asking): Promise<AuthToken> {
    const { url } = asking;
    const place = url.origin + url.pathname;
    const client = clientWords(this.#options);
    const memory = new OAuthMemory(this.#deps.vault, asking.owner, this.#deps.name, url, client);
    const work = { key: scopeKey(asking.owner, place), place, asking, memory };
    const document = await memory.read();
    const known = this.#known(document, asking);
    // Before an attempt that waits for a person is joined: another process may have what they were asked for.
    if (known && document.tokens) return known;
    return this.#attempts.join(work.key, this.#deps, async (attempt) => known ?? this.#inTurn(work, attempt));
  }

  /** Who means to log in queues behind nobody; no other does anything that another process is at. */
  #inTurn(work: Work, attempt: Attempt): Promise<AuthToken> {
    const { clock, logins, name } = this.#deps;
    const asked = new AskedLogin(this.#deps, work.asking.owner, 'mcp-oauth', name, work.place);
    const wait = logins.present ? atOnce : inTurn;
    return wait({ attempt, asked, clock, logins }, async (asks, quiet) => {
      const begun = await work.memory.alone(NEVER, () => this.#begin(work, quiet));
      if ('token' in begun) return begun.token;
      // What is kept is anybody's to change while a person is away: a logout doesn't wait for them.
      asks(begun.login);
      const brought = await begun.login.done;
      return toToken(await work.memory.alone(NEVER, () => begun.finish(brought)));
    });
  }

  /** What nobody has to be asked for. */
  #known({ tokens }: OAuthDocument, asking: Asking): AuthToken | undefined {
    const now = this.#deps.clock.now();
    if (tokens) return isGood(tokens, asking, now) ? toToken(tokens) : undefined;
    return asking.refused ? undefined : { value: NO_TOKEN, obtainedAt: now, expiresAt: Number.POSITIVE_INFINITY };
  }

  /** As far as it goes without anybody. */
  async #begin({ key, asking, memory }: Work, quiet: boolean): Promise<{ readonly token: AuthToken } | Sent> {
    const { owner, url: server, refused } = asking;
    const document = await memory.read();
    const known = this.#known(document, asking);
    if (known) return { token: known };
    if (refused) this.#steps.take(key, this.#deps.clock.now(), servedSince(refused.token));
    const { walk } = await import('./oauthWalk.js');
    const purpose = { owner, server, credential: this.#deps.name, quiet };
    const shared = owner ? new SharedClient(this.#deps, server, clientWords(this.#options)) : undefined;
    const wanted = { server, options: this.#options, challenge: refused?.challenge, memory, document, shared, purpose };
    const ended = await walk({ ...wanted, deps: this.#deps });
    return 'tokens' in ended ? { token: toToken(ended.tokens) } : ended;
  }
}

/** Whose tokens are wanted, for which server, and where they are kept. */
interface Work {
  readonly key: string;
  readonly place: string;
  readonly asking: Asking;
  readonly memory: OAuthMemory;
}

/** An attempt goes on when its caller leaves. */
const NEVER = new AbortController().signal;

/** No token at all has served nobody. */
function servedSince({ value, obtainedAt }: AuthToken): number | undefined {
  return value === NO_TOKEN ? undefined : obtainedAt;
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
