import { randomBytes } from 'node:crypto';
import type {
  OAuthClientInformationContext,
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  OAuthTokens,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client';
import type { Clock } from '../contracts.js';
import { CredentialError } from '../core/errors.js';
import type { OAuthDocument, OAuthMemory } from './oauthDocument.js';
import type { SharedClient } from './sharedClient.js';

/** Who asks, as the operator, or nobody, wrote it. */
export interface ClientOptions {
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
  readonly clientMetadataUrl: string | undefined;
  /** The only authorization server that may be used; absent, a client with a secret keeps to the first one. */
  readonly issuer: string | undefined;
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
  readonly #shared: SharedClient | undefined;
  #document: OAuthDocument;
  #verifier = '';
  #discovered: OAuthDiscoveryState | undefined;

  constructor(
    options: ClientOptions,
    /** `lost` is told when the server takes its own refresh token no more. `shared`: of a caller. */
    parts: {
      memory: OAuthMemory;
      document: OAuthDocument;
      redirectUri: URL;
      clock: Clock;
      lost: () => void;
      shared: SharedClient | undefined;
    },
  ) {
    this.#options = options;
    this.#memory = parts.memory;
    this.#document = parts.document;
    this.#clock = parts.clock;
    this.#lost = parts.lost;
    this.#shared = parts.shared;
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
  async clientInformation(context?: OAuthClientInformationContext): Promise<StoredOAuthClientInformation | undefined> {
    const { clientId } = this.#options;
    const clientSecret = context && this.#options.clientSecret;
    if (context) await this.#assertIssuer(context.issuer);
    if (clientId !== undefined) {
      const stamp = context ? { issuer: context.issuer } : {};
      return { client_id: clientId, ...(clientSecret === undefined ? {} : { client_secret: clientSecret }), ...stamp };
    }
    const { client } = this.#document;
    return client?.redirectUri === this.redirectUrl.href
      ? (client.information as StoredOAuthClientInformation)
      : undefined;
  }

  /** A server may name another authorization server tomorrow: what is a secret of the first is none of that one's. */
  async #assertIssuer(issuer: string): Promise<void> {
    const { issuer: wanted, clientSecret } = this.#options;
    if (wanted === undefined && clientSecret === undefined) return;
    const only = wanted ?? (await this.#memory.firstIssuer(this.#document.tokens?.issuer ?? issuer));
    if (only !== issuer) throw foreignIssuer(issuer, only, wanted !== undefined);
  }

  /** The code goes where the person was sent, whatever the server names by then (SEP-2352). */
  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#discovered;
  }

  saveDiscoveryState(found: OAuthDiscoveryState): void {
    this.#discovered = found;
  }

  async saveClientInformation(information: StoredOAuthClientInformation): Promise<void> {
    const client = { information: { ...information }, redirectUri: this.redirectUrl.href };
    await this.#change({ client });
    await this.#shared?.registered(client);
  }

  tokens(): StoredOAuthTokens | undefined {
    return this.#document.tokens;
  }

  async saveTokens(tokens: StoredOAuthTokens): Promise<void> {
    const now = this.#clock.now();
    const expiresAt = lifeOf(tokens, now);
    // A server that doesn't rotate says nothing of the old one, which serves on (RFC 6749 section 6). After a login it is
    // another person's, perhaps.
    const before = this.authorization ? undefined : this.#document.tokens?.refresh_token;
    const refresh = tokens.refresh_token ?? before;
    await this.#change({
      tokens: {
        ...tokens,
        ...(refresh === undefined ? {} : { refresh_token: refresh }),
        obtainedAt: now,
        ...(expiresAt === undefined ? {} : { expiresAt }),
      },
    });
    await this.#shared?.served(this.#document.client);
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
    if (what === 'all' || what === 'discovery') this.#discovered = undefined;
    const { tokens, client, ...rest } = this.#document;
    const keepsTokens = what === 'client' || what === 'verifier' || what === 'discovery';
    if (tokens && !keepsTokens) this.#lost();
    const keepsClient = what === 'tokens' || what === 'verifier' || what === 'discovery';
    if (!keepsClient) await this.#shared?.forget(client);
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

/** Told by origins alone: the rest is whatever a stranger wrote. */
function foreignIssuer(issuer: string, only: string, written: boolean): CredentialError {
  const [found, ours] = [issuer, only].map((text) => (URL.canParse(text) ? new URL(text).origin : 'one without a URL'));
  const mend = written
    ? 'Correct issuer where the server has moved for good; it is compared letter by letter.'
    : 'Where the server has moved for good, run mcp-drawbridge logout <destination>, and log in again.';
  return new CredentialError(
    `the server names the authorization server ${found}, which is not the one that this client is for, ${ours}`,
    mend,
  );
}

/** Epoch milliseconds; undefined where the server doesn't say. */
function lifeOf({ expires_in: seconds }: OAuthTokens, now: number): number | undefined {
  return typeof seconds === 'number' && seconds > 0 ? now + seconds * 1000 : undefined;
}
