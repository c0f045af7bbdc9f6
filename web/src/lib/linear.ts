// A small linear programme, solved exactly: minimise c x with A x <= b and x >= 0, where no cost is negative, so that the
// dual simplex method can start from x = 0.

const TINY = 1e-9;
const MOST = 2000;

/** Return x, or null where no x satisfies all constraints. */
export function minimise(cost: readonly number[], rows: readonly (readonly number[])[], bounds: readonly number[]): number[] | null {
  const n = cost.length;
  const m = rows.length;
  // Columns are x and one slack per constraint, and the right side last.
  const tableau = rows.map((row, i) => {
    const line = new Float64Array(n + m + 1);
    line.set(row);
    line[n + i] = 1;
    line[n + m] = bounds[i] as number;
    return line;
  });
  const price = new Float64Array(n + m + 1);
  price.set(cost);
  const basis = Array.from({ length: m }, (_, i) => n + i);
  for (let tries = 0; tries < MOST; tries++) {
    const out = lowest(tableau, n + m);
    if (out < 0) return solution(tableau, basis, n);
    const enters = entering(tableau[out] as Float64Array, price);
    if (enters < 0) return null;
    pivot(tableau, price, out, enters);
    basis[out] = enters;
  }
  return null;
}

/** The constraint that is violated most, or -1. */
function lowest(tableau: Float64Array[], right: number): number {
  let [found, least] = [-1, -TINY];
  tableau.forEach((line, i) => {
    const value = line[right] as number;
    if (value < least) [found, least] = [i, value];
  });
  return found;
}

/** The column whose price rises least for what it mends, or -1. */
function entering(line: Float64Array, price: Float64Array): number {
  let [found, least] = [-1, Infinity];
  for (let j = 0; j < line.length - 1; j++) {
    const slope = line[j] as number;
    if (slope >= -TINY) continue;
    const ratio = (price[j] as number) / -slope;
    if (ratio < least - 1e-12) [found, least] = [j, ratio];
  }
  return found;
}

function pivot(tableau: Float64Array[], price: Float64Array, out: number, enters: number): void {
  const chosen = tableau[out] as Float64Array;
  const by = chosen[enters] as number;
  for (let j = 0; j < chosen.length; j++) chosen[j] = (chosen[j] as number) / by;
  for (const line of [...tableau, price]) {
    const factor = line === chosen ? 0 : (line[enters] as number);
    if (factor === 0) continue;
    for (let j = 0; j < line.length; j++) line[j] = (line[j] as number) - factor * (chosen[j] as number);
  }
}

function solution(tableau: Float64Array[], basis: number[], n: number): number[] {
  const found = new Array<number>(n).fill(0);
  tableau.forEach((line, i) => {
    const j = basis[i] as number;
    if (j < n) found[j] = line[line.length - 1] as number;
  });
  return found;
}
