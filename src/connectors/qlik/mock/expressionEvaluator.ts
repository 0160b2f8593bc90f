import type { DataModel, Line } from './dataModel.js';
import { entryOf } from './entryOf.js';
import { FUNCTIONS, isTrue, matches, OPERATORS, truth } from './expressionFunctions.js';
import { fieldsIn, type Node, type SetExpression } from './expressionParser.js';
import { ExpressionError } from './expressionTokens.js';
import type { Selections } from './selections.js';
import type { MockValue } from './types.js';

/** Lines over which an expression is reckoned: those of one cell. */
export interface Cell {
  readonly lines: readonly Line[];
  /** Whether a line of another set would be of this cell. */
  readonly has: (line: Line) => boolean;
}

/** Reckons expressions under a selection. */
export class Evaluator {
  readonly #model: DataModel;
  readonly #selections: Selections;
  readonly #sets = new Map<SetExpression, readonly Line[]>();

  constructor(model: DataModel, selections: Selections) {
    this.#model = model;
    this.#selections = selections;
  }

  /** Everything that the selections leave. */
  get everything(): Cell {
    return { lines: this.#selections.lines, has: () => true };
  }

  evaluate(node: Node, cell: Cell): MockValue {
    switch (node.kind) {
      case 'value':
        return node.value;
      case 'field':
        return this.#only(node.name, cell.lines);
      case 'minus':
        return OPERATORS['-']?.(0, this.evaluate(node.of, cell)) ?? null;
      case 'not':
        return truth(!isTrue(this.evaluate(node.of, cell)));
      case 'binary':
        return OPERATORS[node.sign]?.(this.evaluate(node.left, cell), this.evaluate(node.right, cell)) ?? null;
      case 'call':
        return this.#call(node.name, node.args, cell);
      case 'aggregation':
        return this.#aggregate(node, cell);
    }
  }

  /** The value for one line, as inside of an aggregation or of a calculated dimension. */
  ofLine(node: Node, line: Line): MockValue {
    return node.kind === 'field'
      ? this.#model.value(line, node.name)
      : this.evaluate(node, { lines: [line], has: () => true });
  }

  #call(name: string, args: readonly Node[], cell: Cell): MockValue {
    const run = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
    if (!run) throw new ExpressionError(`Error in expression: ${name} is not a valid function`);
    return run(...args.map((arg) => this.evaluate(arg, cell)));
  }

  /** A field outside of an aggregation has a value where there is but one. */
  #only(name: string, lines: readonly Line[]): MockValue {
    const values = new Set<MockValue>();
    for (const line of lines) {
      const value = this.#model.value(line, name);
      if (value !== null) values.add(value);
      if (values.size > 1) return null;
    }
    return values.values().next().value ?? null;
  }

  #aggregate(node: Extract<Node, { kind: 'aggregation' }>, cell: Cell): MockValue {
    const [arg, second] = node.args;
    if (!arg) throw new ExpressionError(`Error in expression: ${node.name} takes 1 parameter`);
    if (fieldsIn(arg).some((name) => !this.#model.fields.has(name))) return null;
    const values = this.#valuesOf(arg, this.#linesFor(node, cell));
    const distinct = node.distinct ? [...new Set(values)] : values;
    const separator = second?.kind === 'value' ? String(second.value) : '';
    return aggregate(node.name, distinct, separator);
  }

  #linesFor({ set, total }: Extract<Node, { kind: 'aggregation' }>, cell: Cell): readonly Line[] {
    if (!set) return total ? this.#selections.lines : cell.lines;
    const lines = entryOf(this.#sets, set, () => this.#inSet(set));
    return total ? lines : lines.filter(cell.has);
  }

  #inSet({ all, fields }: SetExpression): readonly Line[] {
    const selected = new Map(all ? [] : this.#selections.selected);
    for (const [name, values] of fields) {
      const field = this.#model.fields.get(name);
      if (values === undefined) selected.delete(name);
      else {
        const wanted = (field?.values ?? []).map((value, element) => ({ text: String(value), element }));
        const chosen = wanted.filter(({ text }) => values.some((value) => matches(text, value)));
        selected.set(name, new Set(chosen.map(({ element }) => element)));
      }
    }
    return this.#selections.linesOf(selected);
  }

  /** Each row of the tables whose fields are meant counts once, however often the join repeats it. */
  #valuesOf(arg: Node, lines: readonly Line[]): (string | number)[] {
    const fields = fieldsIn(arg);
    const seen = new Set<string>();
    const values: (string | number)[] = [];
    for (const line of lines) {
      const sources = fields.map((name) => this.#model.source(line, name));
      const key = sources.join(' ');
      if (fields.length > 0 && (seen.has(key) || sources.every((source) => source === undefined))) continue;
      seen.add(key);
      const value = this.ofLine(arg, line);
      if (value !== null) values.push(value);
    }
    return values;
  }
}

function aggregate(name: string, values: readonly (string | number)[], separator: string): MockValue {
  const numbers = values.filter((value): value is number => typeof value === 'number');
  const sum = () => numbers.reduce((all, one) => all + one, 0);
  switch (name) {
    case 'sum':
      return sum();
    case 'count':
      return values.length;
    case 'avg':
      return numbers.length === 0 ? null : sum() / numbers.length;
    case 'min':
      return numbers.length === 0 ? null : numbers.reduce((least, one) => Math.min(least, one));
    case 'max':
      return numbers.length === 0 ? null : numbers.reduce((most, one) => Math.max(most, one));
    case 'median':
      return median([...numbers].sort((one, other) => one - other));
    case 'concat':
      return [...values].map(String).sort().join(separator);
    default:
      return new Set(values).size === 1 ? (values[0] ?? null) : null;
  }
}

function median(sorted: readonly number[]): MockValue {
  const middle = sorted.length / 2;
  if (sorted.length === 0) return null;
  const upper = sorted[Math.floor(middle)] ?? 0;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? 0) + upper) / 2 : upper;
}
