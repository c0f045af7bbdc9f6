// Rows of the page and rows of the data.

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
