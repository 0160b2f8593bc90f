import type { DataModel, Line } from './dataModel.js';
import type { MockValue } from './types.js';

/** The engine's letters: selected, possible, alternative, excluded, selected but excluded, locked. */
export type ValueState = 'S' | 'O' | 'A' | 'X' | 'XS' | 'L';

/** Field → element numbers that are selected. */
export type Selected = ReadonlyMap<string, ReadonlySet<number>>;

/** What a session has selected, and what that leaves possible elsewhere. */
export class Selections {
  readonly #model: DataModel;
  #selected = new Map<string, ReadonlySet<number>>();
  readonly #locked = new Set<string>();
  #lines: readonly Line[] | undefined;
  readonly #undo: Map<string, ReadonlySet<number>>[] = [];

  constructor(model: DataModel, saved: Readonly<Record<string, readonly MockValue[]>> = {}) {
    this.#model = model;
    for (const [name, values] of Object.entries(saved)) {
      const field = model.fields.get(name);
      if (field)
        this.#selected.set(name, new Set(values.map((value) => field.elementOf(value)).filter((one) => one >= 0)));
    }
  }

  get selected(): Selected {
    return this.#selected;
  }

  /** All lines that the selections leave. */
  get lines(): readonly Line[] {
    this.#lines ??= this.linesOf(this.#selected);
    return this.#lines;
  }

  linesOf(selected: Selected): readonly Line[] {
    const model = this.#model;
    if (selected.size === 0) return model.lines;
    const tests = [...selected].map(([name, elements]) => ({ name, elements, field: model.fields.get(name) }));
    return model.lines.filter((line) =>
      tests.every(
        ({ name, elements, field }) =>
          !field || !model.concerns(line, name) || elements.has(field.elementOf(model.value(line, name))),
      ),
    );
  }

  /** Replaces what is selected in a field, or toggles each where asked. False: locked, or nothing of it exists. */
  select(name: string, elements: readonly number[], toggle = false): boolean {
    const field = this.#model.fields.get(name);
    if (!field || this.#locked.has(name)) return false;
    const real = elements.filter(
      (element) => Number.isInteger(element) && element >= 0 && element < field.values.length,
    );
    if (real.length === 0) return false;
    const next = new Set(toggle ? this.#selected.get(name) : []);
    for (const element of real) {
      if (toggle && next.has(element)) next.delete(element);
      else next.add(element);
    }
    this.#set(name, next);
    return true;
  }

  clear(name: string): boolean {
    if (this.#locked.has(name)) return false;
    this.#set(name, new Set());
    return true;
  }

  clearAll(lockedAlso: boolean, except?: string): void {
    this.#remember();
    for (const name of [...this.#selected.keys()])
      if (name !== except && (lockedAlso || !this.#locked.has(name))) this.#selected.delete(name);
    if (lockedAlso) this.#locked.clear();
    this.#lines = undefined;
  }

  lock(name: string, locked: boolean): boolean {
    if (!this.#selected.has(name)) return false;
    if (locked) this.#locked.add(name);
    else this.#locked.delete(name);
    return true;
  }

  isLocked(name: string): boolean {
    return this.#locked.has(name);
  }

  back(): boolean {
    const before = this.#undo.pop();
    if (!before) return false;
    this.#selected = before;
    this.#lines = undefined;
    return true;
  }

  /** Of every value of a field, by element number. */
  states(name: string): ValueState[] {
    const field = this.#model.fields.get(name);
    if (!field) return [];
    const mine = this.#selected.get(name);
    const others = new Map(this.#selected);
    others.delete(name);
    const possible = new Set(
      (mine ? this.linesOf(others) : this.lines).map((line) => field.elementOf(this.#model.value(line, name))),
    );
    const locked = this.#locked.has(name);
    return field.values.map((_, element) => stateOf(possible.has(element), mine, element, locked));
  }

  #set(name: string, elements: ReadonlySet<number>): void {
    this.#remember();
    if (elements.size === 0) this.#selected.delete(name);
    else this.#selected.set(name, elements);
    this.#lines = undefined;
  }

  #remember(): void {
    this.#undo.push(new Map(this.#selected));
    if (this.#undo.length > 100) this.#undo.shift();
  }
}

function stateOf(
  possible: boolean,
  mine: ReadonlySet<number> | undefined,
  element: number,
  locked: boolean,
): ValueState {
  if (!mine) return possible ? 'O' : 'X';
  if (mine.has(element)) return possible ? (locked ? 'L' : 'S') : 'XS';
  return possible && !locked ? 'A' : 'X';
}
