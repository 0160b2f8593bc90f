import type { Exchange, Inbound, Reply } from '../../src/contracts.js';
import { GatewayError } from '../../src/core/errors.js';
import anonymous from '../../src/identity/anonymous.js';
import apiKey from '../../src/identity/apiKey.js';
import { challengeOf } from '../../src/identity/challenge.js';
import { createIdentify } from '../../src/identity/identify.js';
import { MissingScopes, type Provider, unknownCaller } from '../../src/identity/provider.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';
import { createProvider, identityDeps, inboundFrom, PUBLIC } from './world.js';

const REPLY: Reply = { status: 200, headers: [], body: null, origin: 'gateway' };

const principal = { subject: 'a:1', roles: [], claims: {} };

function fixed(verify: Provider['verify'], recognises = true): Provider {
  return { authorizationServers: ['https://idp.example.com'], recognises: () => recognises, verify };
}

function stage(providers: Record<string, Provider>, blamed: string[] = []) {
  const map = new Map(Object.entries(providers));
  const challenge = challengeOf(map.values(), new URL(PUBLIC));
  return createIdentify(map, { challenge, blame: (address) => blamed.push(address) });
}

/** What a request ends in. */
async function run(identify: ReturnType<typeof stage>, request: Inbound): Promise<GatewayError | Exchange> {
  const exchange = fakeExchange(request);
  try {
    await identify(exchange, () => REPLY);
    return exchange;
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

const withToken = () => fakeInbound('/mcp/qlik', { authorization: 'Bearer x' });

describe('identify', () => {
  it('makes no promise where the provider makes none', () => {
    const exchange = fakeExchange(withToken());
    expect(stage({ a: fixed(() => principal) })(exchange, () => REPLY)).toBe(REPLY);
    expect(exchange.principal).toBe(principal);
  });

  it('waits for a provider that has to', async () => {
    const exchange = fakeExchange(withToken());
    expect(await stage({ a: fixed(async () => principal) })(exchange, () => REPLY)).toBe(REPLY);
    expect(exchange.principal).toBe(principal);
  });

  it('takes a token for one route for no proof at another, and says where one for that is to be had', async () => {
    const confined = { ...principal, destinations: ['sap'], byAudience: true } as const;
    for (const verify of [() => confined, async () => confined]) {
      const blamed: string[] = [];
      const refused = await run(stage({ a: fixed(verify) }, blamed), withToken());
      expect(refused).toMatchObject({ code: 'CALLER_UNKNOWN' });
      expect((refused as GatewayError).headers.join()).toMatch(
        /error="invalid_token".*oauth-protected-resource\/mcp\/qlik"/,
      );
      expect(blamed).toHaveLength(1);
      for (const path of ['/mcp/sap', '/mcp', '/mcp/stream/http'])
        expect(await run(stage({ a: fixed(verify) }), fakeInbound(path))).toMatchObject({ principal: confined });
    }
    const byKey = { ...principal, destinations: ['sap'] };
    expect(await run(stage({ a: fixed(() => byKey) }), withToken())).toMatchObject({ principal: byKey });
  });

  it.each([
    [
      'at once',
      () => {
        throw unknownCaller('bad');
      },
    ],
    ['later', () => Promise.reject(unknownCaller('bad'))],
  ])('lets no bad proof fall through to another provider, refused %s', async (_when, verify) => {
    const blamed: string[] = [];
    const found = await run(stage({ a: fixed(verify), b: fixed(() => principal) }, blamed), withToken());
    expect(found).toMatchObject({ code: 'CALLER_UNKNOWN', status: 401 });
    expect((found as GatewayError).headers).toEqual([
      'www-authenticate',
      `Bearer error="invalid_token", resource_metadata="${PUBLIC}/.well-known/oauth-protected-resource/mcp/qlik"`,
    ]);
    expect(blamed).toEqual(['127.0.0.1']);
  });

  it('says nothing of a token where there was none', async () => {
    const found = await run(stage({ a: fixed(() => principal, false) }), fakeInbound('/mcp'));
    expect((found as GatewayError).headers[1]).toBe(
      `Bearer resource_metadata="${PUBLIC}/.well-known/oauth-protected-resource/mcp"`,
    );
  });

  it('asks for more scopes with a 403 and blames nobody', async () => {
    const blamed: string[] = [];
    const missing = fixed(() => {
      throw new MissingScopes(['a', 'b', 'offline_access']);
    });
    const found = (await run(stage({ a: missing }, blamed), withToken())) as GatewayError;
    expect(found).toMatchObject({ code: 'SCOPE_REQUIRED', status: 403 });
    expect(found.headers[1]).toBe(
      `Bearer error="insufficient_scope", scope="a b", resource_metadata="${PUBLIC}/.well-known/oauth-protected-resource/mcp/qlik"`,
    );
    expect(blamed).toEqual([]);
  });

  it('lets no failure of ours pass for a bad token', async () => {
    const down = fixed(() => {
      throw new GatewayError('IDENTITY_UNAVAILABLE', 'down');
    });
    const found = (await run(stage({ a: down, b: fixed(() => principal) }), withToken())) as GatewayError;
    expect(found).toMatchObject({ code: 'IDENTITY_UNAVAILABLE', headers: [] });
  });

  it('passes what later stages throw untouched', async () => {
    const failure = new GatewayError('CALLER_UNKNOWN', 'of theirs');
    const identify = stage({ a: fixed(async () => principal) });
    await expect(
      identify(fakeExchange(withToken()), () => {
        throw failure;
      }),
    ).rejects.toBe(failure);
  });

  it.each([
    ['a token and a key', ['Authorization', 'Bearer x', 'X-Api-Key', 'y']],
    ['two Authorization lines', ['Authorization', 'Bearer x', 'authorization', 'Bearer x']],
    ['two x-api-key lines', ['x-api-key', 'x', 'X-API-KEY', 'x']],
  ])('stops %s: each reader may believe another', async (_what, headerLines) => {
    const headers = new Map(
      headerLines.flatMap((text, i) => (i % 2 ? [] : [[text.toLowerCase(), headerLines[i + 1]]])) as [string, string][],
    );
    const request = { ...fakeInbound('/mcp'), headerLines, header: (name: string) => headers.get(name) };
    expect(await run(stage({ a: fixed(() => principal) }), request)).toMatchObject({ code: 'CALLER_UNKNOWN' });
  });

  it('asks anonymous last, wherever the configuration has it', async () => {
    const open = createProvider(anonymous, {}, identityDeps({ name: 'open' }));
    const certificate = fixed(() => {
      throw unknownCaller('bad certificate');
    });
    expect(await run(stage({ open, certificate }), fakeInbound('/mcp'))).toMatchObject({ code: 'CALLER_UNKNOWN' });
  });

  it('lets an unknown or mangled proof never be anonymous', async () => {
    const providers = {
      keys: createProvider(apiKey, {}, identityDeps()),
      open: createProvider(anonymous, { allowRemote: true }, identityDeps({ name: 'open' })),
    };
    const proofs = [
      'Basic eDp5',
      'Bearer',
      'Bearer  ',
      '',
      'Bearer ｄbk_x',
      'Bearer dbk_x, Bearer y',
      'Beаrer x',
      'Bearer dbk_a b',
    ];
    for (const authorization of proofs)
      expect(await run(stage(providers), fakeInbound('/mcp', { authorization }))).toMatchObject({
        code: 'CALLER_UNKNOWN',
      });
    for (const key of ['', 'secret', ' dbk_x', 'DBK_x', 'dbk_'])
      expect(await run(stage(providers), fakeInbound('/mcp', { 'x-api-key': key }))).toMatchObject({
        code: 'CALLER_UNKNOWN',
      });
  });
});

describe('anonymous', () => {
  const open = createProvider(anonymous, {}, identityDeps());

  it('is this machine', () => {
    for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])
      expect(open.recognises(inboundFrom(address))).toBe(true);
  });

  it('is nobody from elsewhere, unless that is allowed', () => {
    for (const address of ['10.0.0.1', '::ffff:10.0.0.1', '128.0.0.1', '1270.0.0.1', '', '::2'])
      expect(open.recognises(inboundFrom(address))).toBe(false);
    const wide = createProvider(anonymous, { allowRemote: true }, identityDeps());
    expect(wide.recognises(inboundFrom('10.0.0.1'))).toBe(true);
  });

  it('is nobody whom a proxy on this machine let through from elsewhere', () => {
    for (const name of ['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'Via'])
      expect(open.recognises(inboundFrom('127.0.0.1', { [name]: '203.0.113.9' }))).toBe(false);
  });
});
