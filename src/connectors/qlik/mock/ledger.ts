import type { Asked } from './types.js';

/** More would fill the memory of a test that runs for hours. */
const MAX_ENTRIES = 200_000;

/** All that was asked of the tenant. */
export class Ledger {
  readonly entries: Asked[] = [];

  add(entry: Asked): void {
    if (this.entries.length >= MAX_ENTRIES) this.entries.shift();
    this.entries.push(entry);
  }

  count(like: Partial<Asked>): number {
    const wanted = Object.entries(like);
    return this.entries.filter((entry) => wanted.every(([key, value]) => entry[key as keyof Asked] === value)).length;
  }

  forget(): void {
    this.entries.length = 0;
  }
}
