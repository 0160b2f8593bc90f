import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import type { IdentityDeps, IdentityProvider, KeyRing } from '../../src/contracts/callers.js';
import type { Inbound, Kind, Principal } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import { createRest } from '../../src/wire/rest.js';
import { SteppedClock } from '../credentials/steppedClock.js';
import { FakeSignals, fakeInbound } from '../helpers/fakes.js';

export const PUBLIC = 'https://mcp.example.com';

export const noKeys: KeyRing = {
  list: () => [],
  find: () => undefined,
  create: () => Promise.reject(new Error('no keys here')),
  rotate: () => Promise.reject(new Error('no keys here')),
  revoke: async () => false,
};

export function identityDeps(given: Partial<IdentityDeps> = {}): IdentityDeps {
  return {
    name: 'corp',
    clock: new SteppedClock(),
    signals: new FakeSignals(),
    baseDir: '/nowhere',
    rest: createRest({ deadlineMs: 2000 }),
    publicUrl: new URL(PUBLIC),
    trustedProxy: (address) => address === '10.0.0.1',
    keys: noKeys,
    ...given,
  };
}

/** Options as a configuration has them, through the kind's own schema. */
export function createProvider(
  kind: { options: Kind<unknown>['options']; create: unknown },
  options: object,
  deps: IdentityDeps,
): IdentityProvider {
  const create = kind.create as (options: unknown, deps: IdentityDeps) => IdentityProvider;
  return create(kind.options.parse(options), deps);
}

export function inboundFrom(remoteAddress: string, headers: Record<string, string> = {}, target = '/mcp'): Inbound {
  return { ...fakeInbound(target, headers), remoteAddress };
}

export function bearer(token: string): Inbound {
  return fakeInbound('/mcp', { authorization: `Bearer ${token}` });
}

/** How a request fares: whom it comes from, or the code of the refusal. */
export async function fate(provider: IdentityProvider, request: Inbound): Promise<Principal | string> {
  if (!provider.recognises(request)) return 'not recognised';
  try {
    return await provider.verify(request);
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}

export interface SigningKey {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

export async function signingKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** An issuer with discovery and keys on 127.0.0.1, which can be told to misbehave. */
export interface IssuerServer {
  readonly url: string;
  readonly key: SigningKey;
  readonly hits: { keys: number; discovery: number };
  keys: JWK[];
  trouble: 'slow' | 'huge' | 'down' | undefined;
  /** What the discovery document says its issuer is. */
  claimedIssuer: string;
  /** A token that is good for an hour, unless `claims` says otherwise. Times are the clock's. */
  token(claims?: JWTPayload, header?: object, by?: SigningKey): Promise<string>;
  close(): Promise<void>;
}

export async function startIssuerServer(clock: { now(): number }): Promise<IssuerServer> {
  const key = await signingKey('first');
  const hits = { keys: 0, discovery: 0 };
  const server = http.createServer((request, response) => {
    const isKeys = request.url === '/keys';
    hits[isKeys ? 'keys' : 'discovery'] += 1;
    if (made.trouble === 'slow') return;
    if (made.trouble === 'down') return void response.writeHead(503).end('{}');
    if (made.trouble === 'huge') return void response.end(JSON.stringify({ keys: made.keys, pad: 'x'.repeat(2e6) }));
    if (isKeys) return void response.end(JSON.stringify({ keys: made.keys }));
    if (request.url !== '/.well-known/openid-configuration') return void response.writeHead(404).end();
    response.end(JSON.stringify({ issuer: made.claimedIssuer, jwks_uri: `${url}/keys` }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const made: IssuerServer = {
    url,
    key,
    hits,
    keys: [key.jwk],
    trouble: undefined,
    claimedIssuer: url,
    token: (claims = {}, header = {}, by = key) => {
      const now = Math.floor(clock.now() / 1000);
      return new SignJWT({ iss: url, sub: 'ada', aud: PUBLIC, iat: now, exp: now + 3600, ...claims })
        .setProtectedHeader({ alg: by.jwk.alg as string, kid: by.jwk.kid as string, ...header })
        .sign(by.privateKey);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return made;
}

/** A JWT put together by hand: whatever a library would refuse to write. */
export function forged(header: object, claims: object, signature = 'AAAA'): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(claims)}.${signature}`;
}
