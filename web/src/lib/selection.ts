// Questions about selected rows: which are in it, which stand for it, and by what it differs from the rest.

export type Op = "is" | "is not" | "between" | "missing";

/** Rows whose values meet a condition, of all rows. */
export function matchingRows(values: ArrayLike<number>, op: Op, first: number, second: number): number[] {
  const [low, high] = first <= second ? [first, second] : [second, first];
  const test = {
    is: (value: number) => value === first,
    "is not": (value: number) => !Number.isNaN(value) && value !== first,
    between: (value: number) => value >= low && value <= high,
    missing: (value: number) => Number.isNaN(value),
  }[op];
  const found: number[] = [];
  for (let i = 0; i < values.length; i++) if (test(values[i] as number)) found.push(i);
  return found;
}

/** Two selections as one: in its place, together, or what is in both. */
export function combined(before: number[], found: number[], how: "replace" | "add" | "narrow"): number[] {
  if (how === "replace") return found;
  const known = new Set(before);
  if (how === "narrow") return found.filter((row) => known.has(row));
  return before.concat(found.filter((row) => !known.has(row))).sort((a, b) => a - b);
}

/** Whether a place lies in a polygon of alternating x and y. */
export function inside(polygon: ArrayLike<number>, x: number, y: number): boolean {
  let within = false;
  for (let i = 0, j = polygon.length - 2; i < polygon.length; j = i, i += 2) {
    const [xi, yi] = [polygon[i] as number, polygon[i + 1] as number];
    const [xj, yj] = [polygon[j] as number, polygon[j + 1] as number];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) within = !within;
  }
  return within;
}

function squared(values: ArrayLike<number>, width: number, row: number, to: ArrayLike<number>, at = 0): number {
  let sum = 0;
  for (let j = 0; j < width; j++) {
    const away = (values[row * width + j] as number) - (to[at + j] as number);
    if (!Number.isNaN(away)) sum += away * away;
  }
  return sum;
}

/** The rows nearest to the selection's mean code, the nearest first. */
export function central(codes: ArrayLike<number>, width: number, rows: number[], most: number): number[] {
  const mean = new Float64Array(width);
  for (const row of rows) for (let j = 0; j < width; j++) mean[j] = (mean[j] as number) + (codes[row * width + j] as number) / rows.length;
  return rows
    .map((row) => [row, squared(codes, width, row, mean)] as const)
    .sort((a, b) => a[1] - b[1] || a[0] - b[0])
    .slice(0, most)
    .map(([row]) => row);
}

/** The row with the least distance to the others, of at most 400 at even steps: the medoid, or nearly. */
export function medoid(codes: ArrayLike<number>, width: number, rows: number[]): number {
  const step = Math.max(1, Math.ceil(rows.length / 400));
  const some = rows.filter((_, i) => i % step === 0);
  let [best, least] = [rows[0] ?? -1, Infinity];
  for (const row of some) {
    let sum = 0;
    for (const other of some) sum += Math.sqrt(squared(codes, width, other, codes, row * width));
    if (sum < least) [best, least] = [row, sum];
  }
  return best;
}
