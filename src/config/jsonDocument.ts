import { createScanner, type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import type { Fault } from '../core/errors.js';
import { Allowance, keyFault, MAX_DEPTH, type Parsed } from './allowance.js';
import { branch, faultAt, type Place, placeOfChild, type Scalar, type Tree } from './tree.js';

/** Reads JSON with comments and trailing commas; every value knows its line. */
export function readJson(text: string, root: Place): Parsed {
  if (isTooDeep(text)) return { tree: undefined, faults: [faultAt(root, `is nested deeper than ${MAX_DEPTH} levels`)] };
  const errors: ParseError[] = [];
  const node = parseTree(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
  const lines = new Lines(text);
  if (errors.length > 0) return { tree: undefined, faults: syntaxFaults(errors, root, lines) };
  const reader = new JsonReader(lines);
  const tree = node && reader.read(node, { ...root, line: 1 }, 0);
  return { tree, faults: reader.faults };
}

/** Counted on the tokens, since the parser would run out of stack. */
function isTooDeep(text: string): boolean {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (scanner.scan(); scanner.getTokenOffset() < text.length && depth <= MAX_DEPTH; scanner.scan()) {
    const first = text.charAt(scanner.getTokenOffset());
    if ('{['.includes(first)) depth += 1;
    if ('}]'.includes(first)) depth -= 1;
  }
  return depth > MAX_DEPTH;
}

/** The parser's codes are words run together: `CommaExpected`. One fault per line, since one slip causes several. */
function syntaxFaults(errors: readonly ParseError[], root: Place, lines: Lines): Fault[] {
  const byLine = new Map<number, Fault>();
  for (const { error, offset } of errors) {
    const line = lines.at(offset);
    const words = printParseErrorCode(error).replace(/(?<!^)[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    if (!byLine.has(line)) byLine.set(line, faultAt({ ...root, line }, `is not JSON: ${words.toLowerCase()}`));
  }
  return [...byLine.values()];
}

/** Turns offsets into lines. */
class Lines {
  readonly #starts: number[] = [0];

  constructor(text: string) {
    for (const match of text.matchAll(/\r\n|\r|\n/g)) this.#starts.push(match.index + match[0].length);
  }

  /** Counts from 1. */
  at(offset: number): number {
    const next = this.#starts.findIndex((start) => start > offset);
    return next === -1 ? this.#starts.length : next;
  }
}

class JsonReader {
  readonly #lines: Lines;
  readonly #allowance = new Allowance();
  readonly #keyFaults: Fault[] = [];

  constructor(lines: Lines) {
    this.#lines = lines;
  }

  get faults(): readonly Fault[] {
    return [...this.#keyFaults, ...this.#allowance.faults];
  }

  read(node: Node, place: Place, depth: number): Tree {
    if (!this.#allowance.allows(place, depth)) return { place, value: null };
    const children = node.children ?? [];
    if (node.type === 'object') return branch(place, this.#properties(children, place, depth));
    if (node.type !== 'array') return { place, value: node.value as Scalar };
    return {
      place,
      items: children.map((child, index) => this.read(child, this.#placeOf(child, place, index), depth + 1)),
    };
  }

  #properties(properties: readonly Node[], parent: Place, depth: number): Map<string, Tree> {
    const entries = new Map<string, Tree>();
    for (const { children: [key, value] = [] } of properties) {
      if (!key || !value) continue;
      const place = this.#placeOf(key, parent, key.value);
      const fault = keyFault(place, key.value, entries);
      if (fault) this.#keyFaults.push(fault);
      else entries.set(key.value, this.read(value, place, depth + 1));
    }
    return entries;
  }

  #placeOf(node: Node, parent: Place, key: string | number): Place {
    return { ...placeOfChild(parent, key), line: this.#lines.at(node.offset) };
  }
}
