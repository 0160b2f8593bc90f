import * as z from 'zod';
import type { Clock, Vault } from '../contracts.js';
import { scopeKey } from '../core/scopeKey.js';
import { type OAuthDocument, registered } from './oauthDocument.js';

const document = z.object({
  version: z.literal(1),
  /** For which server, by which words of the operator. */
  boundTo: z.string(),
  client: registered,
  /** When it was registered, in epoch milliseconds. */
  since: z.number(),
  /** Whether it has brought anybody a token. */
  served: z.boolean(),
});

type Client = z.infer<typeof registered>;
type Kept = z.infer<typeof document>;

/** By then Qlik Cloud, for one, has forgotten a client that no administrator has let in. Milliseconds. */
const UNSERVED_LIFE_MS = 55 * 60_000;

/**
 * The client that we registered for all callers of a credential, whoever came first. An authorization server may want an
 * administrator to let a client in: one for everybody is let in once, one for each caller never would be.
 */
export class SharedClient {
  readonly #vault: Vault;
  readonly #clock: Clock;
  readonly #name: string;
  readonly #boundTo: string;

  /** `client`: what the operator wrote about the client; with any other, this one is no good. */
  constructor(
    { vault, clock, name }: { readonly vault: Vault; readonly clock: Clock; readonly name: string },
    server: URL,
    client: readonly string[],
  ) {
    const place = server.origin + server.pathname;
    this.#vault = vault;
    this.#clock = clock;
    this.#name = scopeKey(null, 'oauth-client', name, place);
    this.#boundTo = scopeKey(null, 'oauth-client', place, ...client);
  }

  /** A caller without tokens goes on with everybody's client; tokens are renewed by the one that obtained them. */
  async fill(own: OAuthDocument): Promise<OAuthDocument> {
    if (own.tokens) return own;
    const { client: _, ...rest } = own;
    const kept = await this.#read();
    const dead = kept && !kept.served && this.#clock.now() - kept.since >= UNSERVED_LIFE_MS;
    return kept && !dead ? { ...rest, client: kept.client } : rest;
  }

  async registered(client: Client): Promise<void> {
    const now = this.#clock.now();
    await this.#vault.write(this.#name, { version: 1, boundTo: this.#boundTo, client, since: now, served: false });
  }

  /** It brought somebody a token. */
  served(client: Client | undefined): Promise<void> {
    return this.#change(client, async (kept) => {
      if (!kept.served) await this.#vault.write(this.#name, { ...kept, served: true });
    });
  }

  /** The server doesn't know it any more. */
  forget(client: Client | undefined): Promise<void> {
    return this.#change(client, () => this.#vault.remove(this.#name));
  }

  /** Nothing where another client has taken its place. */
  async #change(client: Client | undefined, job: (kept: Kept) => Promise<void>): Promise<void> {
    if (!client) return;
    await this.#vault.alone(this.#name, new AbortController().signal, async () => {
      const kept = await this.#read();
      if (kept?.client.information.client_id === client.information.client_id) await job(kept);
    });
  }

  async #read(): Promise<Kept | undefined> {
    const kept = document.safeParse(await this.#vault.read(this.#name)).data;
    return kept?.boundTo === this.#boundTo ? kept : undefined;
  }
}
