import { type ASTNode, Environment } from '@marcbachmann/cel-js';
import { RE2JS } from 're2js';

/** What a condition may ask about, and of which type each is. */
export type Variables = Readonly<Record<string, 'string' | 'map' | 'list' | 'dyn'>>;

/** A condition in CEL, ready to be asked. */
export interface Condition {
  /** The variables that it asks about. */
  readonly mentions: ReadonlySet<string>;
  /** Undefined where it can't be answered: what it asks about isn't there, or isn't of the right type. */
  test(values: object): boolean | undefined;
}

/** A condition that can't be used. The message says why; it may be shown to whoever wrote it. */
export class ConditionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ConditionError';
  }
}

const MOST_CHARACTERS = 4_096;
const LIMITS = { maxAstNodes: 500, maxDepth: 32, maxListElements: 200, maxMapEntries: 200, maxCallArguments: 8 };

/** What runs once for each element of a list. */
const LOOPS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

/** Backtracks without end, or makes much of little; none of it can be stopped once it runs. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['matches', 'matches() may run for ever: write rmatches(), which takes RE2 syntax'],
  ['bind', 'cel.bind() is not offered here'],
  ['split', 'split() is not offered here'],
  ['join', 'join() is not offered here'],
]);

/**
 * Compiles a condition once. What it takes to answer is bounded: by its size, by loops that can't be nested, by
 * regular expressions that take linear time (`text.rmatches('…')`), and by `bounded` values.
 * @throws ConditionError for text that isn't CEL, asks about something else, isn't a yes or no, or could run for long
 */
export function compileCondition(text: string, variables: Variables): Condition {
  if (text.length > MOST_CHARACTERS)
    throw new ConditionError(`the condition is longer than ${MOST_CHARACTERS} characters`);
  const patterns = new Map<string, RE2JS>();
  const parsed = attempt(() => environment(variables, patterns).parse(text));
  const mentions = new Set<string>();
  inspect(parsed.ast, false, { variables, mentions, patterns });
  const { valid, type, error } = parsed.check();
  if (!valid) throw new ConditionError(firstLine(error));
  if (type !== 'bool' && type !== 'dyn') throw new ConditionError(`the condition is a ${type}, not a yes or no`);
  return {
    mentions,
    test(values) {
      try {
        const answer: unknown = parsed(values as Record<string, unknown>);
        return typeof answer === 'boolean' ? answer : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

function environment(variables: Variables, patterns: ReadonlyMap<string, RE2JS>): Environment {
  const made = new Environment({
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
    unlistedVariablesAreDyn: false,
    limits: LIMITS,
  });
  for (const [name, type] of Object.entries(variables)) made.registerVariable(name, type);
  made.registerFunction('string.rmatches(string): bool', (text: string, pattern: string) =>
    (patterns.get(pattern) as RE2JS).test(text),
  );
  return made;
}

interface Findings {
  readonly variables: Variables;
  readonly mentions: Set<string>;
  readonly patterns: Map<string, RE2JS>;
}

/** Walks the whole expression; `inLoop` inside what runs for each element. */
function inspect(node: ASTNode, inLoop: boolean, found: Findings): void {
  if (node.op === 'id' && Object.hasOwn(found.variables, node.args)) found.mentions.add(node.args);
  if (node.op !== 'call' && node.op !== 'rcall') {
    for (const child of nodesIn(node.args)) inspect(child, inLoop, found);
    return;
  }
  const [name] = node.args;
  const refusal = REFUSED.get(name);
  if (refusal !== undefined) throw new ConditionError(refusal);
  const loops = node.op === 'rcall' && LOOPS.has(name);
  if (loops && inLoop) throw new ConditionError(`${name}() stands inside another loop`);
  if (node.op === 'rcall') inspect(node.args[1], inLoop, found);
  const given = node.op === 'rcall' ? node.args[2] : node.args[1];
  if (name === 'rmatches') learnPattern(given[0], found.patterns);
  for (const argument of given) inspect(argument, inLoop || loops, found);
}

/** A pattern is compiled once, so it must stand in the condition itself. */
function learnPattern(node: ASTNode | undefined, patterns: Map<string, RE2JS>): void {
  if (node?.op !== 'value' || typeof node.args !== 'string')
    throw new ConditionError('rmatches() takes its pattern as a literal text');
  const pattern = node.args;
  patterns.set(
    pattern,
    attempt(() => RE2JS.compile(pattern)),
  );
}

/** Operands are nodes, or lists of them, beside names and literals. */
function nodesIn(operands: unknown): ASTNode[] {
  if (Array.isArray(operands)) return operands.flatMap(nodesIn);
  return typeof operands === 'object' && operands !== null && 'op' in operands ? [operands as ASTNode] : [];
}

function attempt<Made>(make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    throw new ConditionError(firstLine(error));
  }
}

function firstLine(error: unknown): string {
  return String((error as Error | undefined)?.message ?? error).split('\n', 1)[0] as string;
}
