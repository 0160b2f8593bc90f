import { readFileSync } from 'node:fs';
import type { Revision } from './runSuite.js';

/** A check that passes at the fixture itself and does not on that way, with the reason why it can't. */
export interface Exception {
  readonly way: string;
  readonly revision: Revision;
  /** `scenario/check`. */
  readonly check: string;
  readonly reason: string;
}

const page = new URL('../../docs/bridging.md', import.meta.url);
const heading = '## What does not come through';

/** The rows of the table under that heading of docs/bridging.md; the first one has the names of the columns. */
export function readExceptions(): Exception[] {
  const [, section = ''] = readFileSync(page, 'utf8').split(`${heading}\n`);
  const rows = section.split(/^## /m, 1)[0]?.match(/^\| .*\|$/gm) ?? [];
  return rows.slice(1).flatMap(readRow);
}

/** A row may name several ways, and several checks of one scenario. */
function readRow(row: string): Exception[] {
  const cells = row.split('|').slice(1);
  const [ways = '', revision = '', checks = '', reason = ''] = cells.map((cell) => cell.trim());
  const [scenario = '', ids = ''] = checks.replaceAll('`', '').split('/');
  return ways
    .split('; ')
    .flatMap((way) =>
      ids.split(', ').map((id) => ({ way, revision: revision as Revision, check: `${scenario}/${id}`, reason })),
    );
}
