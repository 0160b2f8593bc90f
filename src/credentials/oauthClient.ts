import { randomBytes } from 'node:crypto';
import type {
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthTokens,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client';
import type { Clock } from '../contracts.js';
import type { OAuthDocument, OAuthMemory } from './oauthDocument.js';

/** Who asks, as the operator, or nobody, wrote it. */
export interface ClientOptions {
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
  readonly clientMetadataUrl: string | undefined;
  /** Further members of the registration (RFC 7591 section 2). */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly scope: string | undefined;
  /** RFC 8707; the server's own where absent, and none where it is empty. */
  readonly resource: string | undefined;
  readonly authorizeParameters: Readonly<Record<string, string>>;
}

/** One walk through discovery, registration and authorization: what the SDK asks its host for, from a document that is kept. */
export class OAuthClient implements OAuthClientProvider {
  readonly redirectUrl: URL;
  readonly clientMetadataUrl?: string;
  /** Absent, the SDK compares what the metadata says with the server's URL. */
  readonly validateResourceURL?: NonNullable<OAuthClientProvider['validateResourceURL']>;
  /** Where a person must go; written by the walk that found it out. */
  authorization: URL | undefined;
  readonly expectedState = randomBytes(32).toString('base64url');
  readonly #options: ClientOptions;
  readonly #memory: OAuthMemory;
  readonly #clock: Clock;
  readonly #lost: () => void;
  #document: OAuthDocument;
  #verifier = '';

  constructor(
    options: ClientOptions,
    /** `lost` is told when the server takes its own refresh token no more. */
    parts: { memory: OAuthMemory; document: OAuthDocument; redirectUri: URL; clock: Clock; lost: () => void },
  ) {
    this.#options = options;
    this.#memory = parts.memory;
    this.#document = parts.document;
    this.#clock = parts.clock;
    this.#lost = parts.lost;
    this.redirectUrl = parts.redirectUri;
    if (options.clientMetadataUrl !== undefined) this.clientMetadataUrl = options.clientMetadataUrl;
    const { resource } = options;
    if (resource !== undefined)
      this.validateResourceURL = async () => (resource === '' ? undefined : new URL(resource));
  }

  get document(): OAuthDocument {
    return this.#document;
  }

  get clientMetadata(): OAuthClientMetadata {
    return {
      client_name: 'Drawbridge',
      redirect_uris: [this.redirectUrl.href],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      ...(this.#options.scope === undefined ? {} : { scope: this.#options.scope }),
      ...this.#options.metadata,
    };
  }

  state(): string {
    return this.expectedState;
  }

  /** One that registered for another redirect URI would be refused by it. */
  clientInformation(): StoredOAuthClientInformation | undefined {
    const { clientId, clientSecret } = this.#options;
    if (clientId !== undefined) {
      return { client_id: clientId, ...(clientSecret === undefined ? {} : { client_secret: clientSecret }) };
    }
    const { client } = this.#document;
    return client?.redirectUri === this.redirectUrl.href
      ? (client.information as StoredOAuthClientInformation)
      : undefined;
  }

  async saveClientInformation(information: StoredOAuthClientInformation): Promise<void> {
    await this.#change({ client: { information: { ...information }, redirectUri: this.redirectUrl.href } });
  }

  tokens(): StoredOAuthTokens | undefined {
    return this.#document.tokens;
  }

  async saveTokens(tokens: StoredOAuthTokens): Promise<void> {
    const now = this.#clock.now();
    const expiresAt = lifeOf(tokens, now);
    // A server that doesn't rotate says nothing of the old one, which serves on (RFC 6749 section 6).
    const refresh = tokens.refresh_token ?? this.#document.tokens?.refresh_token;
    await this.#change({
      tokens: {
        ...tokens,
        ...(refresh === undefined ? {} : { refresh_token: refresh }),
        obtainedAt: now,
        ...(expiresAt === undefined ? {} : { expiresAt }),
      },
    });
  }

  redirectToAuthorization(url: URL): void {
    for (const [name, value] of Object.entries(this.#options.authorizeParameters)) url.searchParams.set(name, value);
    this.authorization = url;
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  codeVerifier(): string {
    return this.#verifier;
  }

  async invalidateCredentials(what: 'all' | 'client' | 'tokens' | 'verifier' | 'discovery'): Promise<void> {
    const { tokens, client, ...rest } = this.#document;
    const keepsTokens = what === 'client' || what === 'verifier' || what === 'discovery';
    if (tokens && !keepsTokens) this.#lost();
    const keepsClient = what === 'tokens' || what === 'verifier' || what === 'discovery';
    this.#document = {
      ...rest,
      ...(keepsTokens && tokens ? { tokens } : {}),
      ...(keepsClient && client ? { client } : {}),
    };
    await this.#memory.write(this.#document);
  }

  async #change(changed: Partial<OAuthDocument>): Promise<void> {
    this.#document = { ...this.#document, ...changed };
    await this.#memory.write(this.#document);
  }
}

/** Epoch milliseconds; undefined where the server doesn't say. */
function lifeOf({ expires_in: seconds }: OAuthTokens, now: number): number | undefined {
  return typeof seconds === 'number' && seconds > 0 ? now + seconds * 1000 : undefined;
}
