/** A piece of an expression. */
export interface Token {
  readonly kind: 'number' | 'text' | 'field' | 'word' | 'sign' | 'end';
  readonly text: string;
  /** Characters before it. */
  readonly at: number;
}

/** An expression that can't be read. */
export class ExpressionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ExpressionError';
  }
}

const TOKEN =
  /\s*(?:(?<number>\d+(?:\.\d+)?)|'(?<text>(?:[^']|'')*)'|\[(?<bracket>(?:[^\]]|\]\])*)\]|"(?<quoted>[^"]*)"|(?<word>[A-Za-z_$#%\u00c0-\uffff][\w.#%$\u00c0-\uffff]*)|(?<sign><>|<=|>=|[-+*/&=<>(){},]))/y;
const MAX_LENGTH = 20_000;

export function tokensOf(expression: string): Token[] {
  if (expression.length > MAX_LENGTH) throw new ExpressionError('The expression is too long');
  const tokens: Token[] = [];
  const text = expression.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const groups = TOKEN.exec(text)?.groups;
    if (!groups) throw new ExpressionError(`Error in expression at character ${at + 1}`);
    tokens.push({ ...kindOf(groups), at });
  }
  return [...tokens, { kind: 'end', text: '', at: text.length }];
}

function kindOf(groups: Readonly<Record<string, string | undefined>>): Pick<Token, 'kind' | 'text'> {
  const { number, text, bracket, quoted, word, sign } = groups;
  if (number !== undefined) return { kind: 'number', text: number };
  if (text !== undefined) return { kind: 'text', text: text.replaceAll("''", "'") };
  if (bracket !== undefined) return { kind: 'field', text: bracket.replaceAll(']]', ']') };
  if (quoted !== undefined) return { kind: 'field', text: quoted };
  if (word !== undefined) return { kind: 'word', text: word };
  return { kind: 'sign', text: sign ?? '' };
}
