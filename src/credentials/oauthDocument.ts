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

const registered = z.object({ information: z.looseObject({ client_id: z.string() }), redirectUri: z.string() });

const document = z.object({
  version: z.literal(1),
  /** Whose, for which server, by which client: a token that was obtained for anything else is none. */
  boundTo: z.string(),
  /** Where the server said that its metadata lies (RFC 9728). */
  resourceMetadataUrl: z.string().optional(),
  tokens: tokens.optional(),
  client: registered.optional(),
});

export type KeptTokens = z.infer<typeof tokens>;
export type OAuthDocument = z.infer<typeof document>;

/** What is known of one server's authorization, kept in a vault: one document per credential, owner and server. */
export class OAuthMemory {
  readonly #vault: Vault;
  readonly #name: string;
  readonly #boundTo: string;

  /** `client`: what the operator wrote about the client; with any other, the tokens are no good. */
  constructor(vault: Vault, owner: Owner | null, credential: string, server: URL, client: readonly string[]) {
    const place = server.origin + server.pathname;
    this.#vault = vault;
    this.#name = scopeKey(owner, 'oauth', credential, place);
    this.#boundTo = scopeKey(owner, 'oauth', place, ...client);
  }

  /** One process at a time looks and changes: a rotated refresh token is never used twice. */
  alone<Value>(signal: AbortSignal, job: () => Promise<Value>): Promise<Value> {
    return this.#vault.alone(this.#name, signal, job);
  }

  async read(): Promise<OAuthDocument> {
    const read = document.safeParse(await this.#vault.read(this.#name));
    return read.success && read.data.boundTo === this.#boundTo ? read.data : { version: 1, boundTo: this.#boundTo };
  }

  write(changed: OAuthDocument): Promise<void> {
    return this.#vault.write(this.#name, changed);
  }

  forget(): Promise<void> {
    return this.#vault.remove(this.#name);
  }
}
