import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
} from 'yaml';
import type { Fault } from '../core/errors.js';
import { Allowance, keyFault, type Parsed } from './allowance.js';
import { branch, faultAt, type Place, placeOfChild, type Scalar, type Tree } from './tree.js';

/** Reads YAML 1.2 (core schema); aliases are followed, and counted as often as they are. */
export function readYaml(text: string, root: Place): Parsed {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: false,
  });
  if (document.errors.length > 0) return { tree: undefined, faults: syntaxFaults(document, root, lines) };
  const reader = new YamlReader(document, lines);
  const tree = document.contents ? reader.read(document.contents, { ...root, line: 1 }, 0) : undefined;
  return { tree, faults: reader.faults };
}

/** By the library's codes, since its texts quote the line, and a secret may stand there. */
function syntaxFaults(document: Document, root: Place, lines: LineCounter): Fault[] {
  return document.errors.map(({ code, pos: [offset] }) => {
    const hint = code === 'BAD_DQ_ESCAPE' ? 'Write a Windows path in single quotes.' : undefined;
    const words = code.toLowerCase().replaceAll('_', ' ');
    return faultAt({ ...root, line: lines.linePos(offset).line }, `is not YAML: ${words}`, hint);
  });
}

class YamlReader {
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #allowance = new Allowance();
  readonly #otherFaults: Fault[] = [];

  constructor(document: Document, lines: LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  get faults(): readonly Fault[] {
    return [...this.#otherFaults, ...this.#allowance.faults];
  }

  read(node: unknown, place: Place, depth: number): Tree {
    if (!this.#allowance.allows(place, depth)) return { place, value: null };
    if (isAlias(node)) return this.read(this.#target(node), place, depth + 1);
    if (isMap<Node, Node | null>(node)) return branch(place, this.#pairs(node.items, place, depth));
    if (!isSeq<Node>(node)) return { place, value: this.#scalar(node, place) };
    return {
      place,
      items: node.items.map((item, index) => this.read(item, this.#placeOf(item, place, index), depth + 1)),
    };
  }

  #target(alias: Alias): unknown {
    return alias.resolve(this.#document);
  }

  #pairs(pairs: readonly Pair<Node, Node | null>[], parent: Place, depth: number): Map<string, Tree> {
    const entries = new Map<string, Tree>();
    for (const { key, value } of pairs) {
      const name = isScalar(key) ? String(key.value) : '';
      const place = this.#placeOf(key, parent, name);
      const fault = keyFault(place, name, entries);
      if (fault) this.#otherFaults.push(fault);
      else entries.set(name, this.read(value, place, depth + 1));
    }
    return entries;
  }

  #scalar(node: unknown, place: Place): Scalar {
    const value = isScalar(node) ? node.value : null;
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value as Scalar;
    this.#otherFaults.push(faultAt(place, 'is a YAML type without a JSON counterpart', 'Put it in quotes.'));
    return null;
  }

  #placeOf(node: Node, parent: Place, key: string | number): Place {
    const offset = node.range?.[0];
    const place = placeOfChild(parent, key);
    return offset === undefined ? place : { ...place, line: this.#lines.linePos(offset).line };
  }
}
