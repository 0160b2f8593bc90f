import { createHmac, KeyObject, sign } from 'node:crypto';
import { exportSPKI } from 'jose';
import jwt from '../../src/identity/jwt.js';
import { SteppedClock } from '../credentials/steppedClock.js';
import { FakeSignals } from '../helpers/fakes.js';
import {
  bearer,
  createProvider,
  fate,
  forged,
  type IssuerServer,
  identityDeps,
  PUBLIC,
  signingKey,
  startIssuerServer,
} from './world.js';

describe('a JWT is refused', () => {
  let clock: SteppedClock;
  let issuer: IssuerServer;
  let signals: FakeSignals;

  beforeEach(async () => {
    clock = new SteppedClock();
    signals = new FakeSignals();
    issuer = await startIssuerServer(clock);
  });
  afterEach(() => issuer.close());

  const provider = (options: object = {}) =>
    createProvider(jwt, { issuer: issuer.url, ...options }, identityDeps({ clock, signals }));

  const claims = () => ({ iss: issuer.url, sub: 'ada', aud: PUBLIC, exp: clock.now() / 1000 + 3600 });

  it('never when it is good', async () => {
    expect(await fate(provider(), bearer(await issuer.token()))).toMatchObject({ subject: 'corp:ada' });
  });

  it.each(['https://other.example.com', `${PUBLIC}.evil.example`, `${PUBLIC}/admin`, `${PUBLIC}/mcp/../x`])(
    'for the other audience %s',
    async (aud) => {
      expect(await fate(provider(), bearer(await issuer.token({ aud })))).toBe('CALLER_UNKNOWN');
    },
  );

  it('without an audience, an end or a subject', async () => {
    for (const name of ['aud', 'exp', 'sub'])
      expect(await fate(provider(), bearer(await issuer.token({ [name]: undefined })))).toBe('CALLER_UNKNOWN');
  });

  it('from another issuer: another entry may know it, this one does not', async () => {
    const token = await issuer.token({ iss: 'https://evil.example.com' });
    expect(await fate(provider(), bearer(token))).toBe('not recognised');
    expect(() => provider().verify(bearer(token))).toThrow(expect.objectContaining({ code: 'CALLER_UNKNOWN' }));
  });

  it('with alg none, in any case, with and without a signature', async () => {
    const it = provider();
    for (const alg of ['none', 'None', 'NONE', 'nOnE', ''])
      expect(await fate(it, bearer(forged({ alg, kid: 'first' }, claims())))).toBe('CALLER_UNKNOWN');
    const unsigned = forged({ alg: 'none' }, claims(), '');
    expect(await fate(it, bearer(unsigned))).toBe('not recognised');
  });

  it('with HS256 and the public key as its secret', async () => {
    for (const secret of [await exportSPKI(issuer.key.publicKey), JSON.stringify(issuer.key.jwk)]) {
      const [header, payload] = forged({ alg: 'HS256', kid: 'first' }, claims()).split('.');
      const signature = createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url');
      expect(await fate(provider(), bearer(`${header}.${payload}.${signature}`))).toBe('CALLER_UNKNOWN');
    }
  });

  it('with HS256 even where the issuer publishes a symmetric key', async () => {
    issuer.keys = [{ kty: 'oct', k: Buffer.from('x'.repeat(32)).toString('base64url'), kid: 'first', alg: 'HS256' }];
    const [header, payload] = forged({ alg: 'HS256', kid: 'first' }, claims()).split('.');
    const signature = createHmac('sha256', 'x'.repeat(32)).update(`${header}.${payload}`).digest('base64url');
    expect(await fate(provider(), bearer(`${header}.${payload}.${signature}`))).toBe('CALLER_UNKNOWN');
    expect(jwt.options.safeParse({ issuer: issuer.url, algorithms: ['HS256'] }).success).toBe(false);
  });

  it('with an algorithm that is not on the list, though its signature is good', async () => {
    expect(await fate(provider({ algorithms: ['RS256'] }), bearer(await issuer.token()))).toBe('CALLER_UNKNOWN');
  });

  it.each([[['exp']], [['urn:unknown']], [[]], ['x'], [['b64']]])(
    'with the critical header %j, though well signed',
    async (crit) => {
      const [header, payload] = forged({ alg: 'ES256', kid: 'first', crit, exp: 1, b64: true }, claims()).split('.');
      const key = { key: KeyObject.from(issuer.key.privateKey), dsaEncoding: 'ieee-p1363' as const };
      const signature = sign('sha256', Buffer.from(`${header}.${payload}`), key).toString('base64url');
      expect(await fate(provider(), bearer(`${header}.${payload}.${signature}`))).toBe('CALLER_UNKNOWN');
    },
  );

  it('never for a header that is unknown but not critical', async () => {
    const token = await issuer.token({}, { unheard: 'of' });
    expect(await fate(provider(), bearer(token))).toMatchObject({ subject: 'corp:ada' });
  });

  it('with its own key in jwk, jku, x5u or x5c: only what the issuer publishes counts', async () => {
    const evil = await signingKey('first');
    const evilServer = await startIssuerServer(clock);
    try {
      const jku = `${evilServer.url}/keys`;
      for (const header of [{ jwk: evil.jwk }, { jku }, { x5u: jku }, { x5c: ['AAAA'] }])
        expect(await fate(provider(), bearer(await issuer.token({}, header, evil)))).toBe('CALLER_UNKNOWN');
      expect(evilServer.hits.keys + evilServer.hits.discovery).toBe(0);
    } finally {
      await evilServer.close();
    }
  });

  it('with the kid of a key that did not sign it, a kid that is a path, or one that is no text', async () => {
    const second = await signingKey('second');
    issuer.keys = [issuer.key.jwk, second.jwk];
    const it = provider();
    for (const kid of ['second', '../../dev/null', "' OR 1=1 --", '__proto__'])
      expect(await fate(it, bearer(await issuer.token({}, { kid })))).toBe('CALLER_UNKNOWN');
    expect(await fate(it, bearer(forged({ alg: 'ES256', kid: 7 }, claims())))).toBe('CALLER_UNKNOWN');
  });

  it('without a kid where the issuer has several keys that would do', async () => {
    issuer.keys = [issuer.key.jwk, (await signingKey('second')).jwk];
    expect(await fate(provider(), bearer(await issuer.token({}, { kid: undefined })))).toBe('CALLER_UNKNOWN');
  });

  it.each(['logout+jwt', 'secevent+jwt', 'dpop+jwt'])('of the sort %s', async (typ) => {
    expect(await fate(provider(), bearer(await issuer.token({}, { typ })))).toBe('CALLER_UNKNOWN');
  });

  it('bound to a key by DPoP, and shown as a mere bearer token', async () => {
    expect(await fate(provider(), bearer(await issuer.token({ cnf: { jkt: 'thumb' } })))).toBe('CALLER_UNKNOWN');
  });

  it('past its end by more than the skew, and not by less', async () => {
    const now = clock.now() / 1000;
    expect(await fate(provider(), bearer(await issuer.token({ exp: now - 29 })))).toMatchObject({
      subject: 'corp:ada',
    });
    expect(await fate(provider(), bearer(await issuer.token({ exp: now - 30 })))).toBe('CALLER_UNKNOWN');
    const strict = provider({ clockSkewSeconds: 0 });
    expect(await fate(strict, bearer(await issuer.token({ exp: now - 1 })))).toBe('CALLER_UNKNOWN');
  });

  it('before its beginning by more than the skew', async () => {
    const now = clock.now() / 1000;
    expect(await fate(provider(), bearer(await issuer.token({ nbf: now + 31 })))).toBe('CALLER_UNKNOWN');
    expect(await fate(provider(), bearer(await issuer.token({ nbf: now + 29 })))).toMatchObject({
      subject: 'corp:ada',
    });
  });

  it('once it has ended, though its verdict was kept', async () => {
    const it = provider({ clockSkewSeconds: 0 });
    const request = bearer(await issuer.token({ exp: clock.now() / 1000 + 60 }));
    expect(await fate(it, request)).toMatchObject({ subject: 'corp:ada' });
    await clock.advance(59_999);
    expect(await fate(it, request)).toMatchObject({ subject: 'corp:ada' });
    await clock.advance(1);
    expect(await fate(it, request)).toBe('CALLER_UNKNOWN');
  });

  it('when one letter of a kept token is changed', async () => {
    const it = provider();
    const token = await issuer.token();
    await fate(it, bearer(token));
    const changed = token.slice(0, -10) + (token.at(-10) === 'A' ? 'B' : 'A') + token.slice(-9);
    expect(await fate(it, bearer(changed))).toBe('CALLER_UNKNOWN');
  });

  it.each(['slow', 'huge', 'down'] as const)(
    'for now while its keys are %s; known keys keep working',
    async (trouble) => {
      const it = provider();
      expect(await fate(it, bearer(await issuer.token()))).toMatchObject({ subject: 'corp:ada' });
      issuer.trouble = trouble;
      await clock.advance(31_000);
      const second = await signingKey('second');
      expect(await fate(it, bearer(await issuer.token({}, {}, second)))).toBe('IDENTITY_UNAVAILABLE');
      expect(await fate(it, bearer(await issuer.token({ sub: 'bob' })))).toMatchObject({ subject: 'corp:bob' });
      expect(await fate(provider(), bearer(await issuer.token()))).toBe('IDENTITY_UNAVAILABLE');
      expect(signals.named('identity.unavailable').length).toBe(2);
    },
  );

  it('where the discovery document speaks for another issuer', async () => {
    issuer.claimedIssuer = `${issuer.url}/`;
    expect(await fate(provider(), bearer(await issuer.token()))).toBe('IDENTITY_UNAVAILABLE');
  });

  it('cheaply: a flood that names unknown keys asks the issuer once in 30 seconds', async () => {
    const it = provider();
    await fate(it, bearer(await issuer.token()));
    for (let i = 0; i < 50; i++) await fate(it, bearer(forged({ alg: 'ES256', kid: `made-up-${i}` }, claims())));
    expect(issuer.hits.keys).toBe(1);
    await clock.advance(30_000);
    for (let i = 0; i < 50; i++) await fate(it, bearer(forged({ alg: 'ES256', kid: `made-up-${i}` }, claims())));
    expect(issuer.hits.keys).toBe(2);
  });
});
