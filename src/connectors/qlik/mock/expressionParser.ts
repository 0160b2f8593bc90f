import { ExpressionError, type Token, tokensOf } from './expressionTokens.js';

/** Set analysis: `{<Region={'North'}>}`; `1` instead of `$` leaves the selections out. */
export interface SetExpression {
  readonly all: boolean;
  /** Field → values, or undefined where the selection in the field is left out. */
  readonly fields: readonly (readonly [string, readonly string[] | undefined])[];
}

export type Node =
  | { readonly kind: 'value'; readonly value: string | number }
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'binary'; readonly sign: string; readonly left: Node; readonly right: Node }
  | { readonly kind: 'not'; readonly of: Node }
  | { readonly kind: 'minus'; readonly of: Node }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Node[] }
  | {
      readonly kind: 'aggregation';
      readonly name: string;
      readonly args: readonly Node[];
      readonly distinct: boolean;
      readonly total: boolean;
      readonly set?: SetExpression;
    };

export const AGGREGATIONS = ['sum', 'count', 'avg', 'min', 'max', 'only', 'concat', 'mode', 'median'];

/** Weakest first. */
const LEVELS = [['or'], ['and'], ['=', '<>', '<', '>', '<=', '>=', 'like'], ['&'], ['+', '-'], ['*', '/']];
const MAX_DEPTH = 60;

/** The tree of an expression, with or without its leading `=`. */
export function parseExpression(expression: string): Node {
  return new Parser(tokensOf(expression.trim().replace(/^=/, ''))).whole();
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Node {
    const node = this.#level(0);
    if (this.#token.kind !== 'end') throw this.#fault();
    return node;
  }

  get #token(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: '', at: 0 };
  }

  #level(level: number): Node {
    const signs = LEVELS[level];
    if (!signs) return this.#unary();
    if (++this.#depth > MAX_DEPTH * LEVELS.length) throw new ExpressionError('The expression is too deep');
    // `not a = b` is not (a = b).
    if (signs.includes('=') && this.#takes('not')) return { kind: 'not', of: this.#level(level) };
    let left = this.#level(level + 1);
    for (let sign = this.#takesOne(signs); sign !== undefined; sign = this.#takesOne(signs))
      left = { kind: 'binary', sign, left, right: this.#level(level + 1) };
    this.#depth -= 1;
    return left;
  }

  #unary(): Node {
    if (this.#takes('-')) return { kind: 'minus', of: this.#unary() };
    return this.#primary();
  }

  #primary(): Node {
    const token = this.#token;
    this.#at += 1;
    if (token.kind === 'number') return { kind: 'value', value: Number(token.text) };
    if (token.kind === 'text') return { kind: 'value', value: token.text };
    if (token.kind === 'field') return { kind: 'field', name: token.text };
    if (token.kind === 'word') return this.#takes('(') ? this.#call(token.text) : { kind: 'field', name: token.text };
    if (token.text !== '(') throw this.#fault(token);
    const node = this.#level(0);
    this.#expect(')');
    return node;
  }

  #call(word: string): Node {
    const name = word.toLowerCase();
    if (!AGGREGATIONS.includes(name)) return { kind: 'call', name, args: this.#args() };
    const marks = { set: this.#set(), total: false, distinct: false };
    for (let mark = this.#takesOne(['total', 'distinct']); mark; mark = this.#takesOne(['total', 'distinct']))
      marks[mark as 'total' | 'distinct'] = true;
    const set = marks.set ?? this.#set();
    const { total, distinct } = marks;
    return { kind: 'aggregation', name, args: this.#args(), distinct, total, ...(set ? { set } : {}) };
  }

  /** Up to and with the closing bracket. */
  #args(): Node[] {
    if (this.#takes(')')) return [];
    const args = [this.#level(0)];
    while (this.#takes(',')) args.push(this.#level(0));
    this.#expect(')');
    return args;
  }

  #set(): SetExpression | undefined {
    if (!this.#takes('{')) return undefined;
    const all = this.#takes('1');
    if (!all) this.#takes('$');
    const fields: (readonly [string, readonly string[] | undefined])[] = [];
    if (this.#takes('<')) {
      do fields.push(this.#setField());
      while (this.#takes(','));
      this.#expect('>');
    }
    this.#expect('}');
    return { all, fields };
  }

  #setField(): readonly [string, readonly string[] | undefined] {
    const field = this.#token;
    if (field.kind !== 'field' && field.kind !== 'word') throw this.#fault();
    this.#at += 1;
    this.#expect('=');
    if (!this.#takes('{')) return [field.text, undefined];
    const values: string[] = [];
    do {
      if (!['text', 'number', 'field', 'word'].includes(this.#token.kind)) throw this.#fault();
      values.push(this.#token.text);
      this.#at += 1;
    } while (this.#takes(','));
    this.#expect('}');
    return [field.text, values];
  }

  #takes(text: string): boolean {
    return this.#takesOne([text]) !== undefined;
  }

  #takesOne(texts: readonly string[]): string | undefined {
    const { kind, text } = this.#token;
    if (kind === 'text' || kind === 'field' || kind === 'end') return undefined;
    const found = texts.find((one) => one === text.toLowerCase());
    if (found !== undefined) this.#at += 1;
    return found;
  }

  #expect(text: string): void {
    if (!this.#takes(text)) throw this.#fault();
  }

  #fault(token = this.#token): ExpressionError {
    const what = token.kind === 'end' ? 'it ends too early' : `${token.text} is not expected here`;
    return new ExpressionError(`Error in expression: ${what}`);
  }
}

/** Fields that an expression names, each once. */
export function fieldsIn(node: Node): string[] {
  if (node.kind === 'field') return [node.name];
  if (node.kind === 'value') return [];
  if (node.kind === 'binary') return unique([...fieldsIn(node.left), ...fieldsIn(node.right)]);
  if (node.kind === 'not' || node.kind === 'minus') return fieldsIn(node.of);
  const inSet = node.kind === 'aggregation' ? (node.set?.fields.map(([name]) => name) ?? []) : [];
  return unique([...inSet, ...node.args.flatMap(fieldsIn)]);
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
