import { generateKeyPairSync } from 'node:crypto';
import { jwtVerify } from 'jose';
import type { Asking, Exchange, Principal } from '../../src/contracts.js';
import { CallerProof } from '../../src/core/callerProof.js';
import jwtBearer from '../../src/credentials/jwtBearer.js';
import passthrough from '../../src/credentials/passthrough.js';
import tokenExchange from '../../src/credentials/tokenExchange.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';
import { SteppedClock } from './steppedClock.js';
import {
  createSource,
  depsWith,
  everyPrintOf,
  FakeRest,
  issuesOf,
  jsonAnswer,
  rejection,
  tokenAnswer,
} from './world.js';

const origins = ['https://mcp.example.com'];
const TYPE = 'urn:ietf:params:oauth:token-type:';
const client = { tokenUrl: 'https://idp.example.com/token', clientId: 'gate', clientSecret: 'canary-s' };
const { signal } = new AbortController();
const CANARY = 'callers.own.canary';
const ada: Principal = {
  subject: 'corp:ada',
  roles: [],
  claims: { sub: 'ada', email: 'ada@example.com', ext: { id: '7' }, groups: ['a'] },
  proof: new CallerProof(CANARY, 'p', 2_000_000_000),
};
const asking: Asking = { owner: ada, url: new URL('https://mcp.example.com/mcp?x=1'), caller: ada };
const formOf = (body: string | undefined) => Object.fromEntries(new URLSearchParams(body));

