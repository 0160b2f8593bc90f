import type { MockValue } from './types.js';

/** A part of a result that is asked for, in rows and columns. */
export interface Page {
  readonly qTop: number;
  readonly qLeft: number;
  readonly qWidth: number;
  readonly qHeight: number;
}

/** The engine refuses more in one call. */
export const MAX_CELLS = 10_000;

export interface CubeCell {
  readonly qText: string;
  readonly qNum: number | 'NaN';
  readonly qElemNumber: number;
  readonly qState: string;
  readonly qIsNull?: true;
  readonly qIsTotalCell?: true;
}

/** A number, or the text by which the engine says that there is none. */
export function numberOf(value: MockValue): number | 'NaN' {
  return typeof value === 'number' ? value : 'NaN';
}

export function cell(value: MockValue, qElemNumber: number, qState: string): CubeCell {
  const isNull = value === null ? ({ qIsNull: true } as const) : {};
  return { qText: value === null ? '-' : String(value), qNum: numberOf(value), qElemNumber, qState, ...isNull };
}

/** The rows and columns of the page that there are. */
export function cut(rows: readonly (readonly CubeCell[])[], page: Page): object {
  const taken = rows.slice(page.qTop, page.qTop + page.qHeight);
  const qMatrix = taken.map((row) => row.slice(page.qLeft, page.qLeft + page.qWidth));
  const qArea = { ...page, qWidth: qMatrix[0]?.length ?? 0, qHeight: qMatrix.length };
  return { qMatrix, qTails: [], qArea, qIsReduced: false };
}

export function pagesOf(given: unknown): Page[] {
  if (!Array.isArray(given)) return [];
  return given.map(({ qTop = 0, qLeft = 0, qWidth = 0, qHeight = 0 }: Partial<Page>) => ({
    qTop,
    qLeft,
    qWidth,
    qHeight,
  }));
}

export function cellsOf(pages: readonly Page[]): number {
  return pages.reduce((all, { qWidth, qHeight }) => all + qWidth * qHeight, 0);
}
