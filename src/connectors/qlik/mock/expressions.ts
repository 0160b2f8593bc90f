import type { EngineSession } from './engineSession.js';
import { type Cell, Evaluator } from './expressionEvaluator.js';
import { fieldsIn, type Node, parseExpression } from './expressionParser.js';
import { ExpressionError } from './expressionTokens.js';
import type { MockValue } from './types.js';

const MAX_EXPANSIONS = 20;

/** `$(name)` becomes the variable's text; one whose definition begins with `=` becomes its value. */
export function expand(session: EngineSession, expression: string): string {
  let text = expression;
  for (let round = 0; round < MAX_EXPANSIONS && text.includes('$('); round++)
    text = text.replace(/\$\(([^()]*)\)/g, (_, name: string) => textOf(variableValue(session, name.trim())));
  return text;
}

/** Of a variable: what this session has set, or what the app defines. */
export function variableText(session: EngineSession, name: string): string | undefined {
  const own = session.variables.get(name);
  const item = [...session.objects.values(), ...session.doc.of('variable')].find(
    ({ kind, properties }) => kind === 'variable' && properties.qName === name,
  );
  return own ?? (item && String(item.properties.qDefinition ?? ''));
}

export function variableValue(session: EngineSession, name: string): MockValue {
  const text = variableText(session, name);
  if (text === undefined) return null;
  if (text.startsWith('=')) return calculated(session, name, text);
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** Variables that are made of each other have no value. */
function calculated(session: EngineSession, name: string, text: string): MockValue {
  if (session.resolving.has(name)) return null;
  session.resolving.add(name);
  try {
    return evaluate(session, text);
  } finally {
    session.resolving.delete(name);
  }
}

/** The value of an expression over all that is selected; null where it has none, and where it can't be read. */
export function evaluate(session: EngineSession, expression: string): MockValue {
  try {
    const evaluator = new Evaluator(session.doc.model, session.selections);
    return evaluator.evaluate(parse(session, expression), evaluator.everything);
  } catch (error) {
    if (error instanceof ExpressionError) return null;
    throw error;
  }
}

/** Names that are no fields but variables stand for their values. */
export function parse(session: EngineSession, expression: string): Node {
  const expanded = expand(session, expression);
  return resolve(session, parseExpression(expanded));
}

function resolve(session: EngineSession, node: Node): Node {
  if (node.kind === 'field') {
    if (session.doc.model.fields.has(node.name)) return node;
    const value = variableValue(session, node.name);
    return value === null ? node : { kind: 'value', value };
  }
  if (node.kind === 'binary')
    return { ...node, left: resolve(session, node.left), right: resolve(session, node.right) };
  if (node.kind === 'not' || node.kind === 'minus') return { ...node, of: resolve(session, node.of) };
  if (node.kind === 'value') return node;
  return { ...node, args: node.args.map((arg) => resolve(session, arg)) };
}

export interface Checked {
  readonly fault: string;
  /** Fields that the app hasn't: where their names stand. */
  readonly bad: readonly { readonly qFrom: number; readonly qCount: number }[];
}

export function check(session: EngineSession, expression: string): Checked {
  try {
    const node = parse(session, expression);
    const unknown = fieldsIn(node).filter((name) => !session.doc.model.fields.has(name));
    new Evaluator(session.doc.model, session.selections).evaluate(node, NOWHERE);
    return { fault: '', bad: unknown.map((name) => ({ qFrom: expression.indexOf(name), qCount: name.length })) };
  } catch (error) {
    if (error instanceof ExpressionError) return { fault: error.message, bad: [] };
    throw error;
  }
}

const NOWHERE: Cell = { lines: [], has: () => false };

export function textOf(value: MockValue): string {
  return value === null ? '-' : String(value);
}