describe('the token-exchange credential', () => {
  it('sends the caller’s token, what it is, and what is wanted for it', async () => {
    const provider = new FakeRest();
    const options = { ...client, origins, audience: 'tools', resource: 'https://mcp.example.com/mcp', scope: 'a b' };
    const wanted = { requestedTokenType: 'jwt', subjectTokenType: 'id_token', parameters: { extra: '1' } };
    const source = await createSource(tokenExchange, { ...options, ...wanted }, depsWith({ rest: provider.rest }));
    expect((await source.acquire(signal, asking)).value).toBe('token');
    expect(formOf(provider.requests[0]?.body)).toEqual({
      extra: '1',
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: CANARY,
      subject_token_type: `${TYPE}id_token`,
      requested_token_type: `${TYPE}jwt`,
      scope: 'a b',
      audience: 'tools',
      resource: 'https://mcp.example.com/mcp',
      client_id: 'gate',
      client_secret: 'canary-s',
    });
    expect([source.scope, source.basis?.(ada)]).toEqual(['caller', ada.proof]);
  });

  it('sends the token of whoever acts for the caller, had once for all callers and renewed before its end', async () => {
    const provider = new FakeRest();
    const clock = new SteppedClock();
    let acting = 0;
    provider.answer = ({ body }) =>
      formOf(body).grant_type === 'client_credentials' ? tokenAnswer(`actor-${++acting}`, 600) : tokenAnswer('good');
    const actor = { ...client, tokenUrl: 'https://idp.example.com/actor', scope: 'act' };
    const source = await createSource(
      tokenExchange,
      { ...client, origins, actor },
      depsWith({ rest: provider.rest, clock }),
    );
    await Promise.all([source.acquire(signal, asking), source.acquire(signal, asking)]);
    expect(provider.requests.filter(({ url }) => url.endsWith('/actor'))).toHaveLength(1);
    expect(formOf(provider.requests.at(-1)?.body)).toMatchObject({
      actor_token: 'actor-1',
      actor_token_type: `${TYPE}access_token`,
    });
    await clock.advance(595_000);
    await source.acquire(signal, asking);
    expect(formOf(provider.requests.at(-1)?.body).actor_token).toBe('actor-2');
  });

  it('takes what is no access token only where it was asked for', async () => {
    const provider = new FakeRest();
    provider.answer = () => jsonAnswer(200, { access_token: 'x', token_type: 'N_A', issued_token_type: `${TYPE}jwt` });
    const deps = depsWith({ rest: provider.rest });
    const source = await createSource(tokenExchange, { ...client, origins }, deps);
    expect((await rejection(source.acquire(signal, asking))).message).toMatch(/not a bearer token/);
    const other = await createSource(tokenExchange, { ...client, origins, requestedTokenType: 'jwt' }, deps);
    expect((await other.acquire(signal, asking)).value).toBe('x');
  });

  it('says what mends a refusal, and never the caller’s token, whatever the provider repeats', async () => {
    const provider = new FakeRest();
    const source = await createSource(tokenExchange, { ...client, origins }, depsWith({ rest: provider.rest }));
    provider.answer = () => jsonAnswer(400, { error: 'invalid_grant', error_description: `no: ${CANARY}` });
    const error = (await rejection(source.acquire(signal, asking))) as Error & { mend: string };
    expect(error.mend).toMatch(/trusts the issuer of the caller's token/);
    expect(everyPrintOf(error)).not.toContain(CANARY);
  });

  it('refuses options that cannot be meant', () => {
    expect(issuesOf(tokenExchange, { ...client, origins, subjectTokenType: 'password' })[0]).toMatch(
      /^subjectTokenType: must be access_token, .* or a URI$/,
    );
    const actor = { tokenUrl: client.tokenUrl, clientId: 'a' };
    expect(issuesOf(tokenExchange, { ...client, origins, actor })).toEqual([
      'actor.clientSecret: is needed where authentication is form',
    ]);
    expect(issuesOf(tokenExchange, { origins, tokenUrl: client.tokenUrl, clientId: 'a' })).toHaveLength(1);
  });
});

describe('the jwt-bearer credential', () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const sign = { identity: 'corp', issuer: 'https://gate.example.com', subject: 'email', privateKey, keyId: 'k' };

  it('shows the caller’s token as the assertion', async () => {
    const provider = new FakeRest();
    const source = await createSource(jwtBearer, { ...client, origins, scope: 's' }, depsWith({ rest: provider.rest }));
    await source.acquire(signal, asking);
    expect(formOf(provider.requests[0]?.body)).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: CANARY,
      scope: 's',
      client_id: 'gate',
      client_secret: 'canary-s',
    });
    expect(source.perServer).toBeUndefined();
  });

  it('signs an assertion for the caller, by a claim of a caller of that identity', async () => {
    const provider = new FakeRest();
    const clock = new SteppedClock();
    const options = { ...client, origins, sign: { ...sign, claims: { scope: 'x' }, lifetimeSeconds: 60 } };
    const source = await createSource(jwtBearer, options, depsWith({ rest: provider.rest, clock }));
    expect(source.basis?.(ada)).toEqual({ id: 'ada@example.com', expiresAt: 2_000_000_000_000 });
    await source.acquire(signal, asking);
    const { assertion = '' } = formOf(provider.requests[0]?.body);
    const { payload, protectedHeader } = await jwtVerify(assertion, pair.publicKey, {
      currentDate: new Date(clock.now()),
      audience: client.tokenUrl,
      issuer: sign.issuer,
    });
    expect(payload).toMatchObject({ sub: 'ada@example.com', scope: 'x', jti: expect.any(String) });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
    expect(protectedHeader).toEqual({ alg: 'ES256', kid: 'k', typ: 'JWT' });
    expect(JSON.stringify(provider.requests)).not.toContain(CANARY);
  });

  it.each<[string, string, Partial<Principal>]>([
    ['of another identity, who calls itself the same', 'email', { subject: 'partners:ada' }],
    ['of an identity that begins alike', 'email', { subject: 'corporate:ada' }],
    ['without the claim', 'upn', {}],
    ['whose claim is no text', 'groups', {}],
    ['whose claim is inherited', 'constructor', {}],
  ])('vouches for no caller %s', async (_title, subject, more) => {
    const source = await createSource(jwtBearer, { ...client, origins, sign: { ...sign, subject } }, depsWith({}));
    expect(() => source.basis?.({ ...ada, ...more })).toThrow(expect.objectContaining({ code: 'CALLER_TOKEN_NEEDED' }));
  });

  it('finds a claim inside another', async () => {
    const options = { ...client, origins, sign: { ...sign, subject: 'ext.id' } };
    const source = await createSource(jwtBearer, options, depsWith({}));
    expect(source.basis?.(ada).id).toBe('7');
  });

  const identityProvider = {
    ...client,
    tokenUrl: 'https://corp.example.com/token',
    audience: 'https://as.example.com',
  };

  it('redeems an identity assertion of the callers’ own provider, for the server that is called', async () => {
    const provider = new FakeRest();
    provider.answer = ({ url }) =>
      url.startsWith('https://corp.')
        ? jsonAnswer(200, { access_token: 'the-jag', token_type: 'N_A', issued_token_type: `${TYPE}id-jag` })
        : tokenAnswer('good');
    const source = await createSource(
      jwtBearer,
      { ...client, origins, identityProvider },
      depsWith({ rest: provider.rest }),
    );
    expect((await source.acquire(signal, asking)).value).toBe('good');
    const [first, second] = provider.requests.map(({ body }) => formOf(body));
    expect(first).toMatchObject({
      requested_token_type: `${TYPE}id-jag`,
      subject_token: CANARY,
      subject_token_type: `${TYPE}id_token`,
      audience: 'https://as.example.com',
      resource: 'https://mcp.example.com/mcp',
    });
    expect(second?.assertion).toBe('the-jag');
    expect(JSON.stringify(second)).not.toContain(CANARY);
    expect(source.perServer).toBe(true);
  });

  it('redeems nothing else that the provider may issue', async () => {
    const provider = new FakeRest();
    provider.answer = () =>
      jsonAnswer(200, { access_token: 'x', token_type: 'Bearer', issued_token_type: `${TYPE}access_token` });
    const options = { ...client, origins, identityProvider };
    const source = await createSource(jwtBearer, options, depsWith({ rest: provider.rest }));
    expect((await rejection(source.acquire(signal, asking))).message).toMatch(/another type/);
    expect(provider.requests).toHaveLength(1);
  });

  it('refuses options that cannot be meant', () => {
    expect(issuesOf(jwtBearer, { ...client, origins, sign, identityProvider })).toEqual([
      ': write either sign or identityProvider',
    ]);
    expect(issuesOf(jwtBearer, { ...client, origins, sign: { ...sign, claims: { sub: 'x' } } })[0]).toMatch(
      /^sign.claims.sub: is written by Drawbridge/,
    );
    expect(issuesOf(jwtBearer, { ...client, origins, sign: { ...sign, algorithm: 'RS256' } })).toEqual([
      'sign.algorithm: does not fit the private key',
    ]);
    const { identity: _, ...anybody } = sign;
    expect(issuesOf(jwtBearer, { ...client, origins, sign: anybody })).toHaveLength(1);
  });

  it('says what mends a refusal that a UAA words like that of a bad client', async () => {
    const provider = new FakeRest();
    provider.answer = () => jsonAnswer(401, { error: 'unauthorized', error_description: 'Bad credentials' });
    const source = await createSource(jwtBearer, { ...client, origins }, depsWith({ rest: provider.rest }));
    const { mend } = (await rejection(source.acquire(signal, asking))) as Error & { mend: string };
    expect(mend).toMatch(/refuses this client\. Or it refuses the caller: .*in its audience/);
  });
});

