import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import type { CredentialSource, Principal } from '../../src/contracts.js';
import { systemClock } from '../../src/core/async.js';
import { CallerProof } from '../../src/core/callerProof.js';
import type { CredentialError } from '../../src/core/errors.js';
import kind from '../../src/credentials/serviceKey.js';
import { createRest, type Rest } from '../../src/wire/rest.js';
import { type Provider, sendJson, startTokenServer } from '../helpers/tokenServer.js';
import { startXsuaaLike, XSUAA_CLIENT, type XsuaaLike } from '../helpers/xsuaaLike.js';
import { createSource, depsWith, everyPrintOf, rejection } from './world.js';

const origins = ['https://abap.example.com'];
const url = new URL('/mcp', origins[0]);
const AUDIENCE = 'https://gate.example.com';
const { signal } = new AbortController();

/** Principal propagation at an XSUAA that verifies what it is shown. */
describe('the service-key credential with the grant jwt-bearer', () => {
  let keys: { own: CryptoKey; foreign: CryptoKey };
  let issuer: Provider;
  let xsuaa: XsuaaLike;
  let folder: string;
  let rest: Rest;
  let source: CredentialSource;

  beforeAll(async () => {
    const [own, foreign] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')]);
    keys = { own: own.privateKey, foreign: foreign.privateKey };
    const jwk = { ...(await exportJWK(own.publicKey)), kid: 'k', alg: 'ES256' };
    const handler = () => (_: unknown, response: Parameters<typeof sendJson>[0]) =>
      sendJson(response, 200, { keys: [jwk] });
    issuer = await startTokenServer({ tokenPath: '/token', handler });
    const trusts = { issuer: issuer.url, jwksUri: `${issuer.url}/jwks`, audience: AUDIENCE };
    xsuaa = await startXsuaaLike({ trusts });
    folder = await fs.mkdtemp(path.join(os.tmpdir(), 'key-'));
    const { clientId: clientid, clientSecret: clientsecret } = XSUAA_CLIENT;
    await fs.writeFile(path.join(folder, 'key.json'), JSON.stringify({ url: xsuaa.url, clientid, clientsecret }));
    rest = createRest({ deadlineMs: 30_000 });
    const deps = depsWith({ baseDir: folder, rest, clock: systemClock });
    source = await createSource(kind, { file: 'key.json', grant: 'jwt-bearer', origins }, deps);
  });
  afterAll(async () => {
    rest?.close();
    await Promise.all([xsuaa?.close(), issuer?.close()]);
    await fs.rm(folder, { recursive: true });
  });

  const sign = (claims: JWTPayload = {}, key = keys.own) =>
    new SignJWT({ iss: issuer.url, aud: AUDIENCE, sub: 'ada', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setIssuedAt()
      .setExpirationTime(claims.exp ?? '5m')
      .sign(key);
  const caller = (token: string): Principal => ({
    subject: 'corp:ada',
    roles: [],
    claims: {},
    proof: new CallerProof(token, 'p', undefined),
  });
  const acquire = (token: string) => source.acquire(signal, { owner: caller(token), url, caller: caller(token) });

  it('gets that user’s token for the caller’s own', async () => {
    const { value } = await acquire(await sign());
    expect(xsuaa.issued.get(value)).toBe('ada');
    expect(source.scope).toBe('caller');
  });

  it.each<[string, JWTPayload, ('own' | 'foreign')?]>([
    ['for somebody else', { aud: 'https://other.example.com' }],
    ['of another issuer', { iss: 'https://evil.example.com' }],
    ['signed by another key', {}, 'foreign'],
    ['that has expired', { exp: 1_000_000_000 }],
    ['of a client, not of a user', { sub: 'robot', client_id: 'robot' }],
  ])('gets nothing for a token %s, and says what mends it', async (_title, claims, key = 'own') => {
    const token = await sign(claims, keys[key]);
    const error = (await rejection(acquire(token))) as CredentialError;
    expect(error.message).toMatch(/answered 401: unauthorized: Bad credentials/);
    expect(error.mend).toMatch(/Or it refuses the caller: Check that the authorization server trusts the issuer/);
    expect(everyPrintOf(error)).not.toContain(token);
  });

  it('has no basis in a caller without a token', () => {
    const nobody = { subject: 'keys:robot', roles: [], claims: {} };
    expect(() => source.basis?.(nobody)).toThrow(expect.objectContaining({ code: 'CALLER_TOKEN_NEEDED' }));
  });
});
