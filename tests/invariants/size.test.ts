import { parseSync } from '@swc/core';
import { sources } from '../helpers/sources.js';

const FILE_LINES = 300;
const FUNCTION_LINES = 40;

interface Node {
  readonly type: string;
  readonly span?: { readonly start: number; readonly end: number };
  readonly body?: unknown;
}

const FUNCTIONS = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'Constructor',
  'MethodProperty',
]);

/** Spans of all functions, as byte offsets. */
function functionsIn(node: unknown, found: { start: number; end: number }[] = []): { start: number; end: number }[] {
  if (Array.isArray(node)) for (const child of node) functionsIn(child, found);
  else if (typeof node === 'object' && node !== null) {
    const { type, span } = node as Node;
    if (FUNCTIONS.has(type) && span) found.push(span);
    for (const child of Object.values(node)) functionsIn(child, found);
  }
  return found;
}

function longFunctions(path: string, text: string): string[] {
  // swc counts offsets through all that it parsed in this process; the module's own start is the base.
  const bytes = Buffer.from(text);
  const tree = parseSync(text, { syntax: 'typescript', target: 'es2022' });
  const base = tree.span.end - Buffer.byteLength(text.trimEnd());
  return functionsIn(tree.body)
    .map(({ start, end }) => ({
      line: bytes
        .subarray(0, start - base)
        .toString()
        .split('\n').length,
      lines: bytes
        .subarray(start - base, end - base)
        .toString()
        .trim()
        .split('\n').length,
    }))
    .filter(({ lines }) => lines > FUNCTION_LINES)
    .map(({ line, lines }) => `${path}:${line} has ${lines} lines`);
}

describe('size', () => {
  it(`no file has more than ${FILE_LINES} lines`, () => {
    const long = sources('src').filter(({ text }) => text.split('\n').length - 1 > FILE_LINES);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  it(`no function has more than ${FUNCTION_LINES} lines`, () => {
    expect(sources('src').flatMap(({ path, text }) => longFunctions(path, text))).toEqual([]);
  });

  it('would notice', () => {
    const text = `const a = 1;\nfunction long() {\n${'a;\n'.repeat(50)}}\n`;
    expect(longFunctions('x.ts', text)).toEqual(['x.ts:2 has 52 lines']);
  });
});
