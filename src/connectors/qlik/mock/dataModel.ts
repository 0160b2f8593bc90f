import { entryOf } from './entryOf.js';
import type { MockRow, MockValue } from './types.js';

/** The distinct values of a field, in load order; a value's index is its element number. */
export class Field {
  readonly name: string;
  readonly tables: string[] = [];
  readonly values: (string | number)[] = [];
  readonly #numbers = new Map<string | number, number>();

  constructor(name: string) {
    this.name = name;
  }

  add(value: MockValue | undefined): void {
    if (value === null || value === undefined || this.#numbers.has(value)) return;
    this.#numbers.set(value, this.values.length);
    this.values.push(value);
  }

  /** −2 for a null, as the engine has it. */
  elementOf(value: MockValue | undefined): number {
    return value === null || value === undefined ? -2 : (this.#numbers.get(value) ?? -2);
  }

  get numeric(): boolean {
    return this.values.length > 0 && this.values.every((value) => typeof value === 'number');
  }

  get tags(): string[] {
    const key = this.tables.length > 1 ? ['$key'] : [];
    return [...key, ...(this.numeric ? ['$numeric', '$integer'] : ['$ascii', '$text'])];
  }
}

export interface Table {
  readonly name: string;
  readonly fields: readonly string[];
  readonly rows: readonly MockRow[];
}

/**
 * One line of all tables joined: the number of the row of each table, or −1 where it has none. An aggregation counts a row of
 * its table once, however often the join repeats it.
 */
export type Line = readonly number[];

/** More would not fit a test. */
const MAX_LINES = 500_000;

/** The tables of an app, associated by fields of the same name. */
export class DataModel {
  readonly tables: readonly Table[];
  readonly fields = new Map<string, Field>();
  readonly lines: readonly Line[];
  readonly #groups: readonly number[];
  readonly #homes = new Map<string, readonly number[]>();

  constructor(tables: Readonly<Record<string, readonly MockRow[]>>) {
    this.tables = Object.entries(tables).map(([name, rows]) => ({ name, rows, fields: columnsOf(rows) }));
    for (const table of this.tables) for (const field of table.fields) this.#addField(table, field);
    this.lines = join(this.tables);
    this.#groups = groupsOf(this.tables);
  }

  /** Whether a selection in the field can say anything about the line: islands know nothing of each other. */
  concerns(line: Line, field: string): boolean {
    const group = this.#groups[line.findIndex((row) => row >= 0)];
    return group === this.#groups[this.homesOf(field)[0] ?? -1];
  }

  #addField(table: Table, name: string): void {
    const field = entryOf(this.fields, name, () => new Field(name));
    field.tables.push(table.name);
    for (const row of table.rows) field.add(row[name]);
  }

  /** Names of fields are case-sensitive. */
  value(line: Line, name: string): MockValue {
    for (const [index, table] of this.tables.entries()) {
      const value = table.rows[line[index] ?? -1]?.[name];
      if (value !== undefined && value !== null) return value;
    }
    return null;
  }

  /** The row that a field's value comes from, in the first of its tables that has one; undefined where none has. */
  source(line: Line, name: string): string | undefined {
    const home = this.homesOf(name).find((table) => (line[table] ?? -1) >= 0);
    return home === undefined ? undefined : `${home}:${line[home]}`;
  }

  /** Tables that have the field. */
  homesOf(name: string): readonly number[] {
    return entryOf(this.#homes, name, () =>
      this.tables.flatMap(({ fields }, index) => (fields.includes(name) ? [index] : [])),
    );
  }

  /** Fields that several tables share. */
  get keys(): { readonly fields: readonly string[]; readonly tables: readonly string[] }[] {
    return [...this.fields.values()]
      .filter(({ tables }) => tables.length > 1)
      .map(({ name, tables }) => ({ fields: [name], tables }));
  }
}

function columnsOf(rows: readonly MockRow[]): string[] {
  return [...new Set(rows.flatMap((row) => Object.keys(row)))];
}

/** A full outer join of all tables, by the fields that they share; tables that share none stand beside each other. */
function join(tables: readonly Table[]): Line[] {
  let lines: number[][] = [];
  const joined = new Set<number>();
  while (joined.size < tables.length) {
    const next = nextOf(tables, joined);
    lines = joined.size === 0 ? rowsOf(tables, next, tables.length) : joinOne(tables, joined, lines, next);
    joined.add(next);
    if (lines.length > MAX_LINES) throw new Error(`the mock joins no more than ${MAX_LINES} lines`);
  }
  return lines;
}

/** A table that shares a field with those joined already, where there is one. */
function nextOf(tables: readonly Table[], joined: ReadonlySet<number>): number {
  const rest = tables.map((_, index) => index).filter((index) => !joined.has(index));
  return rest.find((index) => shared(tables, joined, index).length > 0) ?? rest[0] ?? 0;
}

function shared(tables: readonly Table[], joined: ReadonlySet<number>, next: number): string[] {
  const known = new Set([...joined].flatMap((index) => tables[index]?.fields ?? []));
  return (tables[next]?.fields ?? []).filter((field) => known.has(field));
}

function rowsOf(tables: readonly Table[], table: number, width: number): number[][] {
  return (tables[table]?.rows ?? []).map((_, row) =>
    Array.from({ length: width }, (_none, at) => (at === table ? row : -1)),
  );
}

function joinOne(tables: readonly Table[], joined: ReadonlySet<number>, lines: number[][], next: number): number[][] {
  const fields = shared(tables, joined, next);
  const rows = tables[next]?.rows ?? [];
  // An island: each line of it stands alone, and fields of both sides meet nowhere.
  if (fields.length === 0) return [...lines, ...rowsOf(tables, next, tables.length)];
  const byKey = new Map<string, number[]>();
  for (const [number, row] of rows.entries())
    push(
      byKey,
      keyOf(fields, (field) => row[field]),
      number,
    );
  const used = new Set<number>();
  const result: number[][] = [];
  for (const line of lines) {
    const found = byKey.get(keyOf(fields, (field) => valueIn(tables, line, field)) ?? '') ?? [];
    for (const number of found) {
      used.add(number);
      result.push(line.map((row, index) => (index === next ? number : row)));
    }
    if (found.length === 0) result.push(line);
  }
  return [...result, ...rowsOf(tables, next, tables.length).filter((_, number) => !used.has(number))];
}

function valueIn(tables: readonly Table[], line: Line, field: string): MockValue | undefined {
  return tables.map((table, index) => table.rows[line[index] ?? -1]?.[field]).find((value) => value !== undefined);
}

/** Undefined where one is null: nulls associate with nothing. */
function keyOf(fields: readonly string[], value: (field: string) => MockValue | undefined): string | undefined {
  const values = fields.map(value);
  return values.some((one) => one === null || one === undefined) ? undefined : JSON.stringify(values);
}

function push(map: Map<string, number[]>, key: string | undefined, value: number): void {
  if (key === undefined) return;
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

/** For each table the number of its group: tables that are associated, be it over others, are of one. */
function groupsOf(tables: readonly Table[]): number[] {
  const groups = tables.map((_, index) => index);
  for (const [one, table] of tables.entries())
    for (const [other, { fields }] of tables.entries()) {
      const from = groups[other];
      const to = groups[one];
      if (from === to || to === undefined || !fields.some((field) => table.fields.includes(field))) continue;
      for (const [index, group] of groups.entries()) if (group === from) groups[index] = to;
    }
  return groups;
}
