import { systemClock } from '../../src/core/async.js';
import { ConfigError } from '../../src/core/errors.js';
import jwt from '../../src/identity/jwt.js';
import { SteppedClock } from '../credentials/steppedClock.js';
import { issuesOf } from '../credentials/world.js';
import { OIDC_SECRET, startOidcProvider } from '../helpers/identityProviders.js';
import {
  bearer,
  createProvider,
  fate,
  type IssuerServer,
  identityDeps,
  PUBLIC,
  signingKey,
  startIssuerServer,
} from './world.js';

describe('jwt', () => {
  let clock: SteppedClock;
  let issuer: IssuerServer;

  beforeEach(async () => {
    clock = new SteppedClock();
    issuer = await startIssuerServer(clock);
  });
  afterEach(() => issuer.close());

  const provider = (options: object = {}) =>
    createProvider(jwt, { issuer: issuer.url, ...options }, identityDeps({ clock }));

  it('answers the second call of a token without a promise', async () => {
    const it = provider();
    const request = bearer(await issuer.token());
    const first = it.verify(request);
    expect(first).toBeInstanceOf(Promise);
    const principal = await first;
    expect(it.verify(request)).toBe(principal);
    expect(issuer.hits).toEqual({ keys: 1, discovery: 1 });
  });

  it('verifies a token once for many calls at the same time', async () => {
    const it = provider();
    const request = bearer(await issuer.token());
    const found = await Promise.all([it.verify(request), it.verify(request), it.verify(request)]);
    expect(new Set(found).size).toBe(1);
  });

  it('takes a new key as soon as a token names it, and drops one that the issuer withdrew', async () => {
    const it = provider();
    const old = bearer(await issuer.token());
    await fate(it, old);
    const second = await signingKey('second', 'RS256');
    issuer.keys = [second.jwk];
    await clock.advance(31_000);
    expect(await fate(it, bearer(await issuer.token({}, {}, second)))).toMatchObject({ subject: 'corp:ada' });
    await clock.advance(15 * 60_000);
    expect(await fate(it, old)).toBe('CALLER_UNKNOWN');
  });

  it('lets a token for one route reach that destination only', async () => {
    const request = bearer(await issuer.token({ aud: [`${PUBLIC}/mcp/qlik`, 'https://elsewhere.example.com'] }));
    expect(await fate(provider(), request)).toMatchObject({ destinations: ['qlik'], byAudience: true });
    for (const aud of [PUBLIC, `${PUBLIC}/`, `${PUBLIC}/mcp`])
      expect(await fate(provider(), bearer(await issuer.token({ aud })))).not.toHaveProperty('destinations');
  });

  it.each([
    ['Entra', { tenant: 'tid', subject: 'oid' }, { oid: 'o1', tid: 't1', roles: ['Reader'], scp: 'a b' }],
    ['Okta', { tenant: 'org', roles: 'groups' }, { sub: 'o1', org: 't1', groups: ['Reader'], scp: ['a', 'b'] }],
    [
      'Keycloak',
      { tenant: 'org', roles: ['realm_access.roles'] },
      { sub: 'o1', org: 't1', realm_access: { roles: ['Reader'] }, scope: 'a b' },
    ],
    [
      'XSUAA',
      { subject: 'user_id', tenant: 'zid', roles: 'xs.system.attributes.xs.rolecollections' },
      { user_id: 'o1', zid: 't1', scope: ['a', 'b'], 'xs.system.attributes': { 'xs.rolecollections': ['Reader'] } },
    ],
    [
      'Auth0',
      { tenant: 'org', roles: 'https://x.example/r' },
      { sub: 'o1', org: 't1', 'https://x.example/r': ['Reader'], scope: 'a b' },
    ],
  ])('reads the claims of %s', async (_name, options, claims) => {
    const found = await fate(provider(options), bearer(await issuer.token(claims)));
    expect(found).toMatchObject({ subject: 'corp:o1', tenant: 't1', scopes: ['a', 'b'] });
    expect(found).toMatchObject({ roles: ['Reader'] });
  });

  it('finds no roles in prototypes', async () => {
    const options = { roles: ['__proto__.x', 'constructor.name', 'toString'] };
    expect(await fate(provider(options), bearer(await issuer.token()))).toMatchObject({ roles: [] });
  });

  it('refuses a token without the tenant that is asked for', async () => {
    expect(await fate(provider({ tenant: 'tid' }), bearer(await issuer.token()))).toBe('CALLER_UNKNOWN');
  });

  it('asks for the scopes that every token needs, the second time too', async () => {
    const it = provider({ requiredScopes: ['mcp:execute'] });
    const request = bearer(await issuer.token({ scope: 'other' }));
    expect(await fate(it, request)).toBe('SCOPE_REQUIRED');
    expect(await fate(it, request)).toBe('SCOPE_REQUIRED');
    expect(await fate(it, bearer(await issuer.token({ scope: 'x mcp:execute' })))).toMatchObject({
      scopes: ['x', 'mcp:execute'],
    });
  });

  it('will not guess whom tokens are for', () => {
    expect(() => createProvider(jwt, { issuer: issuer.url }, identityDeps({ publicUrl: undefined }))).toThrow(
      ConfigError,
    );
  });

  it('refuses an issuer that anybody on the way could speak for', () => {
    for (const url of ['http://idp.example.com', 'https://idp.example.com?x=1', 'https://u:p@idp.example.com', 'idp'])
      expect(issuesOf(jwt, { issuer: url })[0]).toContain('issuer: must be an https URL');
  });

  it('knows the tokens of the real oidc-provider', async () => {
    const real = await startOidcProvider();
    try {
      const form = {
        grant_type: 'client_credentials',
        client_id: 'post',
        client_secret: OIDC_SECRET,
        resource: PUBLIC,
        scope: 'tools:read',
      };
      const answer = await fetch(real.tokenUrl, { method: 'POST', body: new URLSearchParams(form) });
      const { access_token } = (await answer.json()) as { access_token: string };
      const deps = identityDeps({ clock: systemClock });
      const it = createProvider(jwt, { issuer: real.url, requiredScopes: ['tools:read'] }, deps);
      expect(await fate(it, bearer(access_token))).toMatchObject({ subject: 'corp:post', scopes: ['tools:read'] });
    } finally {
      await real.close();
    }
  });
});
