// What tells some rows from the rest: means of numbers and shares of levels, by their difference in standard deviations.
export interface Distinction {
  /** Of the column or unit. */
  place: number;
  /** The level that a share is of, -1 where means are compared. */
  level: number;
  within: number;
  elsewhere: number;
  /** The difference over the standard deviation within groups. */
  size: number;
}

const BLOCK = 2_000_000;
export const pause = (): Promise<void> => new Promise((done) => setTimeout(done, 0));

interface Sums {
  count: Float64Array;
  sum: Float64Array;
  squares: Float64Array;
}

const sums = (width: number): Sums => ({
  count: new Float64Array(width),
  sum: new Float64Array(width),
  squares: new Float64Array(width),
});

/** Compare a matrix' rows that are `within` with the others; the page stays awake meanwhile. Levels are compared one by one. */
export async function distinguish(
  values: ArrayLike<number>,
  width: number,
  within: Uint8Array,
  levels: number[],
): Promise<Distinction[]> {
  const rows = values.length / width;
  const shift = Float64Array.from({ length: width }, (_, j) => known(values, width, j));
  const groups = [sums(width), sums(width)] as const;
  const tables = levels.map((count) => (count > 0 ? new Float64Array(2 * count) : null));
  const each = Math.max(1, Math.floor(BLOCK / width));
  for (let from = 0; from < rows; from += each) {
    for (let i = from; i < Math.min(rows, from + each); i++) {
      const group = groups[within[i] ? 1 : 0] as Sums;
      const side = within[i] ? 1 : 0;
      for (let j = 0; j < width; j++) {
        const value = values[i * width + j] as number;
        if (value !== value) continue;
        const table = tables[j];
        group.count[j] = (group.count[j] as number) + 1;
        if (table) {
          const at = 2 * Math.round(value) + side;
          if (at < table.length) table[at] = (table[at] as number) + 1;
          continue;
        }
        const away = value - (shift[j] as number);
        group.sum[j] = (group.sum[j] as number) + away;
        group.squares[j] = (group.squares[j] as number) + away * away;
      }
    }
    if (from + each < rows) await pause();
  }
  return compared(groups[1], groups[0], shift, tables);
}

/** A number of the column, near which sums lose no digits. */
function known(values: ArrayLike<number>, width: number, column: number): number {
  for (let i = column; i < values.length; i += width) if (!Number.isNaN(values[i])) return values[i] as number;
  return 0;
}

function compared(a: Sums, b: Sums, shift: Float64Array, tables: (Float64Array | null)[]): Distinction[] {
  const found: Distinction[] = [];
  for (let j = 0; j < shift.length; j++) {
    const [n, m] = [a.count[j] as number, b.count[j] as number];
    if (n === 0 || m === 0) continue;
    const table = tables[j];
    if (table) {
      for (let level = 0; level < table.length / 2; level++) {
        const [p, q] = [(table[2 * level + 1] as number) / n, (table[2 * level] as number) / m];
        found.push({ place: j, level, within: p, elsewhere: q, size: over(p - q, (n * p * (1 - p) + m * q * (1 - q)) / (n + m)) });
      }
      continue;
    }
    const [x, y] = [(a.sum[j] as number) / n, (b.sum[j] as number) / m];
    const rest = (a.squares[j] as number) - n * x * x + (b.squares[j] as number) - m * y * y;
    const at = shift[j] as number;
    found.push({ place: j, level: -1, within: at + x, elsewhere: at + y, size: over(x - y, rest / (n + m)) });
  }
  return found.filter((one) => one.size !== 0).sort((one, two) => Math.abs(two.size) - Math.abs(one.size));
}

/** A difference over a standard deviation; where nothing varies within groups, they are told apart wholly. */
function over(difference: number, variance: number): number {
  if (Math.abs(difference) < 1e-12) return 0;
  return variance > 1e-24 ? difference / Math.sqrt(variance) : Math.sign(difference) * Infinity;
}

/** The mean of some rows, and of the others: for pictures and signals, which are looked at as a whole. */
export function means(values: ArrayLike<number>, width: number, within: Uint8Array): [Float64Array, Float64Array] {
  const found: [Float64Array, Float64Array] = [new Float64Array(width), new Float64Array(width)];
  const count = [0, 0];
  for (let i = 0; i < within.length; i++) {
    const side = within[i] ? 1 : 0;
    count[side] = (count[side] as number) + 1;
    const sum = found[side] as Float64Array;
    for (let j = 0; j < width; j++) sum[j] = (sum[j] as number) + ((values[i * width + j] as number) || 0);
  }
  found.forEach((sum, side) => sum.forEach((_, j) => (sum[j] = (sum[j] as number) / (count[side] || 1))));
  return [found[1], found[0]];
}
