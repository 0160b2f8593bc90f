import { RestError } from '../../src/core/restError.js';
import introspection from '../../src/identity/introspection.js';
import { SteppedClock } from '../credentials/steppedClock.js';
import { everyPrintOf, FakeRest, jsonAnswer } from '../credentials/world.js';
import { FakeSignals } from '../helpers/fakes.js';
import { bearer, createProvider, fate, forged, identityDeps } from './world.js';

describe('introspection', () => {
  let clock: SteppedClock;
  let rest: FakeRest;
  let signals: FakeSignals;

  beforeEach(() => {
    clock = new SteppedClock();
    rest = new FakeRest();
    signals = new FakeSignals();
    rest.answer = () => jsonAnswer(200, { active: true, sub: 'ada', scope: 'a b', exp: clock.now() / 1000 + 30 });
  });

  const provider = (options: object = {}) =>
    createProvider(
      introspection,
      { url: 'https://idp.example.com/introspect', clientId: 'gate', clientSecret: 's:e/cret', ...options },
      identityDeps({ clock, signals, rest: rest.rest }),
    );

  it('asks once for many calls, as RFC 7662 has it, and answers the next call without a promise', async () => {
    const it = provider();
    await Promise.all([fate(it, bearer('opaque')), fate(it, bearer('opaque'))]);
    expect(it.verify(bearer('opaque'))).toMatchObject({ subject: 'corp:ada', scopes: ['a', 'b'] });
    expect(rest.requests).toHaveLength(1);
    expect(rest.requests[0]).toMatchObject({
      method: 'POST',
      body: 'token=opaque&token_type_hint=access_token',
      headers: { authorization: `Basic ${Buffer.from('gate:s%3Ae%2Fcret').toString('base64')}` },
    });
  });

  it('keeps the token as the proof of the one it is about, and prints it nowhere', async () => {
    const { proof, ...rest } = await provider().verify(bearer('an-opaque-canary'));
    const other = await provider().verify(bearer('another-canary'));
    expect([proof?.reveal(), proof?.expiresAt]).toEqual(['an-opaque-canary', clock.now() + 30_000]);
    expect(proof?.id).not.toBe(other.proof?.id);
    expect(everyPrintOf({ proof, rest })).not.toContain('canary');
  });

  it.each([
    [{}, 30_000],
    [{ cacheSeconds: 10 }, 10_000],
  ])('stops believing an answer at the end of the token or of cacheSeconds: %j', async (options, life) => {
    const it = provider(options);
    await fate(it, bearer('opaque'));
    await clock.advance(life - 1);
    await fate(it, bearer('opaque'));
    expect(rest.requests).toHaveLength(1);
    rest.answer = () => jsonAnswer(200, { active: false });
    await clock.advance(1);
    expect(await fate(it, bearer('opaque'))).toBe('CALLER_UNKNOWN');
  });

  it.each([
    ['an ended token', { exp: 1 }],
    ['a token of tomorrow', { nbf: 9e9 }],
    ['a token of another issuer', { iss: 'https://evil.example.com' }],
    ['a refresh token', { typ: 'Refresh' }],
    ['a DPoP token', { token_type: 'DPoP' }],
    ['a key-bound token', { cnf: { jkt: 'x' } }],
    ['a token for another audience', { aud: 'https://other.example.com' }],
    ['a token for nobody in particular', { aud: undefined }],
    ['a truth that is none', { active: 'true' }],
  ])('refuses %s, though it is active', async (_what, claims) => {
    rest.answer = () => jsonAnswer(200, { active: true, sub: 'ada', aud: 'us', ...claims });
    const it = provider({ audience: 'us', issuer: 'https://idp.example.com' });
    expect(await fate(it, bearer('opaque'))).toBe('CALLER_UNKNOWN');
  });

  it('leaves JWTs and API keys to others, unless told to take JWTs', () => {
    const jwt = bearer(forged({}, {}));
    expect(provider().recognises(jwt)).toBe(false);
    expect(provider({ acceptJwt: true }).recognises(jwt)).toBe(true);
    expect(provider({ acceptJwt: true }).recognises(bearer('dbk_x'))).toBe(false);
  });

  it('leaves an issuer in trouble alone for a moment, and tells no secret', async () => {
    const it = provider();
    rest.answer = () => new RestError('unreachable', 'no answer from https://idp.example.com');
    expect(await fate(it, bearer('one'))).toBe('IDENTITY_UNAVAILABLE');
    expect(await fate(it, bearer('two'))).toBe('IDENTITY_UNAVAILABLE');
    expect(rest.requests).toHaveLength(1);
    expect(everyPrintOf(signals.emitted)).not.toContain('s:e/cret');
    rest.answer = () => jsonAnswer(200, { active: true, sub: 'ada' });
    await clock.advance(2000);
    expect(await fate(it, bearer('one'))).toMatchObject({ subject: 'corp:ada' });
  });

  it('asks for no more than 64 made-up tokens at a time', async () => {
    rest.answer = () => new Promise(() => {});
    const it = provider();
    for (let i = 0; i < 64; i++) it.verify(bearer(`made-up-${i}`));
    expect(await fate(it, bearer('one-more'))).toBe('IDENTITY_UNAVAILABLE');
    expect(rest.requests).toHaveLength(64);
  });

  it('keeps the token out of the claims, though the issuer echoes it', async () => {
    rest.answer = () => jsonAnswer(200, { active: true, sub: 'ada', access_token: 'opaque' });
    expect(everyPrintOf(await fate(provider(), bearer('opaque')))).not.toContain('opaque');
  });

  it("knows GitHub's tokens by the user's id", async () => {
    const it = provider({ provider: 'github', url: 'https://api.github.com', clientId: 'Iv1.x' });
    rest.answer = () =>
      jsonAnswer(200, { token: 'gho_x', user: { id: 42, login: 'ada' }, scopes: ['repo'], expires_at: null });
    expect(await fate(it, bearer('gho_x'))).toEqual(expect.objectContaining({ subject: 'corp:42', scopes: ['repo'] }));
    expect(rest.requests[0]?.url).toBe('https://api.github.com/applications/Iv1.x/token');
    rest.answer = () => jsonAnswer(404, {});
    expect(await fate(it, bearer('gho_y'))).toBe('CALLER_UNKNOWN');
  });
});
