import { readExceptions } from './exceptions.js';
import { startFixture } from './fixtureServer.js';
import { type Revision, runScenario, runSuite, type SuiteRun } from './runSuite.js';
import { type Way, ways } from './ways.js';

const suiteMs = 90_000;
const exceptions = readExceptions();
const revisions: readonly Revision[] = ['2025-11-25', '2026-07-28'];

/**
 * What passes at the fixture itself has to pass on every way to it, whatever revisions and transports lie on that way,
 * except for what docs/bridging.md lists; and nothing is listed there that passes.
 */
describe.each(revisions)('the official suite for %s', (revision) => {
  let direct: SuiteRun;

  beforeAll(async () => {
    const fixture = await startFixture();
    direct = await runSuite(fixture.url, revision).finally(fixture.close);
  }, suiteMs);

  it.each(ways.filter((way) => way.revisions.includes(revision)))(
    'finds all it finds at the server itself by way of $name',
    async (way) => {
      const opened = await way.open();
      const run = await runAll(opened.url, revision).finally(opened.stop);
      const listed = listedFor(way, revision);
      const lost = lostOn(run, direct);
      const unlisted = [...lost].filter(([check]) => !listed.includes(check));
      expect(unlisted.map(([check, why]) => `${check}: ${why}`)).toEqual([]);
      expect(listed.filter((check) => !lost.has(check))).toEqual([]);
    },
    suiteMs,
  );
});

it('lists exceptions of ways that there are, each with a reason', () => {
  const known = ways.flatMap(({ name, revisions: own }) => own.map((revision) => `${name}, ${revision}`));
  for (const { way, revision, reason } of exceptions) {
    expect(known).toContain(`${way}, ${revision}`);
    expect(reason).not.toBe('');
  }
});

/**
 * A check that gives an answer 600 ms, in words that it has for nothing else. It is the first call of a client that can be
 * asked, so a server that is started by a command may only be starting then: tried again, its process runs.
 */
const HASTY = 'server-stateless/sep-2575-http-server-no-independent-requests-on-stream';
const TOO_LATE = /^Failed to receive progressive stream chunk execution frames/;

/** The suite; a check that failed by its own haste and nothing else is made once more, at the same processes. */
async function runAll(url: string, revision: Revision): Promise<SuiteRun> {
  const run = await runSuite(url, revision);
  if (!TOO_LATE.test(run.verdicts.get(HASTY) ?? '')) return run;
  const again = await runScenario(url, revision, 'server-stateless');
  return { ...run, verdicts: new Map([...run.verdicts, [HASTY, verdictOf(again, HASTY)]]) };
}

/** `scenario/check` of what passes directly and not here, and what was wrong. */
function lostOn(run: SuiteRun, direct: SuiteRun): Map<string, string> {
  const passing = [...direct.verdicts].filter(([, wrong]) => wrong === null).map(([check]) => check);
  const lost = passing.map((check): [string, string | null] => [check, verdictOf(run, check)]);
  return new Map(lost.filter((entry): entry is [string, string] => entry[1] !== null));
}

function verdictOf({ verdicts }: SuiteRun, check: string): string | null {
  return verdicts.get(check) ?? notMade(verdicts, check);
}

function notMade(verdicts: SuiteRun['verdicts'], check: string): string | null {
  return verdicts.has(check) ? null : 'was never made';
}

function listedFor({ name }: Way, revision: Revision): string[] {
  return exceptions
    .filter((exception) => exception.way === name && exception.revision === revision)
    .map(({ check }) => check);
}
