import * as z from 'zod';
import type { Asking, AuthToken, Credential, CredentialDeps, CredentialSource, Kind, Login } from '../contracts.js';
import { CredentialError, GatewayError, LoginRequired } from '../core/errors.js';
import { httpUrl, origin, secret } from '../core/schema.js';
import { scopeKey } from '../core/scopeKey.js';
import { LockHeld } from '../stores/fileLock.js';
import { AskedLogin } from './askedLogin.js';
import { presentBearer } from './bearer.js';
import { LoginAttempt, type Where } from './loginAttempt.js';
import type { ClientOptions } from './oauthClient.js';
import { clientWords, type KeptTokens, type OAuthDocument, OAuthMemory } from './oauthDocument.js';

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
/** Between two looks at whom another process asks. */
const LOOK_MS = 200;

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
  readonly #attempts = new Map<string, LoginAttempt>();
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
    const attempt = this.#attempts.get(key) ?? this.#begin(key, asking);
    return attempt.tokenOrLogin(this.#deps.clock);
  }

  /** Goes on when its caller leaves: a person who is logging in shall not do so in vain. */
  #begin(key: string, asking: Asking): LoginAttempt {
    const client = clientWords(this.#options);
    const memory = new OAuthMemory(this.#deps.vault, asking.owner, this.#deps.name, asking.url, client);
    const attempt = new LoginAttempt(this.#deps.logins.waitMs);
    this.#attempts.set(key, attempt);
    attempt.follow(
      memory
        .read()
        .then((document) => this.#known(document, asking) ?? this.#inTurn(key, asking, memory, attempt))
        .catch((error: unknown) => Promise.reject(explained(error, attempt.where)))
        .finally(() => this.#attempts.delete(key)),
    );
    return attempt;
  }

  /** While another process, or the one that this configuration replaced, has its turn, it is told whom that one asks. */
  async #inTurn(key: string, asking: Asking, memory: OAuthMemory, attempt: LoginAttempt): Promise<AuthToken> {
    const { vault, clock, name } = this.#deps;
    const asked = new AskedLogin(vault, clock, asking.owner, name, asking.url);
    const turn = new AbortController();
    const never = new AbortController().signal;
    this.#watch(asked, attempt, turn.signal).catch(() => {});
    try {
      return await memory.alone(never, () => {
        turn.abort();
        attempt.tell(undefined);
        return this.#obtain(key, asking, { memory, attempt, asked });
      });
    } finally {
      turn.abort();
    }
  }

  async #watch(asked: AskedLogin, attempt: LoginAttempt, turn: AbortSignal): Promise<void> {
    for (;;) {
      await this.#deps.clock.sleep(LOOK_MS, turn);
      const where = await asked.address();
      if (turn.aborted) return;
      attempt.tell(where);
    }
  }

  /** What nobody has to be asked for. */
  #known({ tokens }: OAuthDocument, asking: Asking): AuthToken | undefined {
    const now = this.#deps.clock.now();
    if (tokens) return isGood(tokens, asking, now) ? toToken(tokens) : undefined;
    return asking.refused ? undefined : { value: NO_TOKEN, obtainedAt: now, expiresAt: Number.POSITIVE_INFINITY };
  }

  async #obtain(key: string, asking: Asking, { memory, attempt, asked }: Turn): Promise<AuthToken> {
    const document = await memory.read();
    const known = this.#known(document, asking);
    if (known) return known;
    if (asking.refused) this.#steps.take(key, this.#deps.clock.now());
    const quiet = await asked.isQuiet();
    const { walk } = await import('./oauthWalk.js');
    const { owner, url: server, refused } = asking;
    let noted: Promise<void> | undefined;
    const asks = (login: Login) => {
      attempt.asks(login, quiet);
      noted = asked.during(login);
    };
    const purpose = { owner, server, credential: this.#deps.name, quiet };
    const wanted = { server, options: this.#options, challenge: refused?.challenge, memory, document, purpose, asks };
    try {
      return toToken(await walk({ ...wanted, deps: this.#deps }));
    } finally {
      await noted;
    }
  }
}

/** What whoever has its turn works with. */
interface Turn {
  readonly memory: OAuthMemory;
  readonly attempt: LoginAttempt;
  readonly asked: AskedLogin;
}

const STEPS_WINDOW_MS = 60_000;
const MOST_STEPS = 3;

/** A server that is never content must not keep people logging in: so many walks a minute, and no more. */
class Steps {
  readonly #taken = new Map<string, { since: number; count: number }>();

  take(key: string, now: number): void {
    const taken = this.#taken.get(key);
    if (!taken || now - taken.since > STEPS_WINDOW_MS) {
      this.#forgetOld(now);
      this.#taken.set(key, { since: now, count: 1 });
      return;
    }
    taken.count += 1;
    if (taken.count <= MOST_STEPS) return;
    throw new CredentialError(
      'the server refuses every token that its own authorization server gives',
      'Check the scopes and the resource that the server asks for; it is asked again in a minute.',
      { retryAfterMs: STEPS_WINDOW_MS },
    );
  }

  /** Callers come and go. */
  #forgetOld(now: number): void {
    for (const [key, { since }] of this.#taken) if (now - since > STEPS_WINDOW_MS) this.#taken.delete(key);
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

/** Only words that are known to hold no secret are said. */
function explained(error: unknown, where: Where | undefined): unknown {
  if (error instanceof CredentialError) return error;
  if (error instanceof LockHeld) {
    if (where) return new LoginRequired(where.address, { paste: where.paste });
    return new CredentialError(
      'another process is obtaining this token',
      'Repeat the call when the login there is over.',
    );
  }
  if (error instanceof GatewayError) return new CredentialError(error.message, error.hint);
  return new CredentialError(
    `the authorization server can't be used: ${wordsOf(error)}`,
    'Run mcp-drawbridge doctor; check the URL, and that this machine reaches it.',
    { cause: error },
  );
}

const LONGEST = 200;

function wordsOf(error: unknown): string {
  const words = error instanceof Error ? error.message : 'for a reason that is not known';
  return words.replace(/[\p{C}\p{Z}]+/gu, ' ').slice(0, LONGEST);
}

const kind: Kind<CredentialSource, Options, CredentialDeps> = {
  options,
  create: (given, deps) => new McpOAuth(given, deps),
};

export default kind;
