import type { QixCell } from './engineTypes.js';

/** A number where it is one, a text, or null. With what is shown, where a number is formatted: `$1,200.00` or a date. */
export type Cell = string | number | null | { readonly value: number; readonly text: string };

/** The element number of a null. */
const NULL = -2;
/** How much of a number its text may leave out before it counts as formatted. */
const ROUNDING = 1e-9;

export function cellOf({ qText = '', qNum, qIsNull, qElemNumber }: QixCell): Cell {
  if (qIsNull === true || qElemNumber === NULL) return null;
  if (typeof qNum !== 'number' || !Number.isFinite(qNum)) return qText;
  return qText === '' || isPlain(qText, qNum) ? qNum : { value: qNum, text: qText };
}

/** `007` and `12.50` say more than their number. */
function isPlain(text: string, number: number): boolean {
  const read = Number(text);
  return String(read) === text && Math.abs(read - number) <= Math.abs(number) * ROUNDING;
}
