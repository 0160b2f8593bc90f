import { systemClock } from '../../src/core/async.js';
import kind from '../../src/credentials/clientCredentials.js';
import { createRest, type Rest } from '../../src/wire/rest.js';
import { createAuthority, createTestTls } from '../helpers/certificates.js';
import { OIDC_SECRET, startOidcProvider } from '../helpers/identityProviders.js';
import { startQlikLike } from '../helpers/qlikLike.js';
import type { Provider } from '../helpers/tokenServer.js';
import { ASKING, createSource, depsWith, everyPrintOf, rejection } from './world.js';

const origins = ['https://mcp.example.com'];
const { signal } = new AbortController();

describe('client credentials at real token endpoints', () => {
  const closing: (() => unknown)[] = [];
  const keep = <Thing extends Provider | Rest>(thing: Thing): Thing => {
    closing.push(() => thing.close());
    return thing;
  };
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function acquire(options: Record<string, unknown>, rest: Rest = keep(createRest())) {
    const source = await createSource(kind, { origins, ...options }, depsWith({ rest, clock: systemClock }));
    return source.acquire(signal, ASKING);
  }

  it('shows a secret in the body or, encoded, in the Basic header, and asks for scope and resource', async () => {
    const { tokenUrl } = keep(await startOidcProvider());
    const opaque = await acquire({ tokenUrl, clientId: 'post', clientSecret: OIDC_SECRET, scope: 'tools:read' });
    const jwt = await acquire({
      tokenUrl,
      clientId: 'basic',
      clientSecret: OIDC_SECRET,
      authentication: 'basic',
      resource: 'https://mcp.example.com',
    });
    expect(opaque.value).toMatch(/^[\w-]{20,}$/);
    expect(jwt.value.split('.')).toHaveLength(3);
    expect(jwt.expiresAt - jwt.obtainedAt).toBe(600_000);
  });

  it('signs an assertion with the key alone', async () => {
    const provider = keep(await startOidcProvider());
    const { tokenUrl, assertionKey: privateKey, assertionKeyId: keyId } = provider;
    const token = await acquire({
      tokenUrl,
      clientId: 'assertion',
      authentication: 'private_key_jwt',
      privateKey,
      keyId,
    });
    expect(token.value).not.toBe('');
    expect(provider.requests).toHaveLength(1);
  });

  it('shows a certificate, by an authority or self-signed', async () => {
    const { authority, server, client } = createTestTls('tls client');
    const selfSigned = createAuthority('self-signed client');
    const { tokenUrl } = keep(await startOidcProvider({ tls: server, selfSigned }));
    const rest = keep(createRest({ ca: authority.cert }));
    for (const [clientId, pair] of [
      ['tls', client],
      ['self-signed', selfSigned],
    ] as const) {
      const token = await acquire(
        { tokenUrl, clientId, authentication: 'tls', certificate: pair.cert, certificateKey: pair.key },
        rest,
      );
      expect(token.value).not.toBe('');
    }
  });

  it('speaks JSON to Qlik Cloud and understands its errors', async () => {
    const { tokenUrl } = keep(await startQlikLike({ clientId: 'a', clientSecret: 'right' }));
    const token = await acquire({ tokenUrl, clientId: 'a', clientSecret: 'right', format: 'json' });
    expect(token.expiresAt - token.obtainedAt).toBe(21_600_000);
    const error = await rejection(acquire({ tokenUrl, clientId: 'a', clientSecret: 'wrong', format: 'json' }));
    expect(error).toMatchObject({
      message: `the token endpoint ${tokenUrl} answered 401: OAUTH-22: Invalid client_secret`,
      mend: 'Check clientId and clientSecret: the provider refuses this client.',
    });
  });

  it('says of a refused client what to do and shows no secret', async () => {
    const { tokenUrl } = keep(await startOidcProvider());
    const clientSecret = 'canary-4711';
    const error = await rejection(acquire({ tokenUrl, clientId: 'basic', clientSecret, authentication: 'basic' }));
    expect(error.message).toContain('answered 401: invalid_client');
    expect(everyPrintOf(error)).not.toContain('canary');
  });
});
