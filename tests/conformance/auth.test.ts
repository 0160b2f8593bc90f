import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { programNode } from '../helpers/programNode.js';
import { authScenarios, type Revision, runClient } from './runSuite.js';

const scenarioMs = 90_000;
const allMs = 10 * 60_000;
const client = fileURLToPath(new URL('./authClient.mjs', import.meta.url));
const command = `'${programNode()}' '${client}'`;
const revisions: readonly Revision[] = ['2025-11-25', '2026-07-28'];
const page = readFileSync(new URL('../../docs/kinds/mcp-oauth.md', import.meta.url), 'utf8');

/** The official suite's scenarios for OAuth clients, with Drawbridge as the client of the kind `mcp-oauth`. */
describe.each(revisions)('as an OAuth client of %s', (revision) => {
  it(
    'passes every scenario that the revision requires',
    async () => {
      const { required } = await authScenarios(revision);
      expect(required.length).toBeGreaterThanOrEqual(revision === '2025-11-25' ? 14 : 25);
      const failed: string[] = [];
      // One after the other: what these scenarios measure, they measure in seconds.
      for (const scenario of required) {
        const wrong = await runClient(command, scenario, revision);
        if (wrong !== null) failed.push(`${scenario}:\n${wrong.slice(-4000)}`);
      }
      expect(failed).toEqual([]);
    },
    allMs,
  );
});

/** Of an extension, so that no revision requires it. */
const ENTERPRISE = 'auth/enterprise-managed-authorization';

it(
  'passes enterprise-managed authorization (SEP-990), as the client of the kind `jwt-bearer`',
  async () => {
    expect(await runClient(command, ENTERPRISE, '2026-07-28')).toBeNull();
  },
  scenarioMs,
);

describe('what the page says of scenarios that nobody requires', () => {
  const listed = [...page.matchAll(/^\| `(auth\/[\w-]+)` \| (.+) \|$/gm)].map(([, name = '', why]) => ({ name, why }));

  it('is said of each that there is', async () => {
    const all = await Promise.all(revisions.map(authScenarios));
    const others = new Set(all.flatMap((each) => each.others).filter((name) => name !== ENTERPRISE));
    expect(listed.map(({ name }) => name).sort()).toEqual([...others].sort());
  });

  it.each(listed)(
    'is true: $name does not pass',
    async ({ name }) => {
      expect(await runClient(command, name, '2026-07-28')).toContain('OVERALL: FAILED');
    },
    scenarioMs,
  );
});
