import * as z from 'zod';
import type { Owner, Vault } from '../contracts.js';
import { scopeKey } from '../core/scopeKey.js';

/** Epoch milliseconds. `issuer` is stamped by whoever obtained it (SEP-2352). */
const tokens = z.looseObject({
  access_token: z.string(),
  token_type: z.string(),
  refresh_token: z.string().optional(),
  scope: z.string().optional(),
  issuer: z.string().optional(),
  obtainedAt: z.number(),
  expiresAt: z.number().optional(),
});

/** A client that we registered, and the redirect URI that it may use. */
export const registered = z.object({ information: z.looseObject({ client_id: z.string() }), redirectUri: z.string() });

const document = z.object({
  version: z.literal(1),
  /** Whose, for which server, by which client: a token that was obtained for anything else is none. */
  boundTo: z.string(),
  /** Where the server said that its metadata lies (RFC 9728). */
  resourceMetadataUrl: z.string().optional(),
  tokens: tokens.optional(),
  client: registered.optional(),
  /** When a renewal was begun of which no end is known: its answer may have been lost, and the refresh token with it. */
  renewing: z.number().optional(),
});

/** The first authorization server that a client's secret was for. */
const first = z.object({ version: z.literal(1), issuer: z.string() });

export type KeptTokens = z.infer<typeof tokens>;
export type OAuthDocument = z.infer<typeof document>;

/** The part of a credential's options that its tokens are bound to. */
export function clientWords(options: {
  readonly clientId?: string | undefined;
  readonly clientMetadataUrl?: string | undefined;
  readonly resource?: string | undefined;
}): string[] {
  const { clientId = '', clientMetadataUrl = '', resource = '' } = options;
  return [clientId, clientMetadataUrl, resource];
}

/** A document of a vault that holds tokens, and whose they are. */
export interface KeptLogin {
  /** Null: this machine's own. */
  readonly owner: { readonly tenant: string | null; readonly subject: string } | null;
  readonly credential: string;
  /** Without a query. */
  readonly server: string;
  readonly tokens: KeptTokens;
}

/** Undefined for what is no login. */
export function readLogin({ name, document: kept }: { name: string; document: object }): KeptLogin | undefined {
  const { tokens: held } = document.safeParse(kept).data ?? {};
  const [tenant = null, subject = null, what, credential, server] = JSON.parse(name) as (string | null)[];
  if (!held || what !== 'oauth' || !credential || !server) return undefined;
  return { owner: subject === null ? null : { tenant, subject }, credential, server, tokens: held };
}

/** What is known of one server's authorization, kept in a vault: one document per credential, owner and server. */
export class OAuthMemory {
  readonly #vault: Vault;
  readonly #name: string;
  readonly #first: string;
  readonly #boundTo: string;

  /** `client`: what the operator wrote about the client; with any other, the tokens are no good. */
  constructor(vault: Vault, owner: Owner | null, credential: string, server: URL, client: readonly string[]) {
    const place = server.origin + server.pathname;
    this.#vault = vault;
    this.#name = scopeKey(owner, 'oauth', credential, place);
    // Callers share the client: who logs in later isn't asked to believe the server anew.
    this.#first = scopeKey(null, 'oauth-issuer', credential, place);
    this.#boundTo = scopeKey(owner, 'oauth', place, ...client);
  }

  /** One process at a time looks and changes: a rotated refresh token is never used twice. */
  alone<Value>(signal: AbortSignal, job: () => Promise<Value>): Promise<Value> {
    return this.#vault.alone(this.#name, signal, job);
  }

  async read(): Promise<OAuthDocument> {
    const kept = await this.kept();
    return kept?.boundTo === this.#boundTo ? kept : { version: 1, boundTo: this.#boundTo };
  }

  /** Whatever it was obtained for; undefined where nothing was ever kept. */
  async kept(): Promise<OAuthDocument | undefined> {
    return document.safeParse(await this.#vault.read(this.#name)).data;
  }

  write(changed: OAuthDocument): Promise<void> {
    return this.#vault.write(this.#name, changed);
  }

  /** The authorization server that was used first; `candidate` where this is the first time. */
  firstIssuer(candidate: string): Promise<string> {
    return this.#vault.alone(this.#first, new AbortController().signal, async () => {
      const known = await this.knownIssuer();
      if (known === undefined) await this.#vault.write(this.#first, { version: 1, issuer: candidate });
      return known ?? candidate;
    });
  }

  async knownIssuer(): Promise<string | undefined> {
    return first.safeParse(await this.#vault.read(this.#first)).data?.issuer;
  }

  /** Whichever one is used next is the first. */
  forgetIssuer(): Promise<void> {
    return this.#vault.remove(this.#first);
  }

  /** That there was a login is kept, so that no other program's is taken for it. */
  forget(): Promise<void> {
    return this.write({ version: 1, boundTo: this.#boundTo });
  }
}
