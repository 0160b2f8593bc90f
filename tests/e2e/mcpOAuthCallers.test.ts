import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { sendJson } from '../helpers/tokenServer.js';
import { startUpstream, type Upstream } from '../helpers/upstreamFixture.js';
import { freePort } from './callersWorld.js';
import { type LoginWorld, logIn, loginAddress, startLoginWorld, whoAmI } from './loginWorld.js';

/** Each caller has a login of their own at the server behind. */
describe('mcp-oauth for callers', () => {
  let world: LoginWorld;
  let keys: Upstream;
  let drawbridge: Drawbridge;
  let as: (caller: string) => Promise<Record<string, string>>;

  beforeAll(async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    world = await startLoginWorld();
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
    keys = await startUpstream((_seen, response) => sendJson(response, 200, { keys: [jwk] }));
    as = async (caller) => {
      const token = new SignJWT({ sub: caller, aud: 'gate' })
        .setIssuer(keys.origin)
        .setIssuedAt()
        .setExpirationTime('1h');
      return { authorization: `Bearer ${await token.setProtectedHeader({ alg: 'ES256', kid: 'k' }).sign(privateKey)}` };
    };
    const identity = { sso: { kind: 'jwt', issuer: keys.origin, audience: 'gate', jwksUri: keys.url } };
    const permissions = { roles: { caller: { allow: ['*/*'] } }, default: ['caller'] };
    const args = ['--browser-auth-port', String(await freePort())];
    drawbridge = await startDrawbridge(world.config({ for: 'caller' }, { identity, permissions }), { args });
  });

  afterAll(async () => {
    await drawbridge?.stop();
    await Promise.all([keys?.close(), world?.close()]);
  });

  it('sends each to a login of their own, though all come back to one port', async () => {
    const addresses = await Promise.all(
      ['one', 'two'].map(async (caller) => loginAddress(drawbridge, await as(caller))),
    );
    const [first, second] = addresses.map((address) => address.searchParams.get('state'));
    expect(first).not.toBe(second);
    expect(new Set(addresses.map((address) => address.searchParams.get('redirect_uri'))).size).toBe(1);
    expect((await loginAddress(drawbridge, await as('one'))).searchParams.get('state')).toBe(first);
  });

  it('gives nobody what another logged in for', async () => {
    const [one, two] = [await as('one'), await as('two')];
    const address = await loginAddress(drawbridge, two);
    await logIn(await loginAddress(drawbridge, one), 'ada');
    expect(await whoAmI(drawbridge, one)).toBe('ada');
    expect(await whoAmI(drawbridge, two)).toBe('LOGIN_REQUIRED');
    await logIn(address, 'grace');
    const callers = Array.from({ length: 40 }, (_, index) => whoAmI(drawbridge, index % 2 ? one : two));
    const expected = Array.from({ length: 40 }, (_, index) => (index % 2 ? 'ada' : 'grace'));
    expect(await Promise.all(callers)).toEqual(expected);
  });

  it('renews each for themselves', async () => {
    const [one, two] = [await as('one'), await as('two')];
    for (const token of world.shown) world.refused.add(token);
    expect(await Promise.all([whoAmI(drawbridge, one), whoAmI(drawbridge, two)])).toEqual(['ada', 'grace']);
  });

  it('shows nobody a token of the caller', async () => {
    const { authorization = '' } = await as('three');
    expect(await whoAmI(drawbridge, { authorization })).toBe('LOGIN_REQUIRED');
    const shown = world.upstream.requests.map((seen) => seen.header('authorization'));
    expect(shown.filter((each) => each?.includes(authorization.slice(7, 60)))).toEqual([]);
  });
});
