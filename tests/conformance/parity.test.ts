import { startDrawbridge } from './drawbridge.js';
import { type Fixture, startFixture } from './fixtureServer.js';
import { type Revision, runSuite, type SuiteRun } from './runSuite.js';
import { startTokenEndpoint, type TokenEndpoint } from './tokenEndpoint.js';

const suiteMs = 60_000;
const clientId = 'conformance';
const clientSecret = 'only-for-this-test';

/**
 * The official suite sends no credentials: what it learns through Drawbridge about a server that wants a token has to
 * be, check by check, what it learns from the same server without one.
 */
describe.each<[Revision, number]>([
  ['2025-11-25', 84],
  ['2026-07-28', 164],
])('the official suite for %s', (revision, passed) => {
  let open: Fixture;
  let guarded: Fixture;
  let tokens: TokenEndpoint;
  let direct: SuiteRun;

  beforeAll(async () => {
    tokens = await startTokenEndpoint(clientId, clientSecret);
    open = await startFixture();
    guarded = await startFixture({ requireBearer: tokens.issued });
    direct = await runSuite(open.url, revision);
  }, suiteMs);

  afterAll(async () => {
    await Promise.all([open?.close(), guarded?.close(), tokens?.close()]);
  });

  it('passes at the fixture itself, but for the tasks extension, which it does not offer', () => {
    const failed = direct.checks.filter((line) => line.includes('FAILURE') && !line.startsWith('tasks-'));
    expect({ failed, exitCode: direct.exitCode, passed: passedIn(direct) }).toEqual({
      failed: [],
      exitCode: 0,
      passed,
    });
  });

  it('is refused where no token is shown', async () => {
    expect((await fetch(guarded.url, { method: 'POST' })).status).toBe(401);
  });

  it(
    'finds the same through Drawbridge',
    async () => {
      const drawbridge = await startDrawbridge(configFor(guarded, tokens));
      const proxied = await runSuite(drawbridge.url, revision).finally(drawbridge.stop);
      expect(proxied.checks).toEqual(direct.checks);
      expect(proxied.exitCode).toBe(0);
    },
    suiteMs,
  );
});

function passedIn(run: SuiteRun): number {
  return run.checks.join().match(/\bSUCCESS /g)?.length ?? 0;
}

function configFor(upstream: Fixture, tokens: TokenEndpoint) {
  return {
    server: { defaultDestination: 'fixture' },
    destinations: { fixture: { kind: 'http', url: upstream.url, credential: 'jobs' } },
    credentials: {
      jobs: {
        kind: 'client-credentials',
        tokenUrl: tokens.url,
        clientId,
        clientSecret,
        origins: [new URL(upstream.url).origin],
      },
    },
  };
}
