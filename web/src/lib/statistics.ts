// The page's own arithmetic about lists of numbers. What is no number is left out.

export interface Histogram {
  /** One more edge than counts. */
  edges: number[];
  counts: number[];
  /** How many lie above the last edge; they are in the last count. */
  beyond: number;
}

/** The numbers that are numbers, ascending. */
export function sorted(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(values).filter((value) => Number.isFinite(value)).sort();
}

/** The number below which a share of ascending numbers lies, between neighbours in a straight line. */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  if (ascending.length === 0) return NaN;
  const at = Math.min(1, Math.max(0, share)) * (ascending.length - 1);
  const i = Math.floor(at);
  const low = ascending[i] as number;
  return low + ((ascending[Math.min(i + 1, ascending.length - 1)] as number) - low) * (at - i);
}

/** Counts in bins of one width. A long tail, of less than one row in a hundred, is gathered in the last bin. */
export function histogram(values: ArrayLike<number>, bins: number): Histogram {
  const ascending = sorted(values);
  const low = ascending[0] ?? 0;
  const most = ascending.at(-1) ?? 1;
  const usual = low + 1.5 * (quantile(ascending, 0.99) - low);
  const high = most > 2 * usual - low && usual > low ? usual : most;
  const width = (high - low) / bins || 1;
  const counts = new Array<number>(bins).fill(0);
  let beyond = 0;
  for (const value of ascending) {
    if (value > high) beyond++;
    const bin = Math.min(bins - 1, Math.floor((value - low) / width));
    counts[bin] = (counts[bin] as number) + 1;
  }
  return { edges: Array.from({ length: bins + 1 }, (_, i) => low + i * width), counts, beyond };
}

/** Round numbers across a range, about so many. */
export function ticks(low: number, high: number, about: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, about);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((by) => by * power >= 0.59 * rough) ?? 10);
  const found: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)) || 0);
  return found;
}

/** The share of ascending numbers that are below a value. */
export function below(ascending: ArrayLike<number>, value: number): number {
  let [from, to] = [0, ascending.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((ascending[middle] as number) < value) from = middle + 1;
    else to = middle;
  }
  return ascending.length === 0 ? NaN : from / ascending.length;
}
