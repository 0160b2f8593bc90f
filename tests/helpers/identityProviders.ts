import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import OidcProvider from 'oidc-provider';
import type { Certificate, Tls } from './certificates.js';
import { type Provider, startTokenServer } from './tokenServer.js';

/** With characters that RFC 6749 section 2.3.1 has to encode. */
export const OIDC_SECRET = 'canary:s3cr3t/+%& =~';

export interface OidcStandIn extends Provider {
  /** Of the client `assertion`: PKCS #8, PEM, and its key id. */
  readonly assertionKey: string;
  readonly assertionKeyId: string;
}

export interface OidcSettings {
  /** Https, with clients that prove themselves by certificate: `tls` (CN=tls client) and `self-signed` (the certificate given here). */
  readonly tls?: Tls;
  readonly selfSigned?: Certificate;
  /** Seconds. */
  readonly expiresIn?: number;
}

/**
 * The real oidc-provider, for client credentials: `basic` and `post` share OIDC_SECRET, `assertion` signs. It issues opaque
 * tokens, or JWTs (ES256, keys at its `jwks_uri`) for the resource `https://mcp.example.com`.
 */
export async function startOidcProvider(settings: OidcSettings = {}): Promise<OidcStandIn> {
  const assertion = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const provider = await startTokenServer({
    tls: settings.tls,
    tokenPath: '/token',
    ownBody: true,
    handler: (url) => new OidcProvider(url, configuration(settings, assertion.publicKey)).callback(),
  });
  return { ...provider, assertionKey: pem(assertion.privateKey), assertionKeyId: 'assertion-key' };
}

function configuration(settings: OidcSettings, assertionKey: KeyObject): Record<string, unknown> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    adapter: adapterOf(clients(settings, assertionKey)),
    clientAuthMethods: [
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
    ],
    scopes: ['tools:read', 'tools:write'],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'oidc', alg: 'ES256', use: 'sig' }] },
    cookies: { keys: ['throw-away'] },
    ttl: { ClientCredentials: settings.expiresIn ?? 600 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo,
        useGrantedResource: () => true,
      },
      mTLS: {
        enabled: true,
        selfSignedTlsClientAuth: true,
        tlsClientAuth: true,
        getCertificate,
        certificateAuthorized,
        certificateSubjectMatches,
      },
    },
  };
}

/** What oidc-provider keeps: its tokens in a map, and the clients as they are. */
function adapterOf(known: Record<string, unknown>[]) {
  const kept = new Map<string, unknown>();
  return class {
    readonly #model: string;

    constructor(model: string) {
      this.#model = model;
    }

    async find(id: string): Promise<unknown> {
      return this.#model === 'Client'
        ? known.find((client) => client.client_id === id)
        : kept.get(`${this.#model}:${id}`);
    }

    async upsert(id: string, payload: unknown): Promise<void> {
      kept.set(`${this.#model}:${id}`, payload);
    }
  };
}

function clients(settings: OidcSettings, assertionKey: KeyObject): Record<string, unknown>[] {
  const common = {
    id_token_signed_response_alg: 'ES256',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope: 'tools:read tools:write',
  };
  const key = { ...assertionKey.export({ format: 'jwk' }), kid: 'assertion-key', alg: 'ES256', use: 'sig' };
  const all: Record<string, unknown>[] = [
    { ...common, client_id: 'basic', client_secret: OIDC_SECRET, token_endpoint_auth_method: 'client_secret_basic' },
    { ...common, client_id: 'post', client_secret: OIDC_SECRET, token_endpoint_auth_method: 'client_secret_post' },
    { ...common, client_id: 'assertion', token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [key] } },
    {
      ...common,
      client_id: 'tls',
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_subject_dn: 'CN=tls client',
    },
  ];
  if (!settings.selfSigned) return all;
  const certificate = new X509Certificate(settings.selfSigned.cert);
  const own = { ...certificate.publicKey.export({ format: 'jwk' }), x5c: [certificate.raw.toString('base64')] };
  return [
    ...all,
    {
      ...common,
      client_id: 'self-signed',
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      jwks: { keys: [own] },
    },
  ];
}

function getResourceServerInfo(_context: unknown, resource: string): Record<string, unknown> {
  return {
    scope: 'tools:read tools:write',
    audience: resource,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'ES256' } },
  };
}

interface Context {
  readonly socket: TLSSocket;
}

function getCertificate({ socket }: Context): string | undefined {
  return socket.getPeerX509Certificate?.()?.toString();
}

function certificateAuthorized({ socket }: Context): boolean {
  return socket.authorized;
}

function certificateSubjectMatches({ socket }: Context, _property: string, expected: string): boolean {
  return socket.getPeerX509Certificate()?.subject === expected;
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
