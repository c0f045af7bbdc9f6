// Rows worth looking at: those that a model is surest or least sure of, and those that it has wrong.

export interface Predictions {
  /** Class numbers, or numbers. */
  predicted: ArrayLike<number>;
  confidence: ArrayLike<number> | null;
  /** Class numbers as the model counts them, -1 where there is none; or numbers. */
  truth: ArrayLike<number> | null;
  classes: boolean;
}

/** Labels of the data as classes of the model, which may count them otherwise. */
export function aligned(values: ArrayLike<number>, labels: readonly string[], classes: readonly string[]): Int32Array {
  const place = labels.map((label) => classes.indexOf(label));
  return Int32Array.from({ length: values.length }, (_, i) => place[values[i] as number] ?? -1);
}

export function wrong(found: Predictions, row: number): boolean {
  return found.classes && found.truth !== null && (found.truth[row] as number) >= 0 && found.truth[row] !== found.predicted[row];
}

/** Rows in an order: surest first, or least sure, or wrong ones by how sure they were; of numbers by their error. */
export function listedRows(found: Predictions, which: "sure" | "unsure" | "wrong"): number[] {
  const all = Array.from({ length: found.predicted.length }, (_, i) => i);
  const sure = (i: number): number => (found.confidence ? (found.confidence[i] as number) : (found.predicted[i] as number));
  if (which === "wrong" && !found.classes) {
    const error = (i: number): number => Math.abs((found.predicted[i] as number) - (found.truth?.[i] ?? NaN));
    return all.filter((i) => !Number.isNaN(error(i))).sort((a, b) => error(b) - error(a) || a - b);
  }
  const kept = which === "wrong" ? all.filter((i) => wrong(found, i)) : all;
  return kept.sort((a, b) => (which === "unsure" ? sure(a) - sure(b) : sure(b) - sure(a)) || a - b);
}
