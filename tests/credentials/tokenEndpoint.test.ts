import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { jwtVerify } from 'jose';
import type { RestResponse } from '../../src/contracts.js';
import { CredentialError } from '../../src/core/errors.js';
import { RestError } from '../../src/core/restError.js';
import { Secret } from '../../src/core/secret.js';
import { type Client, requestToken, type TokenRequest } from '../../src/credentials/tokenEndpoint.js';
import { depsWith, everyPrintOf, FakeRest, jsonAnswer, rejection, tokenAnswer } from './world.js';

const SECRET = 'canary s3cret/+=';
const form: Client = { authentication: 'form', id: 'me', secret: new Secret(SECRET) };
const { signal } = new AbortController();

function requestWith(given: Partial<TokenRequest> = {}): TokenRequest {
  return {
    url: new URL('https://idp.example.com/oauth/token?tenant=canary-query'),
    client: form,
    format: 'form',
    parameters: { grant_type: 'client_credentials', scope: undefined },
    words: { url: 'tokenUrl', client: 'clientId and clientSecret' },
    ...given,
  };
}

async function exchange(answer: RestResponse | RestError, given: Partial<TokenRequest> = {}) {
  const provider = new FakeRest();
  provider.answer = () => answer;
  const deps = depsWith({ rest: provider.rest });
  return {
    provider,
    deps,
    result: await requestToken(requestWith(given), deps, signal).catch((error: Error) => error),
  };
}

async function failure(answer: RestResponse | RestError): Promise<CredentialError> {
  const { result } = await exchange(answer);
  expect(result).toBeInstanceOf(CredentialError);
  expect(everyPrintOf(result)).not.toContain('canary');
  return result as CredentialError;
}

const jwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.sig`;

describe('a token request', () => {
  it('puts id and secret in a form', async () => {
    const { provider } = await exchange(tokenAnswer('t'));
    const [sent] = provider.requests;
    expect(sent).toMatchObject({ method: 'POST', url: 'https://idp.example.com/oauth/token?tenant=canary-query' });
    expect(sent?.headers).toEqual({ 'content-type': 'application/x-www-form-urlencoded' });
    expect(sent?.body).toBe('grant_type=client_credentials&client_id=me&client_secret=canary+s3cret%2F%2B%3D');
  });

  it('writes JSON where that is asked', async () => {
    const { provider } = await exchange(tokenAnswer('t'), { format: 'json' });
    expect(provider.requests[0]?.headers).toEqual({ 'content-type': 'application/json' });
    expect(JSON.parse(provider.requests[0]?.body ?? '')).toEqual({
      grant_type: 'client_credentials',
      client_id: 'me',
      client_secret: SECRET,
    });
  });

  it('encodes both halves of Basic (RFC 6749 section 2.3.1)', async () => {
    const client: Client = { authentication: 'basic', id: 'a:b', secret: new Secret('c d') };
    const { provider } = await exchange(tokenAnswer('t'), { client });
    expect(provider.requests[0]?.headers?.authorization).toBe(`Basic ${Buffer.from('a%3Ab:c+d').toString('base64')}`);
    expect(provider.requests[0]?.body).toBe('grant_type=client_credentials');
  });

  it('signs an assertion that lives a minute and is made for this endpoint (RFC 7523)', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const client: Client = {
      authentication: 'private_key_jwt',
      id: 'me',
      signer: { key: privateKey, algorithm: 'RS512', keyId: 'k1' },
      audience: 'https://idp.example.com/oauth/token',
    };
    const { provider, deps } = await exchange(tokenAnswer('t'), { client });
    const sent = new URLSearchParams(provider.requests[0]?.body);
    const { payload, protectedHeader } = await jwtVerify(
      sent.get('client_assertion') ?? '',
      createPublicKey(privateKey),
      { currentDate: new Date(deps.clock.now()) },
    );
    const iat = deps.clock.now() / 1000;
    expect(protectedHeader).toEqual({ alg: 'RS512', kid: 'k1', typ: 'JWT' });
    expect(payload).toEqual({
      iss: 'me',
      sub: 'me',
      aud: client.audience,
      iat,
      exp: iat + 60,
      jti: expect.stringMatching(/^[\da-f-]{36}$/),
    });
    expect(sent.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
  });

  it('shows a certificate and no secret (RFC 8705)', async () => {
    const client: Client = { authentication: 'tls', id: 'me', certificate: 'CERT', key: new Secret('KEY') };
    const { provider } = await exchange(tokenAnswer('t'), { client });
    expect(provider.requests[0]).toMatchObject({
      body: 'grant_type=client_credentials&client_id=me',
      tls: { cert: 'CERT', key: 'KEY' },
    });
  });
});

describe('a token’s life', () => {
  it.each([
    ['seconds', 43199, 'opaque', 43_199_000],
    ['seconds as text', '43199', 'opaque', 43_199_000],
    ['nothing, opaque', null, 'opaque', 1_800_000],
    ['nonsense', 'soon', 'opaque', 1_800_000],
    ['zero', 0, 'opaque', 1_800_000],
    ['nothing, a JWT of a provider whose clock is off', null, jwt({ iat: 1000, exp: 1600 }), 600_000],
    ['nothing, a JWT without iat', null, jwt({ exp: Date.UTC(2026, 10, 20) / 1000 + 60 }), 60_000],
    ['nothing, a JWT that ended', null, jwt({ exp: 5 }), 1_800_000],
    ['nothing, no JWT in spite of its dots', null, 'a.b.c', 1_800_000],
  ])('is read from %s', async (_name, expiresIn, value, life) => {
    const { result } = await exchange(tokenAnswer(value, expiresIn));
    const obtainedAt = Date.UTC(2026, 10, 20);
    expect(result).toEqual({ value, obtainedAt, expiresAt: obtainedAt + life });
  });
});

describe('a token endpoint that does not give a token', () => {
  const at = 'the token endpoint https://idp.example.com/oauth/token';
  const text = (status: number, body: string, headers: Record<string, string> = {}): RestResponse => ({
    status,
    headers,
    body,
  });

  it.each<[string, RestResponse, string, RegExp]>([
    [
      'UAA',
      jsonAnswer(401, { error: 'unauthorized', error_description: 'Bad credentials' }),
      '401: unauthorized: Bad credentials',
      /^Check clientId and clientSecret:/,
    ],
    ['RFC 6749', jsonAnswer(400, { error: 'invalid_scope' }), '400: invalid_scope', /scope/],
    [
      'Qlik',
      jsonAnswer(401, { errors: [{ code: 'OAUTH-22', title: 'Invalid client_secret' }] }),
      '401: OAUTH-22: Invalid client_secret',
      /^Check clientId/,
    ],
    [
      'an error with status 200',
      jsonAnswer(200, { error: 'invalid_client' }),
      '200: invalid_client',
      /^Check clientId/,
    ],
    ['a code that objects know', jsonAnswer(400, { error: 'constructor' }), '400: constructor', /tokenUrl/],
    ['HTML', text(200, '\n<!doctype html>'), '200: an HTML or XML page instead of JSON', /^Check tokenUrl/],
    ['nothing', text(200, ''), '200: an empty body', /^Check tokenUrl/],
    ['half of JSON', text(200, '{"access_token": '), '200: a body that is not a JSON object', /^Check tokenUrl/],
    ['a JSON array', text(200, '[]'), '200: a body that is not a JSON object', /^Check tokenUrl/],
    [
      'JSON without token',
      jsonAnswer(200, { access_token: 7 }),
      '200: JSON without an access_token',
      /^Check tokenUrl/,
    ],
    ['other JSON', jsonAnswer(404, { message: 'x' }), '404: JSON without an error that is known', /^Check tokenUrl/],
    [
      'a redirect',
      text(302, '', { location: '/login?canary' }),
      '302: a redirect, which is not followed',
      /perhaps https:\/\/idp\.example\.com\/login\.$/,
    ],
    [
      'a broken redirect',
      text(302, '', { location: 'http://[' }),
      '302: a redirect, which is not followed',
      /answers itself\.$/,
    ],
    ['the wrong format', text(415, ''), '415: an empty body', /format/],
    ['a fault', text(503, 'down'), '503: a body that is not a JSON object', /by itself/],
  ])('says what %s said and what mends it', async (_name, answer, said, mend) => {
    const error = await failure(answer);
    expect(error.message).toBe(`${at} answered ${said}`);
    expect(error.mend).toMatch(mend);
  });

  it.each([
    ['seconds', '7', 7000],
    ['a date', 'Fri, 20 Nov 2026 00:01:00 GMT', 60_000],
    ['a date that has passed', 'Fri, 20 Nov 2020 00:01:00 GMT', 0],
    ['nonsense', 'later', undefined],
  ])('hears Retry-After as %s', async (_name, value, retryAfterMs) => {
    expect(await failure(text(429, '', { 'retry-after': value }))).toMatchObject({ retryAfterMs });
  });

  it('keeps what it heard short and on one line', async () => {
    const error = await failure(
      jsonAnswer(400, { error: 'bad', error_description: `a\r\nb\u0000c\u2028d\u202ee ${'x'.repeat(999)}` }),
    );
    expect(error.message).toContain('answered 400: bad: a b c d e xxx');
    expect(error.message.length).toBeLessThan(400);
    expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}\u2028]/u);
  });

  it.each([SECRET, encodeURIComponent(SECRET), 'canary+s3cret%2F%2B%3D'])(
    'withholds words that repeat the secret (%#)',
    async (shown) => {
      const error = await failure(
        jsonAnswer(401, { error: 'invalid_client', error_description: `no such secret: ${shown}` }),
      );
      expect(error.message).toBe(`${at} answered 401: (its words are withheld: they repeat a secret)`);
    },
  );

  it('refuses a token that is not a bearer token, or that no header can carry', async () => {
    const bound = await failure(jsonAnswer(200, { access_token: 'x', token_type: 'DPoP' }));
    const split = await failure(jsonAnswer(200, { access_token: 'x\r\nHost: y' }));
    expect([bound.message, split.message]).toEqual([
      `${at} gave a token that is not a bearer token`,
      `${at} gave a token that no header can carry`,
    ]);
  });

  it.each(['unreachable', 'timeout', 'tls', 'too-large', 'aborted'] as const)(
    'says that there was no answer (%s)',
    async (reason) => {
      const error = await failure(new RestError(reason, 'nobody there (CODE)'));
      expect(error.message).toBe(`${at} gave no answer: nobody there (CODE)`);
      expect(error.mend).not.toBe('');
    },
  );

  it('does not repeat what a client library threw', async () => {
    const deps = depsWith({ rest: () => Promise.reject(new TypeError('boom')) });
    expect((await rejection(requestToken(requestWith(), deps, signal))).message).toBe(
      `the token request to ${at.slice(19)} could not be made`,
    );
  });
});
