import kind from '../../src/credentials/refreshToken.js';
import { ask, ORIGINS, PLACE, peopleWorld } from './peopleWorld.js';
import { everyPrintOf, issuesOf, rejection } from './world.js';

const OPTIONS = { tokenUrl: `${PLACE}/token`, clientId: 'client', refreshToken: 'refresh-0' };
const HOUR = 3_600_000;

describe('refresh-token', () => {
  it('is shown once, and what the provider gave in its place from then on', async () => {
    const here = peopleWorld('refresh-token', { ...OPTIONS, scope: 'tools', audience: 'api' });
    expect(await ask(await here.source())).toBe('token-1');
    expect(here.provider.form(-1)).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'refresh-0',
      scope: 'tools',
      audience: 'api',
      client_id: 'client',
    });
    here.deps.clock.time += HOUR;
    expect(await ask(await here.source())).toBe('token-2');
    here.deps.clock.time += HOUR;
    expect(await ask(await here.source())).toBe('token-3');
    expect(here.provider.grants).not.toContain('refused');
  });

  it('gives way to a new one that is written down, and comes back with the old configuration', async () => {
    const here = peopleWorld('refresh-token', OPTIONS);
    await ask(await here.source());
    const chain = here.provider.refreshToken;
    here.provider.refreshToken = 'new-root';
    expect(await ask(await here.source({ refreshToken: 'new-root' }))).toBe('token-2');
    here.provider.refreshToken = chain;
    here.deps.clock.time += HOUR;
    expect(await ask(await here.source())).toBe('token-3');
  });

  it('is renewed once, however many processes there are', async () => {
    const here = peopleWorld('refresh-token', OPTIONS);
    const sources = await Promise.all(Array.from({ length: 10 }, () => here.source()));
    expect(new Set(await Promise.all(sources.map((source) => ask(source))))).toEqual(new Set(['token-1']));
    expect(here.provider.grants).toEqual(['refresh_token']);
  });

  it('that serves no more is for the operator to mend; what was kept stays', async () => {
    const here = peopleWorld('refresh-token', OPTIONS);
    const source = await here.source();
    await ask(source);
    const good = here.provider.refreshToken;
    here.provider.refreshToken = 'forgotten';
    here.deps.clock.time += HOUR;
    const error = (await rejection(ask(source))) as Error & { mend: string };
    expect([error.name, error.message, error.mend]).toEqual([
      'CredentialError',
      `the token endpoint ${PLACE}/token answered 400: invalid_grant`,
      'Have the provider give a new refresh token, and write that down.',
    ]);
    expect(here.desk.begun).toEqual([]);
    here.provider.refreshToken = good;
    expect(await ask(source)).toBe('token-2');
  });

  it('stands in no dump', async () => {
    const here = peopleWorld('refresh-token', { ...OPTIONS, refreshToken: 'canary-refresh' });
    const source = await here.source();
    expect(everyPrintOf(source)).not.toContain('canary');
    expect(everyPrintOf(await rejection(ask(source)))).not.toContain('canary');
  });

  it('wants an issuer, or the token endpoint', () => {
    const given = { clientId: 'a', refreshToken: 'b', origins: ORIGINS };
    expect(issuesOf(kind, given)).toEqual([
      'tokenUrl: is needed, or an issuer alone, whose metadata names its endpoints',
    ]);
    expect(issuesOf(kind, { ...given, issuer: PLACE })).toEqual([]);
  });
});
