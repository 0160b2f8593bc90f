import { stringify } from 'yaml';

/** What a template is filled with: `.Values`, `.Release`, `.Chart`. */
export type Data = Readonly<Record<string, unknown>>;

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly expression: string }
  | { readonly kind: 'if'; readonly expression: string; readonly then: Node[]; readonly otherwise: Node[] };

interface Token {
  readonly action: boolean;
  readonly text: string;
}

/**
 * The part of Go's templates that our chart keeps to: values, pipelines of a few functions, `if`, `define`. It stands in for
 * Helm where that isn't to be had, and refuses whatever it doesn't know.
 */
export class GoTemplates {
  readonly #defined = new Map<string, Node[]>();
  /** Each `.Values.x` that a template names. */
  readonly named = new Set<string>();

  /** Learns what a file defines, and returns the rest of it. */
  parse(text: string): Node[] {
    const tokens = tokenize(text);
    const nodes = this.#block(tokens, false);
    if (tokens.length > 0) throw new Error(`{{ ${tokens[0]?.text} }} closes nothing`);
    return nodes;
  }

  render(nodes: readonly Node[], data: Data): string {
    return nodes.map((node) => this.#node(node, data)).join('');
  }

  #block(tokens: Token[], inside: boolean): Node[] {
    const nodes: Node[] = [];
    for (;;) {
      const token = tokens[0];
      if (!token) {
        if (inside) throw new Error('a block has no {{ end }}');
        return nodes;
      }
      if (token.action && /^(end|else)$/.test(token.text)) return nodes;
      tokens.shift();
      if (!token.action) nodes.push({ kind: 'text', text: token.text });
      else nodes.push(...this.#action(token.text, tokens));
    }
  }

  #action(text: string, tokens: Token[]): Node[] {
    const [word = '', rest = ''] = /^(define|if) (.*)$/.exec(text)?.slice(1) ?? [];
    if (word === '') {
      this.#note(text);
      return [{ kind: 'value', expression: text }];
    }
    const then = this.#block(tokens, true);
    const otherwise = tokens[0]?.text === 'else' && tokens.shift() ? this.#block(tokens, true) : [];
    if (tokens.shift()?.text !== 'end') throw new Error(`{{ ${text} }} has no end`);
    if (word === 'define') {
      this.#defined.set(JSON.parse(rest) as string, then);
      return [];
    }
    this.#note(rest);
    return [{ kind: 'if', expression: rest, then, otherwise }];
  }

  #note(expression: string): void {
    for (const [, path] of expression.matchAll(/\.Values\.([\w.]+)/g)) this.named.add(path as string);
  }

  #node(node: Node, data: Data): string {
    if (node.kind === 'text') return node.text;
    if (node.kind === 'value') return String(this.#pipeline(node.expression, data));
    return this.render(isTrue(this.#pipeline(node.expression, data)) ? node.then : node.otherwise, data);
  }

  #pipeline(expression: string, data: Data): unknown {
    return expression
      .split(' | ')
      .reduce<unknown>((piped, part, index) => this.#command(part.trim(), data, index === 0 ? [] : [piped]), undefined);
  }

  #command(text: string, data: Data, piped: unknown[]): unknown {
    const words = text.match(/"[^"]*"|\S+/g) ?? [];
    const [first = '', ...rest] = words;
    if (first.startsWith('.')) return at(data, first);
    const given = [...rest.map((word) => argument(word, data)), ...piped];
    if (first === 'include') return this.#include(String(given[0]), data);
    const run = FUNCTIONS[first];
    if (!run) throw new Error(`no such function: ${first}`);
    return run(...given);
  }

  #include(name: string, data: Data): string {
    const nodes = this.#defined.get(name);
    if (!nodes) throw new Error(`nothing is defined as ${name}`);
    return this.render(nodes, data);
  }
}

const FUNCTIONS: Readonly<Record<string, (...given: readonly unknown[]) => unknown>> = {
  not: (value) => !isTrue(value),
  quote: (value) => JSON.stringify(String(value)),
  toYaml: (value) => stringify(value).trimEnd(),
  toPrettyJson: (value) => JSON.stringify(value, null, 2),
  nindent: (by, text) => `\n${String(text).replace(/^/gm, ' '.repeat(Number(by)))}`,
};

function argument(word: string, data: Data): unknown {
  if (word === '.') return data;
  if (word.startsWith('.')) return at(data, word);
  return JSON.parse(word);
}

/** @throws Error for what isn't there: Helm would write nothing in its place */
function at(data: Data, path: string): unknown {
  return path
    .slice(1)
    .split('.')
    .reduce<unknown>((object, key) => {
      if (typeof object !== 'object' || object === null || !(key in object)) throw new Error(`there is no ${path}`);
      return (object as Data)[key];
    }, data);
}

/** Empty things are false, as in Go. */
function isTrue(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let rest = text;
  for (;;) {
    const found = /\{\{(-\s)?\s*(.*?)\s*(\s-)?\}\}/s.exec(rest);
    if (!found) break;
    const before = rest.slice(0, found.index);
    tokens.push({ action: false, text: found[1] ? before.trimEnd() : before });
    tokens.push({ action: true, text: found[2] as string });
    rest = rest.slice(found.index + found[0].length);
    if (found[3]) rest = rest.trimStart();
  }
  if (/\{\{|\}\}/.test(rest)) throw new Error(`unbalanced: ${rest.slice(0, 80)}`);
  return [...tokens, { action: false, text: rest }];
}
