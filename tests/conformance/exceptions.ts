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

/** The rows of the table under that heading of docs/bridging.md. */
export function readExceptions(): Exception[] {
  const [, section = ''] = readFileSync(page, 'utf8').split(`${heading}\n`);
  const rows = section.split(/^## /m, 1)[0]?.match(/^\| .*\|$/gm) ?? [];
  return rows.slice(2).map(readRow);
}

function readRow(row: string): Exception {
  const [way = '', revision = '', check = '', reason = ''] = row
    .split('|')
    .slice(1)
    .map((cell) => cell.trim());
  return { way, revision: revision as Revision, check: check.replaceAll('`', ''), reason };
}
