// Rows of the page and rows of the data.
import type { Cells } from "./cells";

/** Where the page shows a row of the data, -1 where it does not. */
export function placeOf(numbers: ArrayLike<number>, wanted: number): number {
  if (numbers[wanted] === wanted) return wanted;
  for (let i = 0; i < numbers.length; i++) if (numbers[i] === wanted) return i;
  return -1;
}

/** Cell by cell, what was taken away or added. */
export function difference(from: ArrayLike<number>, to: ArrayLike<number>): Float64Array {
  return Float64Array.from(to, (value, i) => value - (from[i] as number));
}

/** Surprise beyond what is usual in each column; nothing where a cell is missing. */
export function beyond(surprise: Cells, usual: readonly number[], cells: Cells): Cells {
  if (usual.length === 0) return surprise;
  return Float64Array.from(surprise, (value, i) => (Number.isNaN(cells[i]) ? NaN : value - (usual[i] ?? 0)));
}