describe('the passthrough credential', () => {
  const HEADER = 'x-drawbridge-authorization';
  const said = (headers: Record<string, string>, tokenIsOurs?: boolean): Exchange =>
    fakeExchange(fakeInbound('/mcp', headers), tokenIsOurs === undefined ? {} : { tokenIsOurs });
  const passed = async (exchange: Exchange, options: object = {}) => {
    const source = await createSource(passthrough, { origins, ...options }, depsWith({}));
    return source.passOn?.(exchange).headers;
  };

  it.each<[string, Record<string, string>, boolean | undefined, object, string[]]>([
    ['a header of its own', { [HEADER]: 'Bearer x' }, true, {}, ['Authorization', 'Bearer x']],
    [
      'the line itself, where no identity took it',
      { authorization: 'Basic x' },
      undefined,
      {},
      ['Authorization', 'Basic x'],
    ],
    ['the line itself beside a certificate', { authorization: 'Bearer x' }, false, {}, ['Authorization', 'Bearer x']],
    ['its header before the line', { [HEADER]: 'B y', authorization: 'B x' }, false, {}, ['Authorization', 'B y']],
    ['nothing of a line that identity verified', { authorization: 'Bearer x' }, true, {}, []],
    ['nothing where there is nothing', {}, undefined, {}, []],
    [
      'another header, as another',
      { 'x-drawbridge-k': 'v' },
      true,
      { header: 'X-Drawbridge-K', as: 'X-Key' },
      ['X-Key', 'v'],
    ],
    ['no Authorization as another header', { authorization: 'Bearer x' }, undefined, { as: 'X-Key' }, []],
  ])('passes on %s', async (_title, headers, ours, options, expected) => {
    expect(await passed(said(headers, ours), options)).toEqual(expected);
  });

  it.each([
    ['as it is', { authorization: 'Bearer mine', [HEADER]: 'Bearer mine' }],
    ['under another scheme', { authorization: 'Bearer mine', [HEADER]: 'token  mine' }],
    ['without any', { authorization: 'Bearer mine', [HEADER]: 'mine' }],
    ['though it is a key', { 'x-api-key': 'mine', [HEADER]: 'Bearer mine' }],
  ])('refuses to pass on what the caller proved itself with, %s', async (_title, headers) => {
    await expect(passed(said(headers, true))).rejects.toMatchObject({ code: 'CALLER_TOKEN_NEEDED', status: 403 });
  });

  it('refuses two of its headers', async () => {
    const exchange = said({ [HEADER]: 'Bearer x' });
    Object.assign(exchange.request, { headerLines: [HEADER, 'Bearer x', HEADER.toUpperCase(), 'Bearer y'] });
    await expect(passed(exchange)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });

  it('refuses a header that other destinations would be sent', () => {
    expect(issuesOf(passthrough, { origins, header: 'x-github-token' })).toEqual([
      'header: must begin with x-drawbridge-',
    ]);
    expect(issuesOf(passthrough, { origins, as: 'Host' })).toHaveLength(1);
  });
});
