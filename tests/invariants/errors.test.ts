import fs from 'node:fs';
import { ERRORS, OURS } from '../../src/core/errors.js';
import { SIGNALS } from '../../src/telemetry/signals.js';

/** The rows of a document's table whose first cell is code. */
function rowsOf(file: string): string[][] {
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => /^\| `(?!data\.code)/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replace(/^`|`$/g, '')),
    );
}

describe('the error table', () => {
  it('is docs/errors.md, row by row', () => {
    const rows = Object.entries(ERRORS).map(([code, { status, rpc, hint }]) => [
      code,
      String(status),
      String(rpc),
      hint,
    ]);
    expect(rowsOf('docs/errors.md')).toEqual(rows);
  });

  it("uses the protocol's own codes or ours, which lies outside what JSON-RPC and MCP keep", () => {
    expect(OURS < -32768 || OURS > -32000).toBe(true);
    const protocol = [-32700, -32600, -32601, -32602, -32020, -32021, -32022];
    for (const { rpc } of Object.values(ERRORS)) expect([...protocol, OURS]).toContain(rpc);
  });

  it('has a 401 in one row: for callers whose own token is missing or bad', () => {
    const rows = Object.entries(ERRORS).filter(([, { status }]) => (status as number) === 401);
    expect(rows.map(([code]) => code)).toEqual(['CALLER_UNKNOWN']);
  });
});

describe('the signal table', () => {
  it('is docs/signals.md, row by row', () => {
    expect(rowsOf('docs/signals.md')).toEqual(
      Object.entries(SIGNALS).map(([name, { level, text }]) => [name, level, text]),
    );
  });
});
